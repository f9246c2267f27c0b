"""Images are decoded upright, whatever their format and the orientation that they name."""

import io
import subprocess

import numpy as np
import pytest
from PIL import Image

from dlfun.data.image_decoding import central_crop, cropped, pixels
from dlfun.data.image_files import read_image
from dlfun.errors import UserError

FORMATS = {
    "PNG": {},
    "WEBP": {"lossless": True},
    "TIFF": {},
    "JPEG": {"quality": 100, "subsampling": 0},
}
ORIENTATION = 0x0112
STORED = {  # What a camera stores of an upright picture under each orientation of EXIF.
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
    8: lambda a: np.rot90(a, -1),
}


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("kind", FORMATS)
def test_every_orientation_of_every_format_is_turned_upright(kind, orientation, tmp_path):
    blocks = np.random.default_rng(0).integers(0, 256, (5, 8, 3))
    upright = np.kron(blocks, np.ones((16, 16, 1))).astype(np.uint8)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](upright)))
    content = io.BytesIO()
    stored.save(content, kind, exif=exif, **FORMATS[kind])
    file = tmp_path / f"image.{kind.lower()}"
    file.write_bytes(content.getvalue())
    lost = 8 if kind == "JPEG" else 0
    expected = cropped(Image.fromarray(upright), 64).astype(int)
    assert np.abs(pixels(str(file), 64, central_crop) - expected).max() <= lost
    assert np.abs(np.asarray(read_image(file)) - upright.astype(int)).max() <= lost


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("LA", 2), ("RGBA", 4)])
def test_every_orientation_of_a_tiff_that_pillow_maps_into_memory(
    mode, channels, orientation, tmp_path
):
    """One that is not compressed, of a mode that needs no conversion."""
    upright = np.random.default_rng(0).integers(0, 256, (20, 30, channels)).astype(np.uint8)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    stored = np.ascontiguousarray(STORED[orientation](upright))
    file = tmp_path / "image.tiff"
    Image.fromarray(stored[..., 0] if channels == 1 else stored, mode).save(file, exif=exif)
    assert (np.asarray(read_image(file)).reshape(upright.shape) == upright).all()


@pytest.mark.parametrize("read", [read_image, lambda file: pixels(str(file), 8, central_crop)])
def test_a_file_of_another_format_starts_no_program(read, tmp_path, monkeypatch):
    """Pillow would have Ghostscript run the PostScript in it."""
    file = tmp_path / "image.png"
    Image.new("RGB", (8, 8)).save(file, "EPS")
    monkeypatch.setattr(subprocess, "check_call", lambda *a, **k: pytest.fail("a program ran"))
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: pytest.fail("a program ran"))
    with pytest.raises(UserError, match=r"image\.png: not a readable image; expected an image"):
        read(file)

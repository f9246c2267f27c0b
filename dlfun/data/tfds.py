"""Any image classification set of TensorFlow Datasets, decoded once, without TensorFlow.

TFDS downloads and prepares the set below ROOT/tfds, in its own layout; its images are decoded to
arrays below ROOT/decoded, which later runs map without importing TFDS. Images of unequal sizes are
copied there as they are encoded.
"""

import contextlib
import io
import logging
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dlfun.data import array_cache as decoded
from dlfun.data import tensorflow_stub as tensorflow_standin
from dlfun.data.dataset import TEST_SHARE, Dataset, partition
from dlfun.data.folders import roots, writable_root
from dlfun.data.tfds_errors import check_known, to_user_error
from dlfun.errors import UserError

PREFIX = "tfds:"
_NAME = re.compile(r"(?P<name>[a-zA-Z]\w*)(/(?P<config>[\w+.-]+))?(:(?P<version>\d+\.\d+\.\d+))?")
_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
_log = logging.getLogger(__name__)


class _Features(NamedTuple):
    image: str
    label: str
    shape: tuple[int, int, int] | None
    """None where the images are of unequal sizes."""
    channels: int
    classes: tuple[str, ...]


def load(name: str, data_dir: Path | None) -> Dataset:
    """Load the TFDS set `name`: NAME, NAME/CONFIG, either with :VERSION.

    Splits are "train" and "test" as TFDS names them, and "validation" where TFDS has that too.
    Where there is no "test", "validation" takes its place; where there is only "train", its last
    tenth by a fixed permutation (`partition` with seed 0) is "test" and no longer in "train".

    Raises:
        UserError: no such set; not image classification; it cannot be downloaded, prepared or
            written; its decoded arrays are damaged.
    """
    if not (match := _NAME.fullmatch(name)):
        raise UserError(f"'{PREFIX}{name}' is no TFDS name: expected tfds:NAME[/CONFIG][:VERSION]")
    key = name.replace("/", "--").replace(":", "@")
    for root in roots(data_dir):
        if (folder := decoded.folder(root, key)).is_dir():
            return decoded.read(folder, PREFIX + name)
    root = writable_root(data_dir)
    folder = decoded.folder(root, key)
    _log.info("%s%s: downloading and decoding, once, into %s", PREFIX, name, folder)
    with _quiet(), tensorflow_standin.installed():
        try:
            builder = _builder(name, match["name"], match["config"], root / "tfds")
            features = _features(PREFIX + name, builder.info)
            with _fewer_retries():
                builder.download_and_prepare(file_format="array_record")
            _decode(PREFIX + name, builder, features, folder)
        except UserError:
            raise
        except Exception as error:  # builders are anyone's code, and raise anything
            raise to_user_error(PREFIX + name, error, root) from error
    return decoded.read(folder, PREFIX + name)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Drop what TFDS prints, logs and warns; what goes wrong is raised."""
    logger = logging.getLogger("absl")
    level = logger.level
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        logger.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            logger.setLevel(level)


@contextlib.contextmanager
def _fewer_retries() -> Iterator[None]:
    """Within, TFDS gives a server up after 6 seconds: its own 10 retries take over 3 minutes."""
    from tensorflow_datasets.core.download import downloader

    before = downloader.MAX_RETRIES
    downloader.MAX_RETRIES = 5
    try:
        yield
    finally:
        downloader.MAX_RETRIES = before


def _builder(name: str, bare: str, config: str | None, data_dir: Path) -> Any:
    import tensorflow_datasets as tfds

    try:
        return tfds.builder(name, data_dir=data_dir, file_format="array_record")
    except Exception:
        check_known(bare, config)
        raise


def _features(name: str, info: Any) -> _Features:
    import tensorflow_datasets as tfds

    match info.supervised_keys:
        case (str(image_key), str(label_key)):
            pass
        case _:
            image_key, label_key = "image", "label"
    features: dict[str, Any] = dict(info.features.items())
    image, label = features.get(image_key), features.get(label_key)
    if not (isinstance(image, tfds.features.Image) and isinstance(label, tfds.features.ClassLabel)):
        found = ", ".join(f"{key} ({type(feature).__name__})" for key, feature in features.items())
        raise UserError(
            f"{name} is not image classification (one image, one class): it has {found}"
        )
    shape: Any = image.shape
    if image.np_dtype != np.uint8 or shape[-1] not in _MODES:
        raise UserError(
            f"{name} has images of type {image.np_dtype} and shape {shape}:"
            " only uint8 with 1 to 4 channels can be loaded"
        )
    fixed = None if None in shape else shape
    return _Features(image_key, label_key, fixed, shape[-1], tuple(label.names))


def _decode(name: str, builder: Any, features: _Features, folder: Path) -> None:
    sizes = {split: info.num_examples for split, info in builder.info.splits.items()}
    if "train" not in sizes:
        raise UserError(f"{name} has no split 'train': its splits are {', '.join(sizes)}")
    chosen = {split: np.arange(sizes[split]) for split in ("train", "test") if split in sizes}
    origin = {split: split for split in ("train", "test", "validation")}
    if "test" in sizes and "validation" in sizes:
        chosen["validation"] = np.arange(sizes["validation"])
    elif "validation" in sizes:
        chosen["test"] = np.arange(sizes["validation"])
        origin["test"] = "validation"
    elif "test" not in sizes:
        chosen["train"], chosen["test"] = partition(sizes["train"], TEST_SHARE, seed=0)
        origin["test"] = "train"
    splits = {
        split: decoded.Source(
            (len(indices), *(features.shape or ())),
            _examples(name, builder, features, origin[split], indices),
        )
        for split, indices in chosen.items()
    }
    licence = builder.info.redistribution_info.license or "see the TFDS catalogue"
    decoded.write(folder, features.classes, " ".join(licence.split()), splits)


def _examples(
    name: str, builder: Any, features: _Features, split: str, indices: np.ndarray
) -> Iterator[tuple[np.ndarray | bytes, int]]:
    import tensorflow_datasets as tfds
    from PIL import Image

    source = builder.as_data_source(
        split=split, decoders={features.image: tfds.decode.SkipDecoding()}
    )
    mode = _MODES[features.channels]
    for index in indices:
        example = source[int(index)]
        label = int(example[features.label])
        if not 0 <= label < len(features.classes):
            raise UserError(f"{name} has no labels in its split '{split}'")
        if features.shape is None:
            yield example[features.image], label
            continue
        with Image.open(io.BytesIO(example[features.image])) as picture:
            # As tf.image.decode_image does: to the channels the builder declares.
            image = np.asarray(picture.convert(mode)).reshape(picture.height, picture.width, -1)
        if image.shape != features.shape:
            raise UserError(
                f"{name} has an image of shape {image.shape}, not {features.shape} as it declares"
            )
        yield image, label

"""The command `sample`."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from annotated_types import Ge, Gt, Lt

from dlfun.cli.console import Run, warn
from dlfun.errors import UserError

if TYPE_CHECKING:
    from PIL.Image import Image

    from dlfun.experiment import Animation

GAP = 2
"""Pixels between the images of a grid, and around them."""


@dataclass(frozen=True)
class Sample:
    """Draw samples from a trained run: texts are printed, images written into the run directory.

    Animations are written as GIF. Several images of one size are also written as one, in rows and
    columns.
    """

    run_dir: Run
    """Run directory."""
    count: Annotated[int, Ge(1)] = 1
    """Number of samples."""
    seed: Annotated[int, Ge(0), Lt(2**32)] = 0
    """Random seed of the samples."""
    prime: str | None = None
    """Text that each sample continues, where samples are texts."""
    temperature: Annotated[float, Gt(0)] | None = None
    """Divides the logits of each character of a text: below 1, likely ones are drawn more often. By
    default the run's own."""
    label: Annotated[str | None, tyro.conf.arg(name="class")] = None
    """Class of all samples, by name, where they are drawn by class."""
    arrays: bool = False
    """Write images of one size also as an array, "image" in a .npz file."""

    def __call__(self) -> int:
        from dlfun import config
        from dlfun.experiment import Animation
        from dlfun.train import driver, run_directory
        from dlfun.train.samples import draw_samples

        config.check(self)
        experiment, trained = driver.read(self.run_dir, warn)
        samples = draw_samples(
            experiment,
            trained,
            self.count,
            self.seed,
            self.prime,
            self.temperature,
            self.label,
        )
        folder = self.run_dir / run_directory.SAMPLES
        images = []
        for number, sample in enumerate(samples):
            if isinstance(sample, str):
                print(sample)
            elif isinstance(sample, Animation):
                print(_write_animation(folder / f"seed{self.seed}-{number}.gif", sample))
            else:
                images.append(sample)
                print(_write(folder / f"seed{self.seed}-{number}.png", sample))
        of_one_size = len({(image.mode, image.size) for image in images}) == 1
        if len(images) > 1 and of_one_size:
            print(_write(folder / f"seed{self.seed}-grid.png", _grid(images)))
        if self.arrays and not of_one_size:
            raise UserError("--arrays: the samples are no images of one size")
        if self.arrays:
            print(_write_arrays(folder / f"seed{self.seed}.npz", images))
        return 0


def _grid(images: Sequence["Image"]) -> "Image":
    """Images of one size and mode as one, in about as many rows as columns, on grey."""
    from PIL import Image

    columns = math.ceil(math.sqrt(len(images)))
    width, height = images[0].width + GAP, images[0].height + GAP
    size = (columns * width + GAP, -(-len(images) // columns) * height + GAP)
    grey = Image.new("L", size, 128).convert(images[0].mode)
    for number, image in enumerate(images):
        row, column = divmod(number, columns)
        grey.paste(image, (GAP + column * width, GAP + row * height))
    return grey


def _write(path: Path, image: object) -> Path:
    """Write an image, a Pillow Image, as PNG."""
    from PIL.Image import Image

    from dlfun.train.run_directory import atomic

    assert isinstance(image, Image)
    path.parent.mkdir(exist_ok=True)
    with atomic(path) as part:
        image.save(part, format="png")
    return path


def _write_arrays(path: Path, images: Sequence["Image"]) -> Path:
    """Write images as one array of bytes, [count, height, width] or with channels at the end."""
    import numpy as np

    from dlfun.train.run_directory import atomic

    with atomic(path) as part, part.open("wb") as file:
        np.savez(file, image=np.stack([np.asarray(image) for image in images]))
    return path


def _write_animation(path: Path, animation: "Animation") -> Path:
    """Write an animation as a GIF that begins again at its end."""
    from dlfun.train.run_directory import atomic

    path.parent.mkdir(exist_ok=True)
    first, *others = animation.frames
    with atomic(path) as part:
        first.save(
            part,
            format="gif",
            save_all=True,
            append_images=others,
            duration=animation.milliseconds,
            loop=0,
        )
    return path

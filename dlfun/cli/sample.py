"""The command `sample`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from annotated_types import Ge, Lt

from dlfun.cli.console import Run, warn
from dlfun.errors import UserError


@dataclass(frozen=True)
class Sample:
    """Draw samples from a trained run: texts are printed, images written into the run directory."""

    run_dir: Run
    """Run directory."""
    count: Annotated[int, Ge(1)] = 1
    """Number of samples."""
    seed: Annotated[int, Ge(0), Lt(2**32)] = 0
    """Random seed of the samples."""

    def __call__(self) -> int:
        from dlfun import config
        from dlfun.random import stream
        from dlfun.train import driver, run_directory

        config.check(self)
        experiment, trained = driver.read(self.run_dir, warn)
        if experiment.sample is None:
            raise UserError(f"{self.run_dir}: experiment '{experiment.name}' draws no samples")
        samples = experiment.sample(trained, stream(self.seed, "sample"), self.count)
        folder = self.run_dir / run_directory.SAMPLES
        for number, sample in enumerate(samples):
            if isinstance(sample, str):
                print(sample)
            else:
                print(_write(folder / f"seed{self.seed}-{number}.png", sample))
        return 0


def _write(path: Path, image: object) -> Path:
    """Write an image, a Pillow Image, as PNG."""
    from PIL.Image import Image

    from dlfun.train.run_directory import atomic

    assert isinstance(image, Image)
    path.parent.mkdir(exist_ok=True)
    with atomic(path) as part:
        image.save(part, format="png")
    return path

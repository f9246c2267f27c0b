"""Decoding and cropping of photographs, images a second: `python -m benchmarks.images --help`.

1,024 JPEGs of 500×375, made of noise of several octaves, about 100 kB each, are decoded to random
resized crops of 224, mirrored at random: by dlfun's threads, as a stream of batches of 256; by
torchvision's ImageFolder and PyTorch's DataLoader with a worker process for each core, if it is
installed; and by a loop over Pillow on one core. Whole passes in turns; medians.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
from annotated_types import Ge
from PIL import Image

from benchmarks import command
from dlfun.data import Dataset, load
from dlfun.data import image_decoding as crops
from dlfun.data.encoded_images import EncodedImages, resized, uniforms
from dlfun.train.batches import Order, from_stream

BATCH, SIZE = 256, 224


@dataclass(frozen=True)
class Benchmark:
    """Time the decoding and cropping of photographs in dlfun, torchvision and a loop, in turns."""

    images: Annotated[int, Ge(2)] = 1024
    """Number of photographs, of two classes."""
    passes: Annotated[int, Ge(1)] = 5
    """Passes over the photographs, of which the median is reported, after one to warm up."""


def photographs(root: Path, count: int) -> None:
    """Write `count` images of each of two classes into root/train."""
    rng = np.random.default_rng(0)
    for i in range(2 * count):
        light = np.zeros((375, 500, 3))
        for octave in (4, 16, 64, 250):
            noise = rng.integers(0, 256, (octave * 3 // 4, octave, 3), np.uint8)
            layer = Image.fromarray(noise).resize((500, 375), Image.Resampling.BICUBIC)
            light += np.asarray(layer, np.float64) / octave**0.25
        light = 255 * (light - light.min()) / np.ptp(light)
        file = root / "train" / "ab"[i % 2] / f"{i}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(light.astype(np.uint8)).save(file, quality=90)


def stream(dataset: Dataset) -> Callable[[int], int]:
    """Make a function that reads an epoch of dlfun's stream and returns the number of images."""
    order = Order(dataset, (0,), BATCH)
    steps = order.steps_per_epoch

    def run(epoch: int) -> int:
        windows = from_stream(order, range(epoch * steps, (epoch + 1) * steps))
        return sum(int((window.indices >= 0).sum()) for window in windows)

    return run


def loop(images: EncodedImages) -> Callable[[int], int]:
    """Make a function that decodes images one after another and returns their number."""

    def run(epoch: int) -> int:
        for index in range(len(images)):
            draws = uniforms(0, epoch, index, crops.DRAWS)
            file = images.files[images.chosen[index]]
            crops.pixels(file, SIZE, partial(crops.random_crop, draws=draws))
        return len(images)

    return run


def torchvision(root: Path, workers: int) -> Callable[[int], int] | None:
    """Make a function that reads an epoch of torchvision's loader; None if not installed."""
    try:
        from torch.utils.data import DataLoader
        from torchvision import transforms
        from torchvision.datasets import ImageFolder
    except (ImportError, RuntimeError):  # RuntimeError: built for another PyTorch.
        return None
    steps = [
        transforms.RandomResizedCrop(SIZE),
        transforms.RandomHorizontalFlip(),
        transforms.PILToTensor(),
    ]
    folder = ImageFolder(str(root / "train"), transforms.Compose(steps))
    processes: dict = {"num_workers": workers, "persistent_workers": True}
    processes["multiprocessing_context"] = "spawn"  # fork would lose JAX's threads.
    loader = DataLoader(folder, BATCH, shuffle=True, **processes)
    return lambda epoch: sum(len(labels) for _, labels in loader)


@command.one_line_errors
def main(arguments: Sequence[str]) -> int:
    """Measure, print a row for each reader, and return the exit status."""
    benchmark = command.parse(Benchmark, arguments, "python -m benchmarks.images")
    workers = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        photographs(root, benchmark.images // 2)
        photos = resized(load(f"folder:{root}"), SIZE)
        peers = {
            f"dlfun, {workers} threads": stream(photos),
            f"torchvision, DataLoader, {workers} processes": torchvision(root, workers),
            "Pillow, one core": loop(photos.splits["train"]["image"]),
        }
        rates: dict[str, list[float]] = {name: [] for name, run in peers.items() if run}
        for epoch in range(benchmark.passes + 1):
            for name in rates:
                began = time.perf_counter()
                count = peers[name](epoch)  # type: ignore[misc]
                if epoch:  # The first epoch warms up workers and the file cache.
                    rates[name].append(count / (time.perf_counter() - began))
    print("| pipeline | images/s |\n| --- | --- |")
    for name, samples in rates.items():
        print(f"| {name} | {statistics.median(samples):.0f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

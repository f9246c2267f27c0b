"""MNIST and Fashion-MNIST: 60,000 + 10,000 gray images of 28×28 in ten classes, as IDX files."""

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dlfun.data import idx
from dlfun.data.dataset import Dataset
from dlfun.data.idx import Checksum

SPLITS = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}
EXAMPLES = {"train": 60_000, "test": 10_000}


class IdxSet(NamedTuple):
    """Description of a dataset in four IDX files: name, origin, licence, classes, checksums."""

    name: str
    origin: str
    licence: str
    classes: tuple[str, ...]
    files: dict[str, Checksum]


MNIST = IdxSet(
    "mnist",
    "LeCun, Cortes, Burges",
    "CC BY-SA 3.0",
    tuple("0123456789"),
    {
        "train-images-idx3-ubyte.gz": Checksum(
            9_719_438, "0b367032e93c5d0cea0925647cfdb18614af8ee15f83e6f2fc2ad904a6835971"
        ),
        "train-labels-idx1-ubyte.gz": Checksum(
            28_857, "1787548bbe0bff1ec2ecdc0ef292b02df999e2d1a6002d27500982c652b17203"
        ),
        "t10k-images-idx3-ubyte.gz": Checksum(
            1_616_508, "1a1a05eab793c14bb050b398624a11b0ffd1a2953baed553b1b9bd079e2a20be"
        ),
        "t10k-labels-idx1-ubyte.gz": Checksum(
            4_517, "b91679a0acfe4ba0e50a2437a903084cba1f5f92592b016a25a7dfd00455798b"
        ),
    },
)

FASHION_MNIST = IdxSet(
    "fashion_mnist",
    "Zalando Research",
    "MIT",
    (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    {
        "train-images-idx3-ubyte.gz": Checksum(
            26_421_856, "b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7"
        ),
        "train-labels-idx1-ubyte.gz": Checksum(
            29_491, "0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056"
        ),
        "t10k-images-idx3-ubyte.gz": Checksum(
            4_422_079, "cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa"
        ),
        "t10k-labels-idx1-ubyte.gz": Checksum(
            5_125, "8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05"
        ),
    },
)


def bundled_mnist() -> Traversable:
    """Folder of the MNIST files that the package includes."""
    return files("dlfun.data").joinpath("mnist")


def read(source: IdxSet, folder: Path | Traversable, remedy: str) -> Dataset:
    """Read and check the four files of `source` in `folder`.

    Raises:
        UserError: a file is missing or differs from the expected one; the message ends with
            `remedy`.
    """

    def array(file: str) -> np.ndarray:
        return idx.read(folder.joinpath(file), source.files[file], remedy)

    splits = {
        split: {"image": array(images)[..., None], "label": array(labels).astype(np.int32)}
        for split, (images, labels) in SPLITS.items()
    }
    return Dataset(source.name, splits, source.classes)

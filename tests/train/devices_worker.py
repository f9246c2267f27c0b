"""Trains the small MNIST MLP on 8 virtual devices in every way; prints how far each is from one.

Run by test_devices.py as a process of its own: the number of devices is fixed at start-up.
"""

import json

import jax
import numpy as np

from dlfun import data
from dlfun.metrics import values
from dlfun.train.loop import member
from tests.works import finish, make_work, params, programs_of

DEVICES = 8


def main() -> None:
    """Print the distances of 8 devices."""
    jax.config.update("jax_num_cpu_devices", DEVICES)
    mnist = data.load("mnist")
    sizes = {"train": 300, "test": 120}
    splits = {k: {n: a[: sizes[k]] for n, a in s.items()} for k, s in mnist.splits.items()}
    small = mnist._replace(splits=splits)
    print(json.dumps(distances(small, DEVICES, (("memory", 64), ("stream", 33)))))


def distances(small, devices, settings):
    """Of each way: largest difference of parameters to one device, of the loss, and counts."""
    result = {}
    for feed, batch_size in settings:
        work = make_work(small, batch_size=batch_size)
        alone = finish(work, programs_of(work))
        for way in ("jit", "pmap", "shard_map"):
            several = finish(work, programs_of(work, devices, way, feed))
            result[f"{way} {feed} {batch_size}"] = compare(alone, several)
    return result


def compare(a, b):
    """Distances between the ends of two trainings."""
    pairs = zip(*(jax.tree.leaves(params(end)) for end in (a, b)), strict=True)
    losses = [values(member(end.evaluated["test"], 0))["loss"] for end in (a, b)]
    return {
        "parameters": max(float(np.abs(x - y).max()) for x, y in pairs),
        "loss": abs(losses[0] - losses[1]),
        "counts": [float(b.evaluated[split]["loss"].count[0]) for split in ("train", "test")],
    }


if __name__ == "__main__":
    main()

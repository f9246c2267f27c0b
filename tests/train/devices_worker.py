"""Trains the small MNIST MLP on 8 virtual devices in every way; prints how far each is from one.

Run by test_devices.py as a process of its own: the number of devices is fixed at start-up.
"""

import json

import jax
import numpy as np

from dlfun import data
from dlfun import experiment as experiments
from dlfun.metrics import values
from dlfun.train import loop

DEVICES = 8


def main() -> None:
    """Print {way: {"parameters": largest difference, "loss": …, "counts": …}}."""
    jax.config.update("jax_num_cpu_devices", DEVICES)
    mnist = data.load("mnist")
    sizes = {"train": 300, "test": 120}
    small = {k: {n: a[: sizes[k]] for n, a in s.items()} for k, s in mnist.splits.items()}
    data.load = lambda *_, **__: mnist._replace(splits=small)
    module = experiments.load("mnist_mlp")
    found = {}
    for feed, batch_size in (("memory", 64), ("stream", 33)):
        experiment = module.build(module.Config(hidden=(16,), epochs=2, batch_size=batch_size))
        alone = finish(experiment, loop.compile_programs(experiment))
        for way in ("jit", "pmap", "shard_map"):
            programs = loop.compile_programs(experiment, DEVICES, way, feed)
            found[f"{way} {feed} {batch_size}"] = compare(alone, finish(experiment, programs))
    print(json.dumps(found))


def finish(experiment, programs):
    """The last progress of a whole training."""
    position = loop.start(experiment, programs.rows)
    *_, last = loop.fit(experiment, position, programs)
    return jax.device_get((last.position.state.params, last.evaluated))


def compare(a, b):
    """Distances between two trainings."""
    pairs = zip(*map(jax.tree.leaves, (a[0], b[0])), strict=True)
    losses = [values(x[1]["test"])["loss"] for x in (a, b)]
    return {
        "parameters": max(float(np.abs(x - y).max()) for x, y in pairs),
        "loss": abs(losses[0] - losses[1]),
        "counts": [float(b[1][split]["loss"].count) for split in ("train", "test")],
    }


if __name__ == "__main__":
    main()

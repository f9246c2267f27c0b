"""The worker that trains in dlfun: epochs of `dlfun.train.loop.fit`, the loop of every run."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.worker import best_rate, serve
from dlfun import config as configs
from dlfun import experiment as experiments
from dlfun.experiment import Experiment
from dlfun.metrics import values
from dlfun.train import loop
from dlfun.train.options import Options, build, compile_programs, set_up

WARM_UP = 100
"""Updates before the first timed epoch; compiling is before them."""
FOREVER = 10**6


def only_training(experiment: Experiment, steps: int | None) -> Experiment:
    """The experiment on its training set alone, cut to `steps` batches, without end."""
    train = experiment.dataset.splits["train"]
    cut = None if steps is None else steps * experiment.batch_size
    splits = {"train": {name: array[:cut] for name, array in train.items()}}
    return experiment._replace(dataset=experiment.dataset._replace(splits=splits), epochs=FOREVER)


def epochs(experiment: Experiment, programs: loop.Programs) -> Iterator[None]:
    """Each `next` trains one epoch, and reads the metrics of its pieces as a run does.

    The first one only warms up: it starts `WARM_UP` updates before the end of an epoch.
    """
    first = max(0, loop.steps_per_epoch(experiment) - WARM_UP)
    position = loop.start(experiment, programs.rows or 1)._replace(step=first)
    for progress in loop.fit(experiment, position, programs):
        if progress.diverged is not None:
            raise FloatingPointError(f"the loss of step {progress.diverged} is not finite")
        values(progress.seen)
        if progress.evaluated:
            yield


def prepare(settings: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Callable[[], Any]]]:
    """Build and warm up `settings["network"]`."""
    set_up(Options())
    name = settings["network"]
    config = configs.from_dict(experiments.load(name).Config, settings["config"])
    experiment, options = build(name, config, Options())
    experiment, devices = only_training(experiment, settings["steps"]), options.devices or 1
    training = epochs(experiment, compile_programs(experiment, options))
    next(training)
    return {"setting": f"{devices} CPU device{'s' * (devices > 1)}"}, {
        "epoch": lambda: next(training),
        "product": product_rate,
    }


def product_rate(size: int = 2048) -> float:
    """Best operations per second of a matrix product of this size."""
    matrix = jnp.ones((size, size), jnp.float32)
    multiply = jax.jit(jnp.matmul)
    return best_rate(lambda: multiply(matrix, matrix).block_until_ready(), size)


if __name__ == "__main__":
    serve(prepare)

"""Worker that trains in dlfun, by epochs of `dlfun.train.loop.fit`, as runs do."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.turns import Program
from benchmarks.worker import best_rate, serve
from dlfun import config as configs
from dlfun import experiment as experiments
from dlfun.experiment import Stage
from dlfun.metrics import values
from dlfun.train import loop
from dlfun.train.compile import NO_STEP, Programs, compile_learner
from dlfun.train.options import Options, configure_jax, settle

WARM_UP = 100
"""Updates between compilation and the first timed epoch."""
FOREVER = 10**6


def only_training(stage: Stage, steps: int | None) -> Stage:
    """Endless stage on the training set alone, cut to `steps` batches."""
    train = stage.dataset.splits["train"]
    cut = None if steps is None else steps * stage.batch_size
    splits = {"train": {name: array[:cut] for name, array in train.items()}}
    return stage._replace(dataset=stage.dataset._replace(splits=splits), epochs=FOREVER)


def compiled(stage: Stage, options: Options) -> Programs:
    """Compiled programs of a stage under settled options."""
    return compile_learner(
        lambda _: stage.learner,
        devices=options.devices or 1,
        parallel=options.parallel or "jit",
        feed=options.feed or "memory",
    )


def epochs(stage: Stage, programs: Programs) -> Iterator[None]:
    """Generator that trains an epoch at each `next`, and reads its metrics as a run does.

    The first epoch is a warm-up of `WARM_UP` updates.
    """
    work = loop.Work(stage, (0,))
    first = max(0, work.steps_per_epoch - WARM_UP)
    position = loop.start(work, programs)._replace(step=first)
    for progress in loop.fit(work, position, programs):
        if (progress.first_nonfinite_step != NO_STEP).any():
            raise FloatingPointError(f"metrics of step {progress.first_nonfinite_step} not finite")
        values(progress.totals)
        if progress.evaluated:
            yield


def of_experiment(
    name: str, config: Any, options: Options, stage: str | None = None
) -> tuple[Stage, Options]:
    """A stage of an experiment, by default the first, and the options settled for all of them."""
    experiment = experiments.load(name)
    stages = experiment.stages(config, experiment.data(config))
    chosen = stages[0] if stage is None else next(s for s in stages if s.name == stage)
    return chosen, settle(options, stages)


def program(name: str, config: Any, steps: int | None, stage: str | None = None) -> Program:
    """Epochs of a stage of an experiment as a run trains them, or of `steps` batches.

    The first is a warm-up.
    """
    chosen, options = of_experiment(name, config, Options(), stage)
    return of_stage(only_training(chosen, steps), options)


def of_stage(stage: Stage, options: Options) -> Program:
    """Epochs of an endless stage under settled options."""
    training, devices = epochs(stage, compiled(stage, options)), options.devices or 1
    return Program(lambda: next(training), f"{devices} CPU device{'s' * (devices > 1)}")


def prepare(settings: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Callable[[], Any]]]:
    """Build and warm up `settings["network"]`."""
    configure_jax(Options())
    name = settings["network"]
    config = configs.from_dict(experiments.load(name).Config, settings["config"])
    made = program(name, config, settings["steps"])
    made.epoch()
    return {"setting": made.setting}, {"epoch": made.epoch, "product": product_rate}


def product_rate(size: int = 2048) -> float:
    """Best operations per second of a matrix product of this size."""
    matrix = jnp.ones((size, size), jnp.float32)
    multiply = jax.jit(jnp.matmul)
    return best_rate(lambda: multiply(matrix, matrix).block_until_ready(), size)


if __name__ == "__main__":
    serve(prepare)

"""A training of two stages that compiles in an instant, as a module of an experiment.

Each learner draws noise, so that a key that differs shows, and takes no means over devices.
"""

from dataclasses import dataclass
from types import ModuleType

import jax
import jax.numpy as jnp
import numpy as np

from dlfun import experiment as experiments
from dlfun.data.dataset import Dataset
from dlfun.experiment import Claim, Objective, Stage
from dlfun.learner import Learner
from dlfun.metrics import mean, scalar

SIZES = {"train": 10, "validation": 6, "test": 5}
STEPS = (3, 2)
"""Of an epoch of each stage, of batches of 4 and of 5."""


@dataclass(frozen=True)
class Config:
    """Two stages: the mean of some numbers, then their spread about it."""

    epochs: int = 3
    """Passes over the data in the first stage."""
    tuning: int = 3
    """Passes in the second."""
    rate: float = 0.1
    """Learning rate."""
    width: int = 2
    """Numbers that are learned: structure."""
    seed: int = 0


def data(config):
    """Numbers about 1 that are the same for every seed."""
    return DATASET


def _split(size, seed):
    return {"x": np.random.default_rng(seed).normal(1.0, 0.5, size).astype(np.float32)}


DATASET = Dataset("numbers", {name: _split(size, size) for name, size in SIZES.items()})


def follow(rate, width, name, height):
    """A learner of a mean; `height` makes its objective of the number of updates."""

    def init(key, batch):
        return {name: jax.random.normal(key, (width,)), "count": jnp.int32(0)}

    def measured(state, batch):
        error = (batch["x"][:, None] - state[name]) ** 2
        loss = mean(error.sum(axis=1), batch["weight"])
        return {"loss": loss, "height": scalar(height(state["count"]), batch["weight"])}

    def update(state, batch, key):
        noise = 0.01 * jax.random.normal(key, state[name].shape)
        total = ((batch["x"][:, None] - state[name]) * batch["weight"][:, None]).sum(axis=0)
        after = state[name] + rate * (total / batch["weight"].sum() + noise)
        return {**state, name: after, "count": state["count"] + 1}, measured(state, batch)

    def evaluate(state, batch, key):
        return measured(state, batch)

    return Learner(init, update, evaluate)


def begin(previous, fresh):
    """Go on from the first stage's mean, and keep it."""
    return {**fresh, "second": previous["first"], "kept": previous["first"]}


def stages(config, dataset):
    """The first has its best epoch last, the second its best epoch first, and higher throughout."""
    first = follow(config.rate, config.width, "first", lambda n: 9.0 - n.astype(jnp.float32))
    second = follow(config.rate, config.width, "second", lambda n: 90.0 + n.astype(jnp.float32))
    return [
        Stage(first, dataset, config.epochs, 4, "first"),
        Stage(second, dataset, config.tuning, 5, "second", begin),
    ]


def measure(trained, key):
    """A figure that is no mean over examples, with noise of its own."""
    noise = float(jax.random.uniform(key))
    return {
        "test/moved": float(np.abs(trained.state["second"] - trained.state["kept"]).max()) + noise
    }


def module(**changes):
    """The toy as a module, some of its names changed; None leaves a name out."""
    made = ModuleType("toy", __doc__)
    made.Config, made.data, made.stages, made.measure = Config, data, stages, measure
    made.CLAIMS = [Claim("test/loss", "nowhere", at_most=10.0)]
    made.OBJECTIVE = Objective("height", "min")
    for name, value in changes.items():
        setattr(made, name, value)
        if value is None:
            delattr(made, name)
    return made


def register(patch, **changes):
    """Have `experiments.load` return the toy, whatever the name."""
    toy = module(**changes)
    patch.setattr(experiments, "load", lambda name: experiments.from_module(name, toy))

"""A deep belief network learns digits without labels, then from few of them [T5; Hinton 2006].

Figure: test accuracy ≥ 93 % from 1,000 labels, ≥ 3 points above a random start
Time: 100 s on 2 CPU cores
Command: python launch.py train mnist_dbn

"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
from annotated_types import Ge

from dlfun import data as sources
from dlfun import metrics
from dlfun.algorithms.boltzmann_machine import restricted_boltzmann_machine
from dlfun.algorithms.supervised import supervised
from dlfun.config import BatchSize, DatasetName, Epochs, Examples, Seed, Widths
from dlfun.data.dataset import Dataset, subset
from dlfun.experiment import Claim, Objective, Quick, Stage, Trained
from dlfun.learner import Key, Learner
from dlfun.nn import losses
from dlfun.nn.models.mlp import MLP
from dlfun.optimizers import Optimizer, make_optimizer
from dlfun.transforms import compare
from experiments.unsupervised.mnist_dbn.stack import (
    Stack,
    draw,
    features,
    machines,
    pixels,
    with_frozen,
)

CLAIMS = [
    Claim("test/pretrained_accuracy", "", at_least=0.9),
    Claim("test/gain", "", at_least=0.02),
]
OBJECTIVE = Objective("pretrained_accuracy", "max")


@dataclass(frozen=True)
class Config:
    """Restricted Boltzmann machines, stacked and fine-tuned, beside a random start."""

    hidden: Widths = (500, 500)
    """Hidden units of each machine, lowest first."""
    gibbs_steps: Annotated[int, Ge(1)] = 1
    """Steps k of contrastive divergence."""
    examples: Examples = 20_000
    labels: Annotated[int, Ge(1)] = 1_000
    """Training images whose label is used, some of the examples."""
    pretraining_epochs: Annotated[int, Ge(1)] = 10
    """Passes over the examples for each machine."""
    epochs: Epochs = 30
    batch_size: BatchSize = 100
    pretraining: Optimizer = Optimizer("momentum", 0.02, momentum=0.9, l2=2e-4)
    """Optimizer of the machines."""
    optimizer: Optimizer = Optimizer("adam", 1e-3)
    """Optimizer of the fine-tuning."""
    dataset: DatasetName = "mnist"
    seed: Seed = 0


def data(config: Config) -> dict[str, Dataset]:
    """Images to learn from without labels, and the few that have one."""
    images = subset(sources.load(config.dataset), config.seed, train=config.examples)
    return {"all": images, "labelled": subset(images, config.seed, train=config.labels)}


def stages(config: Config, dataset: Mapping[str, Dataset]) -> Sequence[Stage]:
    """One for each machine, then backpropagation through the layers that they make."""
    every, labelled = dataset["all"], dataset["labelled"]
    c, images = config, every.splits["train"]["image"]
    share = np.clip(images.mean(axis=0).ravel() / 255, 0.01, 0.99)
    bias = np.log(share / (1 - share)).astype(np.float32)
    sizes = (images[0].size, *c.hidden)
    steps = every.steps_per_epoch(c.batch_size)
    optimizer = make_optimizer(c.pretraining, steps, c.pretraining_epochs)
    parts = []
    for number, width in enumerate(c.hidden):
        machine = restricted_boltzmann_machine(
            width, optimizer, steps=c.gibbs_steps, visible_bias=0.0 if number else bias
        )
        learner = with_frozen(machine, sizes[: number + 1], features)
        part = Stage(
            learner, every, c.pretraining_epochs, c.batch_size, f"rbm_{number + 1}", stack_up
        )
        parts.append(part)
    learner = with_frozen(fine_tuning(c, labelled), sizes, lambda _, batch: batch)
    return [*parts, Stage(learner, labelled, c.epochs, c.batch_size, "fine_tuning", unroll)]


def fine_tuning(config: Config, dataset: Dataset) -> Learner:
    """The same network under the same batches, from two starts."""
    steps = dataset.steps_per_epoch(config.batch_size)
    optimizer = make_optimizer(config.optimizer, steps, config.epochs)
    model = MLP(config.hidden, len(dataset.classes), "sigmoid")
    one = supervised(
        model, losses.cross_entropy, optimizer, inputs=pixels, eval_metrics=metrics.accuracy
    )
    return compare({"pretrained": one, "random": one})


def stack_up(previous: Stack, fresh: Stack) -> Stack:
    """The next machine on top of those trained so far."""
    return Stack(machines(previous), fresh.top)


def unroll(previous: Stack, fresh: Stack) -> Stack:
    """The machines' weights and hidden biases as layers of the network that is fine-tuned."""
    layers = machines(previous)
    params = fresh.top["pretrained"].params | {
        f"Dense_{number}": {"kernel": jnp.copy(rbm.weights), "bias": jnp.copy(rbm.hidden_bias)}
        for number, rbm in enumerate(layers)
    }
    pretrained = fresh.top["pretrained"]._replace(params=params)
    return Stack(layers, fresh.top | {"pretrained": pretrained})


def measure(trained: Trained, key: Key) -> dict[str, float]:
    """By how much the pretrained network's test accuracy is above the other's."""
    test = trained.dataset["labelled"].splits["test"]
    batch = {**test, "weight": np.ones(len(test["label"]), np.float32)}
    found = metrics.values(jax.jit(trained.learner.evaluate)(trained.state, batch, key))
    return {"test/gain": found["pretrained_accuracy"] - found["random_accuracy"]}


def sample(trained: Trained, key: Key, count: int) -> Iterator[Any]:
    """Images."""
    from PIL import Image

    shape = trained.dataset["all"].splits["train"]["image"].shape[1:3]
    for row in np.asarray(draw(trained.state.below, key, count, 1000)):
        yield Image.fromarray(np.uint8(np.round(255 * row.reshape(shape))))

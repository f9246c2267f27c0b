"""A deep belief network learns digits without labels, then classifies them from few labels.

Figure: test accuracy ≥ 92 % from 1,000 labels, ≥ 3 points above a random start
Time: 100 s on 2 CPU cores
Command: python launch.py train mnist_dbn

Two restricted Boltzmann machines of 500 hidden units are trained one after the other by CD-1, the
second on the hidden probabilities of the first (Hinton, Osindero, Teh 2006). Their weights then
start a network 784-500-500-10 of sigmoid units, which is fine-tuned on 1,000 labelled images. The
same network from a random start sees the same batches beside it. (yell/boltzmann-machines prints
93.65 % and 88.71 % for machines of 1,024 units, one run.) Stages: rbm_1, rbm_2, …, fine_tuning.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
from annotated_types import Ge

from dlfun import data as sources
from dlfun import metrics
from dlfun.algorithms.belief_network import draw, empty, encoder, machines, pretraining
from dlfun.algorithms.frozen_layers import Stack, with_frozen
from dlfun.algorithms.supervised import supervised
from dlfun.config import BatchSize, DatasetName, Epochs, Examples, Seed, Validation, Widths
from dlfun.data.dataset import Dataset, subset
from dlfun.data.images import pixels
from dlfun.experiment import Claim, Objective, Quick, Stage, Trained
from dlfun.learner import Key, Learner
from dlfun.nn import losses
from dlfun.nn.models.mlp import MLP
from dlfun.optimizers import Optimizer, make_optimizer
from dlfun.plots import compared
from dlfun.transforms import compare

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.Image import Image

CLAIMS = [
    Claim("test/pretrained_accuracy", "beside Hinton et al. (2006)", at_least=0.92),
    Claim("test/gain", "beside Hinton et al. (2006)", at_least=0.03),
]
QUICK = Quick(
    {"hidden": (200, 200), "examples": 10_000, "pretraining_epochs": 3, "epochs": 10},
    [
        Claim("test/pretrained_accuracy", "beside Hinton et al. (2006)", at_least=0.88),
        Claim("test/gain", "beside Hinton et al. (2006)", at_least=0.02),
    ],
)
OBJECTIVE = Objective("pretrained_accuracy", "max")
CHAIN = 100
"""Steps of Gibbs sampling before an image."""
STARTS = {"pretrained": "pretrained without labels", "random": "random start"}


@dataclass(frozen=True)
class Config:
    """Restricted Boltzmann machines, stacked and fine-tuned, beside a random start."""

    hidden: Widths = (500, 500)
    """Hidden units of each machine, lowest first."""
    gibbs_steps: Annotated[int, Ge(1)] = 1
    """Steps k of contrastive divergence."""
    examples: Examples = 60_000
    labels: Annotated[int, Ge(1)] = 1_000
    """Training images whose label is used, some of the examples."""
    pretraining_epochs: Annotated[int, Ge(1)] = 4
    """Passes over the examples for each machine."""
    epochs: Epochs = 20
    batch_size: BatchSize = 100
    pretraining: Optimizer = Optimizer("momentum", 0.05, momentum=0.9, l2=2e-4)
    """Optimizer of the machines."""
    optimizer: Optimizer = Optimizer("adam", 2e-3)
    """Optimizer of the fine-tuning."""
    dataset: DatasetName = "mnist"
    validation: Validation = 0.0
    seed: Seed = 0


def data(config: Config) -> dict[str, Dataset]:
    """All images, whose labels are not used, and the few that are used with their label."""
    images = sources.load(config.dataset, validation=config.validation, seed=config.seed)
    images = subset(images, config.seed, train=config.examples)
    return {"all": images, "labelled": subset(images, config.seed, train=config.labels)}


def stages(config: Config, dataset: Mapping[str, Dataset]) -> Sequence[Stage]:
    """A stage for each machine, then one of backpropagation through the layers that they make."""
    unlabelled, labelled = dataset["all"], dataset["labelled"]
    c, image = config, unlabelled.splits["train"]["image"][0]
    steps = unlabelled.steps_per_epoch(c.batch_size)
    optimizer = make_optimizer(c.pretraining, steps, c.pretraining_epochs)
    parts = pretraining(
        unlabelled, c.hidden, optimizer, c.pretraining_epochs, c.batch_size, c.gibbs_steps
    )
    frozen = empty((image.size, *c.hidden))
    learner = with_frozen(fine_tuning(c, labelled), frozen, lambda _, batch: batch)
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


def unroll(previous: Stack, fresh: Stack) -> Stack:
    """The machines' weights and hidden biases as layers of the network that is fine-tuned."""
    layers = machines(previous)
    params = fresh.top["pretrained"].params | encoder(layers, "Dense")
    pretrained = fresh.top["pretrained"]._replace(params=params)
    return Stack(layers, fresh.top | {"pretrained": pretrained})


def measure(trained: Trained, key: Key) -> dict[str, float]:
    """The difference in test accuracy between the pretrained network and the other."""
    test = trained.dataset["labelled"].splits["test"]
    batch = {**test, "weight": np.ones(len(test["label"]), np.float32)}
    accuracy = metrics.values(jax.jit(trained.learner.evaluate)(trained.state, batch, key))
    return {"test/gain": accuracy["pretrained_accuracy"] - accuracy["random_accuracy"]}


def sample(trained: Trained, key: Key, count: int) -> Iterator["Image"]:
    """Images that the belief network draws, a chain of 100 steps after random training images.

    Much longer chains of a machine trained by CD-1 end at ones: its model is good near the data.
    """
    from PIL import Image

    choose, chain = jax.random.split(key)
    images = trained.dataset["all"].splits["train"]["image"]
    start = images.take(np.asarray(jax.random.randint(choose, (count,), 0, len(images))), axis=0)
    drawn = jax.jit(draw, static_argnames="steps")(
        trained.state.below, chain, pixels(jnp.asarray(start)), steps=CHAIN
    )
    for row in np.asarray(drawn):
        yield Image.fromarray(np.uint8(255 * row.reshape(images.shape[1:3])))


def figures(trained: Trained, rows: list[dict[str, Any]]) -> Iterator[tuple[str, "Figure"]]:
    """The first machine's weights, and accuracy against the epoch from each start."""
    from .filters import draw_filters

    images = trained.dataset["all"].splits["train"]["image"]
    yield "filters", draw_filters(np.asarray(trained.state.below[0].weights), images.shape[1:3])
    last = [row for row in rows if "pretrained_accuracy" in row]
    title = f"Pretraining helps where labels are few ({trained.config.labels:,})"
    yield "accuracy", compared.metric_by_epoch(title, last, STARTS, "accuracy")

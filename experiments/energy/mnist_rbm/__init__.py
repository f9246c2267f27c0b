"""A restricted Boltzmann machine learns strokes of digits by persistent contrastive divergence.

Figure: pseudo-log-likelihood −60.4 ± 0.4, 2.05 ± 0.07 % errors of logistic regression (3 seeds)
Time: 18 min on a busy CPU core
Command: python launch.py train mnist_rbm

500 hidden units, PCD-15 with 20 chains, batches of 20, learning rate 0.1, 15 epochs, as in the Deep
Learning Tutorials (deeplearning.net, rbm.py), which print pseudo-log-likelihoods of −90.65, −74.91
and −62.76 after epochs 1, 3 and 15. Theirs flips one pixel of each training image, the same for a
whole batch, and swings by ±3 from epoch to epoch. So here all 784 pixels of 1,000 test images are
flipped, and the mean over the last 5 epochs is the figure. Logistic regression on the hidden
probabilities then classifies; beside it stands the same on pixels. With --units gaussian, and a
smaller learning rate, the visible units are real numbers. Stages: rbm, epoch_12 to epoch_15,
classifier.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
from annotated_types import Ge
from jaxtyping import Array, Float

from dlfun import data as sources
from dlfun import metrics
from dlfun.algorithms.belief_network import empty, machines
from dlfun.algorithms.boltzmann_machine import (
    Units,
    gibbs,
    hidden_probabilities,
    pseudo_log_likelihood,
    visible_means,
)
from dlfun.algorithms.contrastive_divergence import restricted_boltzmann_machine
from dlfun.algorithms.frozen_layers import Stack, with_frozen
from dlfun.algorithms.supervised import supervised
from dlfun.config import BatchSize, DatasetName, Epochs, Examples, Seed, Validation
from dlfun.data.dataset import Dataset, subset
from dlfun.data.images import as_images, decoded, log_odds, pixels, unit_scale
from dlfun.errors import UserError
from dlfun.experiment import Claim, Objective, Quick, Stage, Trained
from dlfun.learner import Batch, Key, Learner
from dlfun.nn import losses
from dlfun.nn.models.mlp import MLP
from dlfun.optimizers import Optimizer, Schedule, make_optimizer
from dlfun.plots import compared, filters
from dlfun.transforms import compare

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.Image import Image

FORMULA = r"""
E(v, h) = -v^\top W h - a^\top v - b^\top h, \quad p(h_j = 1 \mid v) = \sigma(b_j + v^\top
W_{\cdot j}), \quad p(v_i = 1 \mid h) = \sigma(a_i + W_{i \cdot} h)

\Delta W = \eta \left(\langle v h^\top \rangle_{\mathrm{data}} - \langle v h^\top
\rangle_{\mathrm{chains}}\right)
"""
CLAIMS = [
    Claim("test/exact_pseudo_log_likelihood", "Deep Learning Tutorials, rbm.py", -62.76, -65),
    Claim("test/features_accuracy", "beside yell/boltzmann-machines", 0.9817, 0.978),
]
QUICK = Quick(
    {
        "hidden": 100,
        "gibbs_steps": 1,
        "examples": 10_000,
        "epochs": 2,
        "scored": 1,
        "classifier_epochs": 2,
    },
    [Claim("test/exact_pseudo_log_likelihood", "Deep Learning Tutorials, rbm.py", None, -130)],
)
OBJECTIVE = Objective("features_accuracy", "max")
IMAGES = 1_000
"""Test images whose pseudo-likelihood is computed."""
CHAIN = 1_000
"""Steps of Gibbs sampling before an image."""


@dataclass(frozen=True)
class Config:
    """A restricted Boltzmann machine, and logistic regression on its hidden units."""

    hidden: Annotated[int, Ge(1)] = 500
    """Hidden units."""
    units: Units = "binary"
    """Visible units. Gaussian ones are of pixels with mean 0 and variance 1."""
    scale: bool = True
    """Divide pixels of 0 to 255 by 255: the probabilities of binary units."""
    gibbs_steps: Annotated[int, Ge(1)] = 15
    """Steps k of Gibbs sampling in an update."""
    chains: Annotated[int, Ge(0)] = 20
    """Persistent chains; 0 for chains that start at the data: CD-k in the place of PCD-k."""
    examples: Examples = 60_000
    epochs: Epochs = 15
    scored: Annotated[int, Ge(1)] = 5
    """Last epochs over which the pseudo-likelihood is averaged."""
    batch_size: BatchSize = 20
    optimizer: Optimizer = Optimizer("sgd", 0.1)
    classifier_epochs: Annotated[int, Ge(1)] = 15
    classifier: Optimizer = Optimizer("adam", 3e-3, schedule=Schedule("cosine", 0.0))
    """Optimizer of logistic regression."""
    dataset: DatasetName = "mnist"
    validation: Validation = 0.0
    seed: Seed = 0


def data(config: Config) -> Dataset:
    """Labelled images."""
    if config.scored > config.epochs:
        raise UserError(f"--scored must be at most --epochs, {config.epochs}, got {config.scored}")
    images = decoded(sources.load(config.dataset, validation=config.validation, seed=config.seed))
    return subset(images, config.seed, train=config.examples)


def stages(config: Config, dataset: Dataset) -> Sequence[Stage]:
    """The machine in a stage, and one for each later epoch that is scored; then a classifier."""
    c, x = config, inputs(config, dataset)
    size = (dataset.splits["train"]["image"][0].size, c.hidden)
    machine, parts = boltzmann(config, dataset), []
    for kept in range(c.scored):
        learner = with_frozen(
            machine, empty([size] * kept), lambda _, batch: {"x": x(batch), **batch}
        )
        last = c.epochs - c.scored + 1 + kept
        name, epochs = (f"epoch_{last}", 1) if kept else ("rbm", last)
        parts.append(Stage(learner, dataset, epochs, c.batch_size, name, keep))
    learner = with_frozen(
        classifier(config, dataset),
        empty([size] * c.scored),
        lambda below, batch: {
            "x": hidden_probabilities(below[-1], x(batch)), "pixels": x(batch), **batch
        },
    )  # fmt: skip
    return [*parts, Stage(learner, dataset, c.classifier_epochs, 100, "classifier", freeze)]


def inputs(config: Config, dataset: Dataset) -> Callable[[Batch], Float[Array, "batch pixels"]]:
    """A function from a batch to what the visible units are set to."""
    images = dataset.splits["train"]["image"]
    if config.units == "gaussian":
        mean, deviation = float(images.mean()), float(images.std())
        if deviation == 0:
            raise UserError(
                f"{dataset.name}: Gaussian units need pixels that vary; all are {mean:g}"
            )
        return lambda batch: (pixels(batch["image"], 1.0) - mean) / deviation
    scale = unit_scale(images, dataset.name, config.scale)
    return lambda batch: pixels(batch["image"], scale)


def boltzmann(config: Config, dataset: Dataset) -> Learner:
    """The machine under contrastive divergence."""
    c, images = config, dataset.splits["train"]["image"]
    bias: Any = 0.0
    if c.units == "binary":
        bias = log_odds(images, unit_scale(images, dataset.name, c.scale))
    optimizer = make_optimizer(c.optimizer, dataset.steps_per_epoch(c.batch_size), c.epochs)
    return restricted_boltzmann_machine(
        c.hidden,
        optimizer,
        steps=c.gibbs_steps,
        chains=c.chains,
        units=c.units,
        visible_bias=bias,
    )


def classifier(config: Config, dataset: Dataset) -> Learner:
    """Logistic regression on the hidden units, and on pixels."""
    optimizer = make_optimizer(
        config.classifier, dataset.steps_per_epoch(100), config.classifier_epochs
    )
    model = MLP((), len(dataset.classes))

    def one(column: str) -> Learner:
        return supervised(
            model,
            losses.cross_entropy,
            optimizer,
            eval_metrics=metrics.accuracy,
            columns=(column, "label"),
        )

    return compare({"features": one("x"), "pixels": one("pixels")})


def keep(previous: Stack, fresh: Stack) -> Stack:
    """The state to train on, with a copy of the machine as it is now, to be scored."""
    return Stack(tuple(jax.tree.map(jnp.copy, machines(previous))), previous.top)


def freeze(previous: Stack, fresh: Stack) -> Stack:
    """The classifiers' first state on all machines that are kept, the trained one last."""
    return Stack(machines(previous), fresh.top)


def measure(trained: Trained, key: Key) -> dict[str, float]:
    """The pseudo-log-likelihood of test images, the mean over the machines that were kept."""
    if trained.config.units == "gaussian":
        return {}
    test = {"image": jnp.asarray(trained.dataset.splits["test"]["image"][:IMAGES])}
    x = jnp.round(inputs(trained.config, trained.dataset)(test))
    score = jax.jit(lambda rbm: pseudo_log_likelihood(rbm, x).mean())
    scores = [float(score(rbm)) for rbm in trained.state.below]
    return {
        "test/exact_pseudo_log_likelihood": float(np.mean(scores)),
        "test/last_pseudo_log_likelihood": scores[-1],
        "test/lowest_pseudo_log_likelihood": min(scores),
    }


def sample(trained: Trained, key: Key, count: int) -> Iterator["Image"]:
    """Images from chains of 1,000 steps that start at random training images.

    The last step is a mean and not a draw: so images are grey.
    """
    choose, chain = jax.random.split(key)
    images = trained.dataset.splits["train"]["image"]
    start = images.take(np.asarray(jax.random.randint(choose, (count,), 0, len(images))), axis=0)
    x = inputs(trained.config, trained.dataset)({"image": jnp.asarray(start)})
    rbm, units = trained.state.below[-1], trained.config.units
    keys = jax.random.split(chain, count)
    drawn = jax.jit(lambda x: gibbs(rbm, x, keys, CHAIN, units))(x)
    means = visible_means(rbm, hidden_probabilities(rbm, drawn), units)
    if units == "gaussian":
        means = (means * float(images.std()) + float(images.mean())) / 255
    yield from as_images(np.asarray(means), images.shape[1:])


def figures(trained: Trained, rows: list[dict[str, Any]]) -> Iterator[tuple[str, "Figure"]]:
    """The machine's weights, its pseudo-likelihood, and the accuracy of the classifiers."""
    shape = trained.dataset.splits["train"]["image"].shape[1:]
    weights = {"kernel": np.asarray(trained.state.below[-1].weights)}
    after = f"after {trained.config.epochs} epochs"
    yield "filters", filters.first_layer("Boltzmann machine", after, weights, shape)
    scored = [row for row in rows if "pseudo_log_likelihood" in row]
    if scored:
        title = "Pseudo-log-likelihood of the test images while the machine is trained"
        label = {"pseudo": "estimated from one pixel of each image"}
        drawn = compared.metric_by_epoch(title, scored, label, "log_likelihood")
        drawn.axes[0].set_ylabel("nats an image")
        yield "pseudo_likelihood", drawn
    last = [row for row in rows if "features_accuracy" in row]
    labels = {"features": "hidden units", "pixels": "pixels"}
    title = "Logistic regression classifies hidden units better than pixels"
    yield "accuracy", compared.metric_by_epoch(title, last, labels, "accuracy")

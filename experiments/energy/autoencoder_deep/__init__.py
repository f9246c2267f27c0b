"""A deep autoencoder codes digits by 30 numbers with less than half the error of PCA.

Figure: test error of ReLUs 5.27 ± 0.08, 0.38 times PCA's; pretraining takes 14 ± 4 off sigmoids'
Time: 4 min on 1 CPU core
Command: python launch.py train autoencoder_deep

784-1000-500-250-30-250-500-1000-784 (Hinton, Salakhutdinov 2006). Their sigmoid units hardly learn
from a random start; started from a stack of Boltzmann machines they do. Rectified linear units need
no such start. All three see the same batches. The paper prints 3.00 after 200 epochs of conjugate
gradients, and 13.87 for PCA. Error: Σ (pixel − reconstruction)², mean over test images. Stages:
rbm_1 … rbm_4, fine_tuning.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import jax
from annotated_types import Ge

from dlfun import data as sources
from dlfun.algorithms.autoencoder import autoencoder, rows, test_metrics
from dlfun.algorithms.belief_network import encoder, machines, pretraining
from dlfun.algorithms.boltzmann_machine import RBM
from dlfun.algorithms.frozen_layers import Stack
from dlfun.algorithms.principal_components import principal_components, projection_error
from dlfun.config import BatchSize, DatasetName, Epochs, Examples, Seed, Validation, Widths
from dlfun.data.dataset import Dataset, subset
from dlfun.data.images import decoded
from dlfun.experiment import Claim, Objective, Quick, Stage, Trained
from dlfun.learner import Key
from dlfun.nn.losses import binary_cross_entropy
from dlfun.nn.models.autoencoder import Autoencoder
from dlfun.optimizers import Optimizer, Schedule, make_optimizer
from dlfun.transforms import compare

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SOURCE = "Hinton, Salakhutdinov (2006)"
FORMULA = r"""
L = \frac{1}{N} \sum_x \lVert x - g(f(x)) \rVert^2, \quad f: 784 \to 1000 \to 500 \to 250 \to 30
"""
CLAIMS = [
    Claim("test/relu_squared_error", SOURCE, printed=3.0, at_most=6.0),
    Claim("test/relu_over_pca", SOURCE, at_most=0.5),
    Claim("test/gain_of_pretraining", SOURCE, at_least=10.0),
    Claim("test/pca_squared_error", SOURCE, printed=13.87, at_least=13.8, at_most=13.93),
]
QUICK = Quick(
    {"hidden": (200, 100), "examples": 10_000, "epochs": 4},
    [Claim("test/gain_of_pretraining", SOURCE, at_least=0.0)],
)
OBJECTIVE = Objective("relu_squared_error", "min")
LABELS = {
    "relu": "ReLU, random start",
    "pretrained": "sigmoid, Boltzmann machines",
    "random": "sigmoid, random start",
}


@dataclass(frozen=True)
class Config:
    """A deep autoencoder from three starts."""

    hidden: Widths = (1000, 500, 250)
    """Hidden units of the encoder, from the pixels on; the decoder has the same."""
    code: Annotated[int, Ge(1)] = 30
    """Numbers that code an image."""
    examples: Examples = 60_000
    pretraining_epochs: Annotated[int, Ge(1)] = 2
    """Passes over the examples for each Boltzmann machine."""
    epochs: Epochs = 8
    batch_size: BatchSize = 200
    pretraining: Optimizer = Optimizer("momentum", 0.1, momentum=0.9, l2=2e-4)
    """Optimizer of the machines."""
    optimizer: Optimizer = Optimizer(schedule=Schedule("cosine", factor=0.0, warm_up=0.5))
    """Optimizer of the fine-tuning."""
    dataset: DatasetName = "mnist"
    validation: Validation = 0.0
    seed: Seed = 0


def data(config: Config) -> Dataset:
    """The images; labels only colour a figure."""
    images = decoded(sources.load(config.dataset, validation=config.validation, seed=config.seed))
    return subset(images, config.seed, train=config.examples)


def stages(config: Config, dataset: Dataset) -> Sequence[Stage]:
    """A stage for each machine, then the whole network."""
    c, steps = config, dataset.steps_per_epoch(config.batch_size)
    optimizer = make_optimizer(c.pretraining, steps, c.pretraining_epochs)
    widths = (*c.hidden, c.code)
    parts = pretraining(dataset, widths, optimizer, c.pretraining_epochs, c.batch_size)
    optimizer = make_optimizer(c.optimizer, steps, c.epochs)
    learners = {
        name: autoencoder(model, optimizer, loss=binary_cross_entropy, output=jax.nn.sigmoid)
        for name, model in models(c, dataset).items()
    }
    last = Stage(compare(learners), dataset, c.epochs, c.batch_size, "fine_tuning", unroll)
    return [*parts, last]


def models(config: Config, dataset: Dataset) -> dict[str, Autoencoder]:
    """The networks by the name of their start."""
    sizes = (dataset.splits["train"]["image"][0].size, *config.hidden, config.code)
    sigmoid = Autoencoder(sizes, "sigmoid")
    return {"pretrained": sigmoid, "random": sigmoid, "relu": Autoencoder(sizes)}


def unroll(previous: Stack, fresh: Mapping[str, Any]) -> dict[str, Any]:
    """The machines' weights as the pretrained network's: up in the encoder, back in the decoder.

    The code's units were 0 or 1 in their machine, and are linear here: σ(z) ≈ 1/2 + z/4, so that
    the decoder's first layer takes W/4 and adds half of W to its bias.
    """
    layers = machines(previous)
    *_, code = layers
    bias = code.visible_bias + code.weights.sum(axis=1) / 2
    down = (*layers[:-1], RBM(code.weights / 4, bias, code.hidden_bias))
    turned = [RBM(rbm.weights.T, rbm.hidden_bias, rbm.visible_bias) for rbm in reversed(down)]
    params = encoder(layers, "encoder") | encoder(turned, "decoder")
    return {**fresh, "pretrained": fresh["pretrained"]._replace(params=params)}


def measure(trained: Trained, key: Key) -> dict[str, float]:
    """PCA's error with as many numbers, and what the Boltzmann machines take off the error."""
    error = test_metrics(trained, key)
    pca = principal_components(rows(trained.dataset, "train"))
    linear = projection_error(pca, rows(trained.dataset, "test"), trained.config.code)
    return {
        "test/pca_squared_error": linear,
        "test/relu_over_pca": error["relu_squared_error"] / linear,
        "test/gain_of_pretraining": error["random_squared_error"]
        - error["pretrained_squared_error"],
    }


def figures(trained: Trained, written: list[dict[str, Any]]) -> Iterator[tuple[str, "Figure"]]:
    """Test error against the epoch, reconstructions, and codes in the plane."""
    from dlfun.plots.compared import metric_by_epoch
    from dlfun.plots.reconstructions import reconstructions

    from .drawing import codes_in_the_plane

    tuned = [row for row in written if "relu_squared_error" in row]
    title = "Sigmoids need the Boltzmann machines, rectified linear units do not"
    yield "error", metric_by_epoch(title, tuned, LABELS, "squared_error")
    code = trained.config.code
    title = f"Digits from {code} numbers: the deep autoencoder keeps more than PCA"
    yield "reconstructions", reconstructions(title, trained, code, LABELS)
    model = models(trained.config, trained.dataset)["relu"]
    yield "codes", codes_in_the_plane(model, trained.state["relu"].variables, trained.dataset)

"""A linear autoencoder's code spans the plane of the first principal components.

Figure: largest angle ≤ 1°, test error ≤ 1.001 times PCA's (0.25° and 1.000, three seeds)
Time: 15 s on 2 CPU cores
Command: python launch.py train autoencoder_linear

784-10-784 without activations, on digits. Its squared error has one minimum up to the choice of
axes in the plane, that of PCA (Baldi, Hornik 1989). The largest principal angle between the
decoder's weights and the components is 0 where the planes are one, and near 90° for random planes.
It falls more slowly the nearer the variance of the last component is to that of the next one: with
`--code 30` it is 10° after as many epochs, at an error of 1.0001 times PCA's.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from annotated_types import Ge
from jaxtyping import Float

from dlfun import data as sources
from dlfun.algorithms.autoencoder import autoencoder, rows, test_metrics
from dlfun.algorithms.principal_components import (
    principal_angles,
    principal_components,
    projection_error,
)
from dlfun.config import BatchSize, DatasetName, Epochs, Examples, Seed, Validation
from dlfun.data.dataset import Dataset, subset
from dlfun.data.images import decoded
from dlfun.experiment import Claim, Objective, Trained
from dlfun.learner import Key, Learner
from dlfun.nn.models.autoencoder import Autoencoder
from dlfun.optimizers import Optimizer, Schedule, make_optimizer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SOURCE = "Baldi, Hornik (1989)"
FORMULA = r"""
\min_{W, V, b} \frac{1}{N} \sum_x \lVert x - (W V x + b) \rVert^2, \quad V \in \mathbb{R}^{k
\times d}, \; W \in \mathbb{R}^{d \times k}

\operatorname{span}(W) = \operatorname{span}(u_1, \dots, u_k), \quad \Sigma u_i = \lambda_i u_i
"""
CLAIMS = [
    Claim("test/largest_angle", SOURCE, at_most=1.0),
    Claim("test/error_over_pca", SOURCE, at_most=1.001),
]
OBJECTIVE = Objective("squared_error", "min")
SHOWN = 10


@dataclass(frozen=True)
class Config:
    """A linear autoencoder."""

    code: Annotated[int, Ge(1)] = 10
    """Numbers that code an image."""
    examples: Examples = 60_000
    epochs: Epochs = 20
    batch_size: BatchSize = 500
    optimizer: Optimizer = Optimizer(learning_rate=1e-2, schedule=Schedule("cosine", factor=0.0))
    dataset: DatasetName = "mnist"
    validation: Validation = 0.0
    seed: Seed = 0


def data(config: Config) -> Dataset:
    """The images, without need of their labels."""
    images = decoded(sources.load(config.dataset, validation=config.validation, seed=config.seed))
    return subset(images, config.seed, train=config.examples)


def learner(config: Config, dataset: Dataset) -> Learner:
    """One layer to the code and one back, without activations."""
    inputs = dataset.splits["train"]["image"][0].size
    steps = dataset.steps_per_epoch(config.batch_size)
    optimizer = make_optimizer(config.optimizer, steps, config.epochs)
    return autoencoder(Autoencoder((inputs, config.code)), optimizer)


def measure(trained: Trained, key: Key) -> dict[str, float]:
    """The largest principal angle between the two planes, and the errors beside one another."""
    pca = principal_components(rows(trained.dataset, "train"))
    count = trained.config.code
    optimum = projection_error(pca, rows(trained.dataset, "test"), count)
    error = test_metrics(trained, key)["squared_error"]
    return {
        "test/largest_angle": float(principal_angles(decoder(trained), pca.axes[:, :count])[-1]),
        "test/pca_squared_error": optimum,
        "test/error_over_pca": error / optimum,
    }


def decoder(trained: Trained) -> Float[np.ndarray, "pixels code"]:
    """The decoder's weights: the image that each number of the code adds."""
    return np.asarray(trained.state.params["decoder_0"]["kernel"]).T


def figures(trained: Trained, written: list[dict[str, Any]]) -> Iterator[tuple[str, "Figure"]]:
    """PCA's axes, the code's, and PCA's as they look from the plane of the code's."""
    from dlfun.plots.image_rows import image_rows

    count = min(trained.config.code, SHOWN)
    pca = principal_components(rows(trained.dataset, "train"))
    weights, axes = decoder(trained), pca.axes[:, : trained.config.code]
    basis, _ = np.linalg.qr(weights)
    shape = trained.dataset.splits["train"]["image"].shape[1:]
    parts = {
        "principal components": axes,
        "autoencoder's weights": weights,
        "components projected on\nthe autoencoder's plane": basis @ (basis.T @ axes),
    }
    images = {name: part.T[:count].reshape(-1, *shape) for name, part in parts.items()}
    angle = principal_angles(weights, axes)[-1]
    title = "The autoencoder's weights look unlike PCA's axes, and span their plane"
    detail = f"largest principal angle {angle:.2f}°; red above 0, blue below"
    yield "components", image_rows(title, images, detail, signed=True)

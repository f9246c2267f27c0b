"""An autoencoder whose decoder is its encoder transposed needs half the weights.

Figure: test error ≤ 1.05 times that without ties, ≤ 0.9 times PCA's (0.98, 0.81; three seeds)
Time: 15 s on 2 CPU cores
Command: python launch.py train autoencoder_tied

784-64-16 and back, with ReLUs. With tied weights each kernel of the decoder is the transpose of
the encoder's between the same layers (Vincent et al. 2010, sec. 2.1). The same network without ties
sees the same batches beside it. Error: Σ (pixel − reconstruction)², mean over test images.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dlfun import data as sources
from dlfun.algorithms.autoencoder import autoencoder, rows, test_metrics
from dlfun.algorithms.principal_components import principal_components, projection_error
from dlfun.config import BatchSize, DatasetName, Epochs, Examples, Seed, SomeWidths, Validation
from dlfun.data.dataset import Dataset, subset
from dlfun.data.images import decoded
from dlfun.experiment import Claim, Objective, Trained
from dlfun.learner import Key, Learner
from dlfun.nn.models.autoencoder import Autoencoder
from dlfun.optimizers import Optimizer, Schedule, make_optimizer
from dlfun.transforms import compare

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMULA = r"h_l = \phi(W_l h_{l-1} + b_l), \quad \hat{h}_{l-1} = \phi(W_l^\top \hat{h}_l + b_l')"
CLAIMS = [
    Claim("test/tied_over_untied", "Vincent et al. (2010)", at_most=1.05),
    Claim("test/tied_over_pca", "beside Vincent et al. (2010)", at_most=0.9),
]
OBJECTIVE = Objective("tied_squared_error", "min")


@dataclass(frozen=True)
class Config:
    """Autoencoders with and without tied weights."""

    widths: SomeWidths = (64, 16)
    """Units of the encoder's layers, the code last."""
    examples: Examples = 60_000
    epochs: Epochs = 6
    batch_size: BatchSize = 200
    optimizer: Optimizer = Optimizer(learning_rate=3e-3, schedule=Schedule("cosine", factor=0.0))
    dataset: DatasetName = "mnist"
    validation: Validation = 0.0
    seed: Seed = 0


def data(config: Config) -> Dataset:
    """The images, without need of their labels."""
    images = decoded(sources.load(config.dataset, validation=config.validation, seed=config.seed))
    return subset(images, config.seed, train=config.examples)


def learner(config: Config, dataset: Dataset) -> Learner:
    """Both networks, compared."""
    sizes = (dataset.splits["train"]["image"][0].size, *config.widths)
    steps = dataset.steps_per_epoch(config.batch_size)
    optimizer = make_optimizer(config.optimizer, steps, config.epochs)
    networks = {"tied": True, "untied": False}
    return compare(
        {n: autoencoder(Autoencoder(sizes, tied=tied), optimizer) for n, tied in networks.items()}
    )


def measure(trained: Trained, key: Key) -> dict[str, float]:
    """The errors with and without ties and that of PCA with as many numbers, as ratios."""
    error = test_metrics(trained, key)
    pca = principal_components(rows(trained.dataset, "train"))
    linear = projection_error(pca, rows(trained.dataset, "test"), trained.config.widths[-1])
    tied = error["tied_squared_error"]
    return {
        "test/pca_squared_error": linear,
        "test/tied_over_untied": tied / error["untied_squared_error"],
        "test/tied_over_pca": tied / linear,
    }


def figures(trained: Trained, written: list[dict[str, Any]]) -> Iterator[tuple[str, "Figure"]]:
    """Test error against the epoch, and reconstructions."""
    from dlfun.plots.compared import metric_by_epoch
    from dlfun.plots.reconstructions import reconstructions, with_parameters

    labels = with_parameters(trained.state)
    title = "Tied weights: about the same error from half the parameters"
    yield "error", metric_by_epoch(title, written, labels, "squared_error")
    title = f"Digits from {trained.config.widths[-1]} numbers, with and without tied weights"
    yield "reconstructions", reconstructions(title, trained, trained.config.widths[-1])

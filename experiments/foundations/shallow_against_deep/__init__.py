"""Designed features against learned ones: a bag of visual words beside an MLP and a CNN.

Figure: test accuracy of 1000 images: words ≥ 80 %, CNN 79 to 83 %, MLP ≤ 81 %, logistic ≤ 79 %
Time: 30 s on 2 CPU cores
Command: python launch.py train shallow_against_deep

The pipeline of T2, stage by stage, on Fashion-MNIST: histograms of oriented gradients of patches, a
vocabulary of them by k-means, a histogram of words in a spatial pyramid, a linear classifier. Both
k-means and the classifiers are learners in JAX, trained by the one loop: the first while the data
are made ready, and its words are a column that the second reads. So each stage can be swept as any
network can; scikit-learn, beside it in `python -m benchmarks.shallow`, is the reference only.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from annotated_types import Ge
from matplotlib.figure import Figure

from dlfun import data, optimizers
from dlfun.data.dataset import subset
from dlfun.experiment import Claim, Experiment
from dlfun.optimizers import Optimizer
from dlfun.plots import compared
from dlfun.transforms import compare

from .methods import methods
from .visual_words import with_words

METHODS = {"words": "visual words", "logistic": "logistic regression", "mlp": "MLP", "cnn": "CNN"}
CLAIMS = [
    Claim("test/words_accuracy", "[T2]", at_least=0.8),
    Claim("test/cnn_accuracy", "[T2]", at_least=0.79, at_most=0.83),
    Claim("test/mlp_accuracy", "[T2]", at_most=0.81),
    Claim("test/logistic_accuracy", "[T2]", at_most=0.79),
]


@dataclass(frozen=True)
class Config:
    """Four classifiers of the same images."""

    words: Annotated[int, Ge(2)] = 128
    """Size of the vocabulary."""
    examples: Annotated[int, Ge(1)] = 1_000
    """Training images, drawn at random."""
    test_examples: Annotated[int, Ge(1)] = 2_000
    """Test images, drawn at random."""
    epochs: Annotated[int, Ge(1)] = 10
    """Passes over the training images."""
    batch_size: Annotated[int, Ge(1)] = 20
    """Examples per update."""
    optimizer: Optimizer = Optimizer()
    """Optimizer."""
    dataset: str = "fashion_mnist"
    """mnist, fashion_mnist, or tfds:NAME for any TFDS image classification set."""
    seed: Annotated[int, Ge(0)] = 0
    """Random seed: of the choice and order of images, the vocabulary and the parameters."""


def build(config: Config) -> Experiment:
    """The four classifiers side by side, one of them on a column of its own."""
    everything = data.load(config.dataset)
    sizes = {"train": config.examples, "test": config.test_examples}
    dataset = with_words(subset(everything, config.seed, **sizes), config.words, config.seed)
    learner = compare(methods(len(dataset.classes), optimizers.make_optimizer(config.optimizer)))
    return Experiment(learner, dataset, config.epochs, config.batch_size, config.seed)


def figures(trained: Any, rows: list[dict]) -> Iterator[tuple[str, Figure]]:
    """Test accuracy against the epoch."""
    best = METHODS[max(METHODS, key=lambda name: rows[-1][f"{name}_accuracy"])]
    title = f"Learned from {trained.config.examples:,} images, right most often: {best}"
    yield "accuracy", compared.draw(title, rows, METHODS, "accuracy")

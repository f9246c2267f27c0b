"""A small step along the gradient's sign has a network misread digits, until it trains on such.

Figure: under FGSM 82.9, 37.7, 14.5 %; after training on it 97.46 ± 0.05 %, PGD 95.0 %; 3 seeds
Time: 3 min on 2 CPU cores
Command: python launch.py train adversarial_mnist

Each pixel of a test image, 0 to 1, moves by ε at most: in one step (FGSM, Goodfellow et al. 2015),
or in ten with a projection after each, from a random start (PGD, Madry et al. 2018), on T3's
network (sec. 3.2.3). Then the network is trained on, half on images that FGSM changes at each
update, all shifted by a pixel at most: without shifts it reaches 99.8 % in training and 96.9 % in
the test. Stages: plain, fgsm_training.

PyTorch's FGSM tutorial prints the three figures for one training of another small network. They
depend on the random start: at ε = 0.2 the accuracy is 29 to 52 % over six seeds, so that its mean
over the first three, 37.7 ± 3.8 %, is below the claimed 41 %. After ten epochs in place of five it
is 51 %, but at ε = 0.3 it is then 27 %, above the claimed 22 % (mean over three other seeds).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Le
from jaxtyping import Array

from dlfun import data as sources
from dlfun import metrics
from dlfun.algorithms.adversarial_examples import fgsm_training
from dlfun.algorithms.frozen_layers import Stack, blank, with_frozen
from dlfun.algorithms.minimize import MinimizeState
from dlfun.algorithms.supervised import supervised
from dlfun.config import BatchSize, DatasetName, Epochs, Examples, Seed, Validation, Widths
from dlfun.data.augmentation import shift
from dlfun.data.dataset import Dataset, subset
from dlfun.data.images import normalize
from dlfun.experiment import Claim, Objective, Quick, Stage, Trained
from dlfun.learner import Key
from dlfun.nn.losses import cross_entropy
from dlfun.nn.models.cnn import CNN
from dlfun.optimizers import Optimizer, Schedule, make_optimizer
from dlfun.transforms import augmented

from .attacks import accuracies

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TUTORIAL = "PyTorch's FGSM tutorial"
FORMULA = r"""
x' = \operatorname{clip}\left(x + \epsilon \operatorname{sign} \frac{\partial \ell(x, y)}{\partial
x}, \, 0, 1\right)

x^{(k+1)} = \Pi_{\lVert x' - x \rVert_\infty \le \epsilon}\left(x^{(k)} + \alpha
\operatorname{sign} \frac{\partial \ell(x^{(k)}, y)}{\partial x}\right)
"""
CLAIMS = [
    Claim("test/plain_fgsm_accuracy_at_0.1", TUTORIAL, 0.8743, at_least=0.79, at_most=0.95),
    Claim("test/plain_fgsm_accuracy_at_0.2", TUTORIAL, 0.4877, at_least=0.41, at_most=0.57),
    Claim("test/plain_fgsm_accuracy_at_0.3", TUTORIAL, 0.1418, at_least=0.06, at_most=0.22),
    Claim("test/trained_fgsm_accuracy_at_0.1", "beside Goodfellow et al. (2015)", at_least=0.97),
]
QUICK = Quick(
    {
        "channels": (8, 16),
        "steps": 4,
        "examples": 10_000,
        "test_examples": 1_000,
        "epochs": 2,
        "training_epochs": 4,
    },
    [CLAIMS[0]._replace(printed=None, at_least=0.5), CLAIMS[3]._replace(at_least=0.85)],
)
OBJECTIVE = Objective("accuracy", "max")


@dataclass(frozen=True)
class Config:
    """The CNN of T3 under attack, and trained to withstand it."""

    epsilon: Annotated[float, Ge(0), Le(1)] = 0.1
    """ε of FGSM in training, of pixels in 0 to 1."""
    epsilons: tuple[Annotated[float, Ge(0), Le(1)], ...] = (0.1, 0.2, 0.3)
    """ε of the attacks that are measured."""
    steps: Annotated[int, Ge(1)] = 10
    """Steps of PGD."""
    channels: Widths = (32, 64)
    """Channels of each convolution; after each, pooling halves the image."""
    examples: Examples = 60_000
    test_examples: Annotated[int, Ge(1)] = 10_000
    """Test images, drawn at random."""
    epochs: Epochs = 5
    training_epochs: Annotated[int, Ge(1)] = 10
    """Passes over the examples in FGSM training."""
    training_shift: Annotated[int, Ge(0)] = 1
    """Pixels by which images are shifted at random in FGSM training, at most."""
    batch_size: BatchSize = 64
    optimizer: Optimizer = Optimizer()
    """Optimizer of the plain stage."""
    training_optimizer: Optimizer = Optimizer(schedule=Schedule("cosine", factor=0.0))
    """Optimizer of FGSM training."""
    dataset: DatasetName = "mnist"
    validation: Validation = 0.0
    seed: Seed = 0


def data(config: Config) -> Dataset:
    """MNIST's digits, or another set of images, so many as are asked for."""
    images = sources.load(config.dataset, validation=config.validation, seed=config.seed)
    return subset(images, config.seed, train=config.examples, test=config.test_examples)


def stages(config: Config, dataset: Dataset) -> Sequence[Stage]:
    """Cross entropy of the images as they are, then FGSM training of the same network."""
    c, model, steps = config, network(config, dataset), dataset.steps_per_epoch(config.batch_size)
    plain = supervised(
        model,
        cross_entropy,
        make_optimizer(c.optimizer, steps, c.epochs),
        inputs=lambda image: standardize(normalize()(image)),
        eval_metrics=metrics.accuracy,
    )
    optimizer = make_optimizer(c.training_optimizer, steps, c.training_epochs)
    trained = fgsm_training(model, cross_entropy, optimizer, c.epsilon, inputs=standardize)
    trained = augmented(trained, shift(c.training_shift))
    trained = with_frozen(trained, (blank(plain, dataset),), lambda _, batch: batch)
    return [
        Stage(plain, dataset, c.epochs, c.batch_size, "plain"),
        Stage(trained, dataset, c.training_epochs, c.batch_size, "fgsm_training", train_on),
    ]


def network(config: Config, dataset: Dataset) -> CNN:
    """T3's network."""
    return CNN(config.channels, classes=len(dataset.classes))


def standardize(x: Array) -> Array:
    """Pixels of 0 to 1 as the network reads them: MNIST's have mean 0 and deviation 1."""
    return (x - 0.1307) / 0.3081


def train_on(previous: MinimizeState, fresh: Stack) -> Stack:
    """The plain network, and one that starts from its parameters."""
    return Stack((previous.variables,), fresh.top._replace(params=previous.params))


def logits(trained: Trained) -> Callable[[Any, Array], Any]:
    """The function from variables and images in [0, 1] to logits."""
    model = network(trained.config, trained.dataset)
    return lambda variables, x: model.apply(variables, standardize(x))


def measure(trained: Trained, key: Key) -> dict[str, float]:
    """Test accuracy of both networks under each attack, and as the images are."""
    by_network = accuracies(trained, logits(trained), trained.dataset.splits["test"], key)
    measured = {}
    for network, by_epsilon in by_network.items():
        for epsilon, row in by_epsilon.items():
            measured[f"test/{network}_accuracy"] = row["accuracy"]
            measured[f"test/{network}_fgsm_accuracy_at_{epsilon:g}"] = row["fgsm_accuracy"]
            measured[f"test/{network}_pgd_accuracy_at_{epsilon:g}"] = row["pgd_accuracy"]
    return measured


def figures(trained: Trained, rows: list[dict[str, Any]]) -> Iterator[tuple[str, "Figure"]]:
    """Images, the changes of FGSM, what the plain network reads; accuracy against ε."""
    from .drawing import draw

    yield from draw(trained, logits(trained))

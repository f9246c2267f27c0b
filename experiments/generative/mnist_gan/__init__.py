"""A generator learns to draw digits from a critic that learns to tell them from real ones.

Figure: Fréchet distance 0.32 ± 0.05 of the VAE's, 10 digits, ρ −0.30 ± 0.09 (5 seeds)
Time: 2 min on 1 CPU core
Command: python launch.py train mnist_gan

Transposed convolutions against convolutions, DCGANs of a small width (Radford et al. 2016), in the
non-saturating game of Goodfellow et al. (2014); `--game minimax` is the original one, with
`--critic-steps K` steps of the critic for each of the generator. The critic learns at a tenth of
the generator's rate: at equal ones its loss came to 0.0004 and the generator stood still. What is
drawn is judged by a CNN, which a first stage trains on labels: the Fréchet distance of its features
to those of half of the test images, over that of the other half, and the digits that it reads. A
second stage trains a variational autoencoder to compare with. The critic's loss says nothing of the
samples (Arjovsky et al. 2017): ρ is Spearman's, of minus the loss and the distance, over 20 parts
of the training. That is not so for every critic of this game: one whose kernels are divided by
their largest singular values (Miyato et al. 2018; `--spectral --critic-rate 1`) learns at the
generator's rate and reached ρ 0.96 with one seed. Stages: judge, vae, gan.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

import jax
import numpy as np
from annotated_types import Ge, Gt
from jaxtyping import Array, Float

from dlfun import data as sources
from dlfun.algorithms.frozen_layers import blank, freeze
from dlfun.config import BatchSize, DatasetName, Epochs, Examples, Seed, SomeWidths, Validation
from dlfun.data.dataset import Dataset, subset
from dlfun.data.images import check_grey
from dlfun.errors import UserError
from dlfun.experiment import Claim, Quick, Stage, Trained
from dlfun.learner import Key
from dlfun.optimizers import Optimizer

from .game import SHOWN, above, drawer, game, judged, sample
from .game import figures as game_figures
from .game import measure as game_measure
from .judge import (
    CHANNELS,
    autoencoder,
    classifier,
    distance_ratio,
    features,
    halves_of_test,
    in_chunks,
    vae_network,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "CLAIMS", "QUICK", "Config", "data", "figures", "measure", "sample", "stages"
]  # fmt: skip

FORMULA = r"""
L_D = -\mathbb{E}_x \log \sigma(D(x)) - \mathbb{E}_z \log(1 - \sigma(D(G(z)))), \quad L_G =
-\mathbb{E}_z \log \sigma(D(G(z)))

d^2 = \lVert \mu_1 - \mu_2 \rVert^2 + \operatorname{tr}\left(\Sigma_1 + \Sigma_2 - 2 (\Sigma_1
\Sigma_2)^{1/2}\right)
"""
CLAIMS = [
    Claim("test/distance_over_vae", "beside Lucic et al. (2018)", at_most=1),
    Claim("test/digits", "beside Goodfellow et al. (2014)", at_least=10),
    Claim("test/rank_correlation", "beside Arjovsky et al. (2017)", at_most=0.3),
]
SMALL = {"examples": 20_000, "epochs": 3, "scored": 1_000, "parts": 4}
QUICK = Quick(SMALL, [Claim("test/digits", "beside Goodfellow et al. (2014)", at_least=2)])
VAE_EPOCHS = 5


@dataclass(frozen=True)
class Config:
    """A generator and a critic of images, and who judges them."""

    game: Literal["minimax", "non_saturating", "wasserstein"] = "non_saturating"
    """Losses of the two players."""
    critic_steps: Annotated[int, Ge(1)] = 1
    """Steps of the critic for one of the generator."""
    clip: Annotated[float, Gt(0)] | None = None
    """Bound of the critic's parameters after each of its steps; none by default."""
    penalty: Annotated[float, Ge(0)] = 0.0
    """Factor of the gradient penalty."""
    spectral: bool = False
    """Divide the critic's kernels by their largest singular values."""
    noise: Annotated[int, Ge(1)] = 64
    """Dimensions of the generator's noise."""
    channels: SomeWidths = (32, 16)
    """Channels of the generator's images, each twice the size of the last; the critic's in turn."""
    parts: Annotated[int, Ge(2)] = 20
    """Equal parts of the training, at the end of which samples are judged."""
    scored: Annotated[int, Ge(2)] = 5_000
    """Samples that are judged."""
    examples: Examples = 60_000
    epochs: Epochs = 6
    batch_size: BatchSize = 64
    optimizer: Optimizer = Optimizer("adam", 5e-4, beta1=0.5)
    """Optimizer of the generator."""
    critic_rate: Annotated[float, Gt(0)] = 0.1
    """Learning rate of the critic, over that of the generator."""
    dataset: DatasetName = "mnist"
    validation: Validation = 0.0
    seed: Seed = 0


def data(config: Any) -> Dataset:
    """Grey labelled images. Raises UserError on others, and on those too few or too small."""
    dataset = sources.load(config.dataset, validation=config.validation, seed=config.seed)
    check_grey(dataset)
    tests, *size, _ = dataset.splits["test"]["image"].shape
    if tests < 4:
        raise UserError(f"{dataset.name}: expected 4 test images or more, 2 a half, got {tests}")
    layers = max(len(config.channels), len(CHANNELS))
    if min(size) < 2**layers:
        raise UserError(
            f"{dataset.name}: expected images of {2**layers} pixels a side or more, as critic and"
            f" judge halve them up to {layers} times, got {size[0]}×{size[1]}"
        )
    return subset(dataset, config.seed, train=config.examples)


def stages(config: Config, dataset: Dataset) -> Sequence[Stage]:
    """The network that judges, the variational autoencoder, then the game."""
    (first, last), vae = judged(config, dataset), autoencoder(dataset)
    frozen = blank(classifier(dataset), dataset), blank(vae, dataset)
    return [
        first,
        Stage(above(vae, frozen[:1]), dataset, VAE_EPOCHS, 128, "vae", freeze),
        last._replace(learner=above(game(config, dataset), frozen)),
    ]


def measure(trained: Trained, key: Key) -> dict[str, float]:
    """The metrics of `game.measure`, and the Fréchet distance of the autoencoder's samples."""
    measured = game_measure(trained, key)
    c, dataset, judge = trained.config, trained.dataset, trained.state.below[0]
    seen = features(dataset, judge, decoded(trained, key, c.scored))
    vae = distance_ratio(seen, halves_of_test(dataset, judge, c.scored))
    over = measured["test/distance_ratio"] / vae
    return measured | {"test/vae_ratio": vae, "test/distance_over_vae": over}


def decoded(trained: Trained, key: Key, count: int) -> Float[np.ndarray, "count pixels"]:
    """The means of the autoencoder's pixels for codes from N(0, I)."""
    network, variables = vae_network(trained.dataset), trained.state.below[1]

    def decode(variables: Any, code: Array) -> Array:
        logits: Any = network.apply(variables, code, method="decode")
        return jax.nn.sigmoid(logits)

    return in_chunks(
        partial(jax.jit(decode), variables), jax.random.normal(key, (count, network.code))
    )


def figures(trained: Trained, rows: list[dict[str, Any]]) -> Iterator[tuple[str, "Figure"]]:
    """Samples beside test images and the autoencoder's; samples over the training; the loss."""
    from dlfun.plots.image_rows import image_rows

    test, key = trained.dataset.splits["test"]["image"], jax.random.key(0)
    shown = {
        "test images": test[: 2 * SHOWN] / 255,
        "generator": drawer(trained)(key, 2 * SHOWN),
        "autoencoder": decoded(trained, key, 2 * SHOWN),
    }
    rows_of_two = {
        f"{name} {row + 1}": x.reshape(2, SHOWN, *test.shape[1:3])[row]
        for name, x in shown.items()
        for row in (0, 1)
    }
    title = "The generator draws sharp strokes, the autoencoder blurred ones"
    yield "samples", image_rows(title, rows_of_two)
    yield from game_figures(trained, rows)

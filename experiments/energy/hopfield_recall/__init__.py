"""A Hopfield network recalls handwritten digits of which a fifth of the pixels is wrong.

Figure: 96 % of cues come back without a wrong pixel, by Hebb's rule none
Time: 15 s on 2 CPU cores
Command: python launch.py train hopfield_recall

100 digits of MNIST as 784 spins of ±1 are stored by Hebb's rule and by the pseudo-inverse rule.
Digits are alike, so Hebb's rule, made for unrelated patterns, comes to rest at one mixture of them
from every cue (Hopfield 1982; Personnaz, Guyon, Dreyfus 1985). Asynchronous updates never raise the
energy; synchronous ones may end in two states by turns, but in no longer cycle (Goles, Fogelman,
Pellegrin 1985): from random spins nearly always. The stored pattern nearest to a cue is the simple
baseline: it needs all patterns at hand, and is right from 999 cues in 1,000 or more.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
from annotated_types import Ge, Le
from jaxtyping import Array, Float, Int8

from dlfun.algorithms.hopfield import (
    RULES,
    check_independent,
    energies,
    hopfield,
    recall,
    synchronous,
)
from dlfun.config import DatasetName, Seed, Static
from dlfun.data import Dataset, load
from dlfun.data.dataset import subset
from dlfun.data.images import check_grey
from dlfun.experiment import Claim, Objective, Quick, Trained
from dlfun.learner import Key, Learner
from dlfun.transforms import compare

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.Image import Image

FORMULA = r"""
E(s) = -\frac{1}{2} \sum_{i \ne j} W_{i j} s_i s_j, \quad s_i \leftarrow \operatorname{sign}
\sum_{j \ne i} W_{i j} s_j

W_{\mathrm{Hebb}} = X X^\top, \quad W_{\mathrm{pseudo\text{-}inverse}} = X X^{+}
"""
CLAIMS = [
    Claim("test/pseudo_inverse_accuracy", "Personnaz et al. (1985)", at_least=0.95),
    Claim("test/hebb_accuracy", "beside it", at_most=0.05),
    Claim("test/largest_rise", "Hopfield (1982)", at_most=1e-3),
    Claim("test/cycles", "Goles et al. (1985)", at_least=0.5),
    Claim("test/longer_cycles", "Goles et al. (1985)", at_most=0),
]
QUICK = Quick(
    {"patterns": 20, "cues": 2, "batch_size": 20},
    [
        Claim("test/pseudo_inverse_accuracy", "Personnaz et al. (1985)", at_least=0.95),
        Claim("test/largest_rise", "Hopfield (1982)", at_most=1e-3),
    ],
)
OBJECTIVE = Objective("pseudo_inverse_accuracy", "max")
PROBED, FLIPS, SYNCHRONOUS = 100, 500, 1000
"""Cues and random states that are followed, flips and synchronous updates for which they are."""


@dataclass(frozen=True)
class Config:
    """Digits stored by two rules, and recalled from wrong pixels."""

    patterns: Annotated[int, Ge(1)] = 100
    """Digits to store."""
    cues: Annotated[int, Ge(1)] = 10
    """Cues to recall each digit from."""
    wrong: Annotated[float, Ge(0), Le(1), Static] = 0.2
    """Share of a cue's pixels that are turned over."""
    epochs: Annotated[int, Ge(1), Le(1)] = 1
    """Presentations of each digit."""
    batch_size: Annotated[int, Ge(1)] = 100
    """Digits stored at once."""
    dataset: DatasetName = "mnist"
    seed: Seed = 0


def data(config: Config) -> Dataset:
    """Random training images as spins, and cues that differ from them at random pixels.

    Raises UserError where the digits are not grey or not linearly independent.
    """
    images = load(config.dataset)
    check_grey(images)
    grey = subset(images, config.seed, train=config.patterns).splits["train"]["image"][..., 0]
    x = np.where(grey < 128, -1, 1).astype(np.int8)
    check_independent(x.reshape(len(x), -1))
    draw = np.random.Generator(np.random.Philox(key=config.seed))
    pattern = np.repeat(x, config.cues, axis=0)
    cue = np.where(draw.random(pattern.shape) < config.wrong, -pattern, pattern)
    splits = {"train": {"x": x, "cue": x}, "test": {"x": pattern, "cue": cue}}
    return Dataset(f"{config.dataset} as spins", splits)


def learner(config: Config, dataset: Dataset) -> Learner:
    """A network under each rule, compared."""

    def network(rule: str) -> Learner:
        return hopfield(
            RULES[rule],
            patterns=lambda batch: spins(batch["x"]),
            cues=lambda batch: spins(batch["cue"]),
        )

    return compare({rule: network(rule) for rule in RULES})


def spins(
    images: Int8[Array | np.ndarray, "count height width"],
) -> Float[Array, "count spins"]:
    """Images of ±1 as rows."""
    return jnp.asarray(images, jnp.float32).reshape(len(images), -1)


def measure(trained: Trained, key: Key) -> dict[str, float]:
    """Measures of the pseudo-inverse rule's recall, and the accuracy of the nearest pattern.

    largest_rise is that of the energy E at a flip; cycles is the share of random states that end in
    two states by turns under synchronous updates, longer_cycles of those in neither rest nor these.
    """
    weights = trained.state["pseudo_inverse"]
    stored, test = trained.dataset.splits["train"]["x"], trained.dataset.splits["test"]
    cues = spins(test["cue"][:PROBED])
    paths = jax.jit(lambda cues: jax.lax.map(lambda cue: energies(weights, cue, FLIPS), cues))(cues)
    random = jax.random.rademacher(key, (PROBED, len(weights)), jnp.float32)
    ends = jax.jit(synchronous, static_argnames="updates")(weights, random, SYNCHRONOUS)
    nearest = np.asarray(spins(test["cue"]) @ spins(stored).T).argmax(axis=1)
    right = nearest == np.repeat(np.arange(len(stored)), trained.config.cues)
    return {
        "test/largest_rise": float(jnp.diff(paths, axis=1).max()),
        "test/cycles": float((ends[0] != ends[1]).any(axis=1).mean()),
        "test/longer_cycles": float((ends[0] != ends[2]).any(axis=1).mean()),
        "test/nearest_accuracy": float(right.mean()),
    }


def sample(trained: Trained, key: Key, count: int) -> Iterator["Image"]:
    """Stored digits with other wrong pixels, each left of what the pseudo-inverse rule recalls."""
    from PIL import Image

    choose, turn = jax.random.split(key)
    images = trained.dataset.splits["train"]["x"]
    x = spins(images)
    chosen = x[jax.random.randint(choose, (count,), 0, len(x))]
    cues = jnp.where(jax.random.bernoulli(turn, trained.config.wrong, chosen.shape), -1, 1) * chosen
    recalled, _ = jax.jit(recall)(trained.state["pseudo_inverse"], cues)
    for pair in np.stack([cues, recalled], axis=1).reshape(count, 2, *images.shape[1:]):
        yield Image.fromarray(np.uint8(255 * (np.concatenate(pair, axis=1) > 0)))


def figures(trained: Trained, rows: list[dict[str, Any]]) -> Iterator[tuple[str, "Figure"]]:
    """Recall frame by frame, the fall of the energy, and a cycle of two states."""
    from .drawing import cycle, energy_by_flip, frames

    yield "recall", frames(trained)
    yield "energy", energy_by_flip(trained, FLIPS)
    yield "cycle", cycle(trained)

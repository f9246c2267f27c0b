"""Hebb's rule keeps random patterns up to 0.138 of them a spin, then none; another rule keeps more.

Figure: m = 0.99999, 0.9996, 0.998, 0.9935, 0.9864 at α = 0.05, 0.08, 0.1, 0.12, 0.13; 0.34 at 0.16
Time: 60 s on 2 CPU cores
Command: python launch.py train hopfield_capacity

A Hopfield network of N spins stores αN random patterns by Hebb's rule, starts at a stored pattern,
and comes to rest by asynchronous updates. The overlap m of its rest with the pattern follows, as N
grows, from Amit, Gutfreund, Sompolinsky (1985) at temperature zero:

    m = erf(y),    y (√(2α) + (2/√π) exp(−y²)) = erf(y)

which has no solution of m near 1 above α = 0.138: there the memory collapses as a whole. Of 6,000
spins a few patterns in a thousand are lost at α = 0.13 already, of 2,000 spins two in a hundred,
which costs 0.006 of the mean. Patterns stored by the pseudo-inverse rule are all at rest up to
α = 1 (Personnaz, Guyon, Dreyfus 1985). Nothing is kept of a network but what it recalled: its
patterns are the example.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from annotated_types import Ge

from dlfun.config import Seed
from dlfun.data import Dataset
from dlfun.experiment import Claim, Objective, Quick, Stage, Trained

from .loads import patterns_at, retention

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SOURCE = "Amit, Gutfreund & Sompolinsky (1985)"
PRINTED = {0.05: 0.99999, 0.08: 0.99956, 0.1: 0.998, 0.12: 0.9932, 0.13: 0.987}
COLLAPSED = (0.16, 0.2)
HEBB, PSEUDO_INVERSE = (*PRINTED, *COLLAPSED), (0.2, 0.5, 0.9)
FORMULA = r"""
W = \sum_{\mu=1}^{\alpha N} \xi^\mu {\xi^\mu}^\top, \quad s_i \leftarrow \operatorname{sign}
\sum_{j \ne i} W_{i j} s_j, \quad m = \frac{1}{N} \, \xi^\mu \cdot s

m = \operatorname{erf}(y), \quad y \left(\sqrt{2 \alpha} + \frac{2}{\sqrt{\pi}} e^{-y^2}\right) =
\operatorname{erf}(y)
"""
CLAIMS = [
    *(
        Claim(f"test/hebb_at_{load:g}", SOURCE, m, at_least=m - 0.002, at_most=m + 0.002)
        for load, m in PRINTED.items()
    ),
    Claim("test/hebb_at_0.16", SOURCE, at_most=0.5),
    Claim("test/hebb_at_0.2", SOURCE, at_most=0.4),
    Claim("test/pseudo_inverse_at_0.9", "Personnaz et al. (1985)", at_least=0.99999),
]
QUICK = Quick(
    {"spins": 300, "pseudo_inverse_spins": 100, "networks": 2, "lost": 20},
    [
        Claim("test/hebb_at_0.05", SOURCE, at_least=0.999),
        Claim("test/hebb_at_0.1", SOURCE, at_least=0.97),
        Claim("test/hebb_at_0.2", SOURCE, at_most=0.85),
        Claim("test/pseudo_inverse_at_0.9", "Personnaz et al. (1985)", at_least=0.99999),
    ],
)
OBJECTIVE = Objective("hebb_at_0.12", "max")


@dataclass(frozen=True)
class Config:
    """Networks that store random patterns."""

    spins: Annotated[int, Ge(100)] = 6_000
    """Spins N of a network under Hebb's rule."""
    pseudo_inverse_spins: Annotated[int, Ge(10)] = 2_000
    """Spins of one under the pseudo-inverse rule, whose overlap does not depend on them."""
    networks: Annotated[int, Ge(1)] = 3
    """Networks to average over."""
    lost: Annotated[int, Ge(1)] = 50
    """Patterns recalled beyond the collapse, where each takes thousands of flips; below all are."""
    seed: Seed = 0


def data(config: Config) -> Dataset:
    """Random patterns of ±1 for each network, as many as the highest load takes."""
    c = config
    most = max(patterns_at(max(HEBB), c.spins), patterns_at(0.9, c.pseudo_inverse_spins))
    shape = (c.networks, most, max(c.spins, c.pseudo_inverse_spins))
    draw = np.random.Generator(np.random.Philox(key=c.seed))
    patterns = 2 * draw.integers(0, 2, shape, np.int8) - 1
    splits = {"train": {"patterns": patterns[:1]}, "test": {"patterns": patterns}}
    return Dataset("random patterns", splits)


def stages(config: Config, dataset: Dataset) -> Sequence[Stage]:
    """A stage of one epoch, which only measures."""
    c = config
    most = {load: c.lost for load in COLLAPSED}
    loads = {"hebb": HEBB, "pseudo_inverse": PSEUDO_INVERSE}
    spins = {"hebb": c.spins, "pseudo_inverse": c.pseudo_inverse_spins}
    return [Stage(retention(loads, spins, most), dataset, epochs=1, batch_size=1)]


def figures(trained: Trained, rows: list[dict[str, Any]]) -> Iterator[tuple[str, "Figure"]]:
    """The overlap against the load, measured and from the theory."""
    from .drawing import overlap_by_load

    yield "overlap", overlap_by_load(trained.config, rows[-1], HEBB, PSEUDO_INVERSE)

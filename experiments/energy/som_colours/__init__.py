"""A self-organizing map lays out random colours in the plane, similar ones side by side.

Figure: topographic error 0.03, quantization error 0.10; k-means 0.98 and 0.067
Time: 20 s on 2 CPU cores
Command: python launch.py train som_colours

A rectangular and a hexagonal map of 20 × 20 units (Kohonen 1982) see random points of the RGB
cube one by one. The quantization error is the mean distance of a colour from the nearest unit, the
topographic error the share of colours whose two nearest units do not touch. Two baselines have
units without order: k-means, which is the same rule with a radius of 0, and as many random colours.
Both are closer to new colours, since a map of two dimensions folds into a cube only so far; and
nearly no colour has two nearest units that touch. Rule, order and both errors are MiniSom's.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import jax.numpy as jnp
import numpy as np
from annotated_types import Ge, Gt, Le

from dlfun.algorithms.self_organizing_map import Grid, self_organizing_map
from dlfun.config import BatchSize, Epochs, Seed
from dlfun.data import Dataset
from dlfun.experiment import Claim, Objective, Quick, Trained
from dlfun.learner import Learner
from dlfun.transforms import compare

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMULA = r"""
c = \operatorname{argmin}_u \lVert x - w_u \rVert, \quad w_u \leftarrow w_u + \eta
\exp\left(-\frac{\lVert r_u - r_c \rVert^2}{2 \sigma^2}\right) (x - w_u)
"""
CLAIMS = [
    Claim("test/rectangular_quantization_error", "beside Kohonen (1982)", at_most=0.105),
    Claim("test/hexagonal_quantization_error", "beside Kohonen (1982)", at_most=0.105),
    Claim("test/rectangular_topographic_error", "beside Kohonen (1982)", at_most=0.05),
    Claim("test/hexagonal_topographic_error", "beside Kohonen (1982)", at_most=0.05),
    Claim("test/k_means_quantization_error", "beside them", at_most=0.07),
    Claim("test/random_topographic_error", "beside them", at_least=0.9),
]
QUICK = Quick(
    {"width": 6, "height": 6, "examples": 2_000, "epochs": 2},
    [
        Claim("test/rectangular_topographic_error", "beside Kohonen (1982)", at_most=0.3),
        Claim("test/random_topographic_error", "beside them", at_least=0.5),
    ],
)
OBJECTIVE = Objective("rectangular_quantization_error", "min")


@dataclass(frozen=True)
class Config:
    """Maps of random colours."""

    width: Annotated[int, Ge(1)] = 20
    """Units along the map."""
    height: Annotated[int, Ge(1)] = 20
    """Units across."""
    radius: Annotated[float, Gt(0)] = 6.0
    """Radius σ of the neighbourhood at the start, in units of the grid."""
    radius_decay: Literal["asymptotic", "inverse_to_one", "linear_to_one"] = "linear_to_one"
    """Decay of σ, to a third or to 1."""
    rate: Annotated[float, Gt(0), Le(1)] = 0.5
    """Rate η at the start."""
    rate_decay: Literal["asymptotic", "inverse", "linear"] = "linear"
    """Decay of η, to a third, to a hundredth or to 0."""
    examples: Annotated[int, Ge(2)] = 10_000
    """Random colours, and as many for the test."""
    epochs: Epochs = 5
    batch_size: BatchSize = 100
    seed: Seed = 0


def data(config: Config) -> Dataset:
    """Uniformly distributed colours: {"x": float32 [N, 3]} in [0, 1]."""
    draw = np.random.Generator(np.random.Philox(key=config.seed))
    splits = {
        name: {"x": draw.random((config.examples, 3), np.float32)} for name in ("train", "test")
    }
    return Dataset("random colours", splits)


def learner(config: Config, dataset: Dataset) -> Learner:
    """Two maps, k-means, and units that stay at the first examples, compared."""
    c, x = config, dataset.splits["train"]["x"]
    steps = c.epochs * len(x)

    def som(topology: Literal["rectangular", "hexagonal"], **changed: Any) -> Learner:
        settings: dict[str, Any] = {
            "rate": c.rate,
            "rate_decay": c.rate_decay,
            "radius": c.radius,
            "radius_decay": c.radius_decay,
        }
        return self_organizing_map(
            Grid(c.width, c.height, topology), x, steps, **settings | changed
        )

    return compare(
        {
            "rectangular": som("rectangular"),
            "hexagonal": som("hexagonal"),
            "k_means": som("rectangular", radius=0.0, radius_decay="linear"),
            "random": som("rectangular", rate=0.0),
        }
    )


def figures(trained: Trained, rows: list[dict[str, Any]]) -> Iterator[tuple[str, "Figure"]]:
    """Both maps as colours beside the units of k-means; U-matrices, component planes and hits."""
    from dlfun.plots import maps

    c, row = trained.config, rows[-1]
    grids = {
        "rectangular": Grid(c.width, c.height, "rectangular"),
        "hexagonal": Grid(c.width, c.height, "hexagonal"),
    }
    weights = {name: np.asarray(state.weights) for name, state in trained.state.items()}
    shown = [
        (f"{name}: {row[f'{key}_quantization_error']:.3f}, {row[f'{key}_topographic_error']:.2f}",
         grids.get(key, grids["rectangular"]), weights[key])
        for key, name in {"rectangular": "rectangular map", "hexagonal": "hexagonal map",
                          "k_means": "k-means", "random": "at random"}.items()
    ]  # fmt: skip
    yield (
        "colours",
        maps.coloured(
            "On a map, similar colours are neighbours",
            "weights of the units; above, the quantization and topographic errors on new colours",
            shown,
        ),
    )
    yield (
        "u_matrix",
        maps.unified(
            "The U-matrix: how far each unit is from those beside it, in colour space",
            [(name, grid, weights[name]) for name, grid in grids.items()],
        ),
    )
    grid, w = grids["hexagonal"], weights["hexagonal"]
    names = ("red", "green", "blue")
    yield "components", maps.components(
        "Component planes of the hexagonal map: each colour varies smoothly",
        grid, [(name, w[:, number]) for number, name in enumerate(names)],
    )  # fmt: skip
    assert trained.learner.predict is not None
    colours = jnp.asarray(trained.dataset.splits["test"]["x"])
    winners = trained.learner.predict(trained.state, {"x": colours})
    yield "hits", maps.hits(
        "New colours fall on all of the map",
        [(name, grid, np.bincount(winners[name], minlength=len(weights[name])))
         for name, grid in grids.items()],
    )  # fmt: skip

"""Annealed importance sampling finds the log Z of a Boltzmann machine that can be enumerated.

Figure: 20 units: AIS 0.8 ± 0.5 errors from log Z; 500: −94.5 ± 0.4 nats (3 seeds)
Time: 1 min on 1 CPU core
Command: python launch.py train rbm_likelihood

A machine of 20 hidden units has 2²⁰ states of them, over which log Z is a sum. Annealed importance
sampling, which needs no such sum, comes within its own error of it (Salakhutdinov, Murray 2008).
Then it says what a machine of 500 units is worth, of which nothing else can: its error is stated,
and the mean log-likelihood of the test images with it. (Salakhutdinov and Murray print −125.5 for
500 units trained by CD-1, −105.5 by CD-3 and −86.3 by CD-25.) Pixels are drawn to be 0 or 1 with
the probability that their grey says, for training anew each time, for the test once. Independent
pixels, the baseline, reach −206. Stages: small, large.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import jax
import jax.numpy as jnp
from annotated_types import Ge, Le

from dlfun import data as sources
from dlfun.algorithms.annealed_importance_sampling import (
    inverse_temperatures,
    log_partition_function,
)
from dlfun.algorithms.belief_network import empty, features, machines
from dlfun.algorithms.boltzmann_machine import free_energy
from dlfun.algorithms.contrastive_divergence import restricted_boltzmann_machine
from dlfun.algorithms.frozen_layers import Stack, with_frozen
from dlfun.config import BatchSize, DatasetName, Epochs, Examples, Seed, Validation
from dlfun.data.dataset import Dataset, subset
from dlfun.data.images import binarized, decoded, log_odds, pixels
from dlfun.experiment import Claim, Quick, Stage, Trained
from dlfun.learner import Key
from dlfun.optimizers import Optimizer, Schedule, make_optimizer
from dlfun.transforms import with_drawn_pixels

from .enumeration import MOST, exact_log_partition_function

FORMULA = r"""
Z = \sum_{v, h} e^{-E(v, h)}, \quad \frac{Z}{Z_0} = \mathbb{E} \prod_{k=1}^{K}
\frac{p^*_k(v_{k-1})}{p^*_{k-1}(v_{k-1})}, \quad p^*_k(v) = \sum_h e^{-E_{\beta_k}(v, h)}
"""
CLAIMS = [
    Claim("test/small_distance", "Salakhutdinov & Murray (2008)", at_most=3),
    Claim("test/small_error", "Salakhutdinov & Murray (2008)", at_most=0.2),
    Claim("test/log_likelihood", "Salakhutdinov & Murray (2008), CD-1", -125.5, -125.5),
]
QUICK = Quick(
    {"small": 12, "large": 100, "examples": 10_000, "epochs": 2, "temperatures": 1_000},
    [
        Claim("test/small_distance", "Salakhutdinov & Murray (2008)", at_most=3),
        Claim("test/small_error", "Salakhutdinov & Murray (2008)", at_most=0.2),
    ],
)


@dataclass(frozen=True)
class Config:
    """Two restricted Boltzmann machines: one that can be enumerated, one that cannot."""

    small: Annotated[int, Ge(1), Le(MOST)] = 20
    """Hidden units of the machine that is enumerated."""
    large: Annotated[int, Ge(1)] = 500
    """Hidden units of the other."""
    gibbs_steps: Annotated[int, Ge(1)] = 1
    """Steps k of Gibbs sampling in an update."""
    chains: Annotated[int, Ge(0)] = 100
    """Persistent chains; 0 for chains that start at the data."""
    temperatures: Annotated[int, Ge(2)] = 14_500
    """Distributions between independent pixels and the machine."""
    runs: Annotated[int, Ge(2)] = 100
    """Runs of annealed importance sampling."""
    examples: Examples = 60_000
    epochs: Epochs = 10
    batch_size: BatchSize = 100
    optimizer: Optimizer = Optimizer("sgd", 0.1, schedule=Schedule("cosine", 0.0))
    dataset: DatasetName = "mnist"
    validation: Validation = 0.0
    seed: Seed = 0


def data(config: Config) -> Dataset:
    """Grey images to train on, and images of 0 and 255, drawn once, to be tested on."""
    images = decoded(sources.load(config.dataset, validation=config.validation, seed=config.seed))
    return binarized(subset(images, config.seed, train=config.examples))


def stages(config: Config, dataset: Dataset) -> Sequence[Stage]:
    """The small machine, then the large one, both under the same contrastive divergence."""
    c = config
    sizes = [(dataset.splits["train"]["image"][0].size, width) for width in (c.small, c.large)]
    bias = log_odds(dataset.splits["train"]["image"])
    optimizer = make_optimizer(c.optimizer, dataset.steps_per_epoch(c.batch_size), c.epochs)
    parts = []
    for number, name in enumerate(("small", "large")):
        machine = restricted_boltzmann_machine(
            sizes[number][1], optimizer, steps=c.gibbs_steps, chains=c.chains, visible_bias=bias
        )
        learner = with_frozen(machine, empty(sizes[:number]), lambda _, batch: features((), batch))
        drawn = with_drawn_pixels(learner)
        parts.append(Stage(drawn, dataset, c.epochs, c.batch_size, name, keep_small_machine))
    return parts


def keep_small_machine(previous: Stack, fresh: Stack) -> Stack:
    """The large machine's first state, with the trained small machine."""
    return Stack(machines(previous), fresh.top)


def measure(trained: Trained, key: Key) -> dict[str, float]:
    """log Z of both machines, and what follows: mean log-likelihoods of the test images, in nats.

    "small_distance" is that between the two values of log Z in standard errors.
    """
    c, splits = trained.config, trained.dataset.splits
    small, large = machines(trained.state)
    base = jnp.asarray(log_odds(splits["train"]["image"]))
    x = pixels(jnp.asarray(splits["test"]["image"]))
    betas = jnp.asarray(inverse_temperatures(c.temperatures))
    estimate = jax.jit(log_partition_function, static_argnums=4)
    of_small, of_large = (
        jax.tree.map(float, estimate(rbm, base, betas, jax.random.fold_in(key, number), c.runs)[:2])
        for number, rbm in enumerate((small, large))
    )
    exact = float(jax.jit(exact_log_partition_function)(small))
    energies = [float(jax.jit(free_energy)(rbm, x).mean()) for rbm in (small, large)]
    independent = x @ base - jax.nn.softplus(base).sum()
    return {
        "test/small_log_z": exact,
        "test/small_error": of_small[1],
        "test/small_distance": abs(of_small[0] - exact) / of_small[1],
        "test/small_log_likelihood": -energies[0] - exact,
        "test/log_z": of_large[0],
        "test/log_z_error": of_large[1],
        "test/log_likelihood": -energies[1] - of_large[0],
        "test/independent_log_likelihood": float(independent.mean()),
    }

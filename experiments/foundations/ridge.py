"""Gradient descent under an L2 penalty ends at the closed form of ridge regression.

Figure: test/max_difference, the largest of a weight or the bias, ≤ 1e-5 after 1000 steps
Time: 1 s on 2 CPU cores
Command: python launch.py train ridge

J = 1/(2N) Σ (x·w + b − y)² + λ/2 ‖w‖² [T3, sec. 3.1.5; Hoerl, Kennard 1970]. The bias is left out
of the penalty: it only shifts the outputs to the mean of y. Plain least squares beside it shows the
error without a penalty, of 40 examples of 30 inputs.
"""

from dataclasses import dataclass
from typing import Annotated, Any

import jax.numpy as jnp
import numpy as np
from annotated_types import Ge, Gt
from jax import Array

from dlfun.algorithms.linear_regression import proximal_gradient, ridge
from dlfun.config import Seed, Static
from dlfun.data import Dataset
from dlfun.data.generated import linear
from dlfun.experiment import Claim
from dlfun.learner import Learner
from dlfun.transforms import compare, repeat_update, with_state_metrics

FORMULA = r"""
J(w, b) = \frac{1}{2 N} \sum_{i=1}^{N} (x_i \cdot w + b - y_i)^2 + \frac{\lambda}{2} \lVert w
\rVert^2

w = \left(X_c^\top X_c + N \lambda I\right)^{-1} X_c^\top y_c, \quad b = \bar{y} - \bar{x} \cdot w
"""
CLAIMS = [
    Claim("test/max_difference", "Hoerl, Kennard 1970", at_most=1e-5),
]


@dataclass(frozen=True)
class Config:
    """Ridge regression, in two ways."""

    l2: Annotated[float, Ge(0)] = 0.2
    """Factor λ of the L2 penalty."""
    learning_rate: Annotated[float, Gt(0)] = 0.08
    """Learning rate η of the descent."""
    inputs: Annotated[int, Ge(1)] = 30
    """Number of inputs, of random weights."""
    examples: Annotated[int, Ge(2)] = 40
    """Training examples, and as many test examples."""
    noise: Annotated[float, Ge(0), Static] = 2.0
    """Standard deviation of the noise in y."""
    epochs: Annotated[int, Ge(1)] = 10
    """Epochs, of 100 steps of descent on each batch."""
    batch_size: Annotated[int, Ge(1)] = 40
    """Examples per update: all, since the closed form is of its batch."""
    seed: Seed = 0


def data(config: Config) -> Dataset:
    """A linear model of random weights with noise."""
    weights = np.random.Generator(np.random.Philox(key=config.seed)).normal(size=config.inputs)
    return linear(config.examples, weights, 3.0, config.seed, config.noise)


def learner(config: Config, dataset: Dataset) -> Learner:
    """Descent, the closed form, and least squares without a penalty."""
    learners = {
        "descent": repeat_update(proximal_gradient(config.learning_rate, config.l2), 100),
        "exact": ridge(config.l2),
        "unpenalized": ridge(0.0),
    }

    def max_difference(state: dict[str, Any]) -> dict[str, Array]:
        pairs = zip(state["descent"], state["exact"], strict=True)
        return {"max_difference": jnp.stack([jnp.abs(a - b).max() for a, b in pairs]).max()}

    return with_state_metrics(compare(learners), max_difference)

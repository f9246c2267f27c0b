"""Gradient descent under an L2 penalty ends at the closed form of ridge regression.

Figure: test/apart, the largest difference of a weight or the bias, ≤ 1e-5 after 1000 steps
Time: 1 s on 2 CPU cores
Command: python launch.py train ridge

J = 1/(2N) Σ (x·w + b − y)² + λ/2 ‖w‖² [T3, sec. 3.1.5; Hoerl, Kennard 1970]. The bias is left out
of the penalty: it only says where y lies. Plain least squares beside it, for the error it makes of
40 examples of 30 inputs.
"""

from dataclasses import dataclass
from typing import Annotated, Any

import jax.numpy as jnp
import numpy as np
from annotated_types import Ge, Gt
from jax import Array

from dlfun.algorithms.linear_regression import proximal_gradient, ridge
from dlfun.data.generated import linear
from dlfun.experiment import Claim, Experiment
from dlfun.transforms import compare, repeat_update, with_state_metrics

CLAIMS = [
    Claim("test/apart", "Hoerl, Kennard 1970", at_most=1e-5),
]


@dataclass(frozen=True)
class Config:
    """Ridge regression, in two ways."""

    l2: Annotated[float, Ge(0)] = 0.2
    """λ."""
    learning_rate: Annotated[float, Gt(0)] = 0.08
    """η of the descent."""
    inputs: Annotated[int, Ge(1)] = 30
    """Features, of random weights."""
    examples: Annotated[int, Ge(2)] = 40
    """For training, and as many for the test."""
    noise: Annotated[float, Ge(0)] = 2.0
    """Standard deviation of the noise in y."""
    epochs: Annotated[int, Ge(1)] = 10
    """Times 100 steps of descent."""
    batch_size: Annotated[int, Ge(1)] = 40
    """All examples: the closed form is of its batch."""
    seed: Annotated[int, Ge(0)] = 0
    """Random seed: of the model and the examples."""


def build(config: Config) -> Experiment:
    """Descent, the closed form, and least squares without a penalty."""
    c = config
    weights = np.random.Generator(np.random.Philox(key=c.seed)).normal(size=c.inputs)
    learners = {
        "descent": repeat_update(proximal_gradient(c.learning_rate, c.l2), 100),
        "exact": ridge(c.l2),
        "unpenalized": ridge(0.0),
    }

    def apart(state: dict[str, Any]) -> dict[str, Array]:
        pairs = zip(state["descent"], state["exact"], strict=True)
        return {"apart": jnp.stack([jnp.abs(a - b).max() for a, b in pairs]).max()}

    learner = with_state_metrics(compare(learners), apart)
    data = linear(c.examples, weights, 3.0, c.seed, float(c.noise))
    return Experiment(learner, data, c.epochs, c.batch_size, c.seed)

"""An encoder and a decoder without feedback: each step is given the state after the question."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from dlfun import metrics
from dlfun.metrics import Metrics
from dlfun.nn.layers.dense import dense
from dlfun.nn.layers.recurrent import Recurrent


class RepeatedState(nn.Module):
    """Two LSTMs: h after the last input is the second one's input at each step; then dense layers.

    Attributes:
        hidden: units of each LSTM.
        steps: length of an answer.
        outputs: number of logits at each of its steps.
    """

    hidden: int
    steps: int
    outputs: int

    @nn.compact
    def __call__(self, x: Float[Array, "batch time inputs"]) -> Float[Array, "batch steps outputs"]:
        """Logits of each step of the answer."""

        def lstm(x: Array) -> tuple[Array, tuple[Array, ...]]:
            return Recurrent(self.hidden, "lstm", forget_bias=1.0, scheme="orthogonal")(x)

        _, (h, _) = lstm(x)
        repeated = jnp.broadcast_to(h[:, None], (len(h), self.steps, self.hidden))
        outputs, _ = lstm(repeated)
        logits = dense(outputs.reshape(-1, self.hidden), self.outputs)
        return logits.reshape(len(h), self.steps, self.outputs)


def characters_right(
    logits: Float[Array, "batch steps outputs"],
    y: Int[Array, "batch steps"],
    weight: Float[Array, " batch"],
) -> Metrics:
    """Shares of characters ("accuracy") and of whole answers ("exact_accuracy") that are right."""
    right = logits.argmax(-1) == y
    return {
        "accuracy": metrics.mean(right.mean(1, dtype=weight.dtype), weight),
        "exact_accuracy": metrics.mean(right.all(1).astype(weight.dtype), weight),
    }

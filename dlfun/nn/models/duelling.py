"""The duelling network: the value of a state, and the advantage of each action in it."""

from collections.abc import Sequence

import flax.linen as nn
from jaxtyping import Array, Float

from dlfun.nn.layers.dense import dense


class Duelling(nn.Module):
    """Values of actions, Q(s, a) = V(s) + A(s, a) − mean_a' A(s, a') (Wang et al. 2016, eq. 9).

    V and A are two dense layers over hidden layers of ReLUs that they share. The mean over actions
    of Q is V, so V and A are those of Q alone.

    Attributes:
        hidden: widths of the hidden layers.
        actions: number of actions.
    """

    hidden: Sequence[int]
    actions: int

    @nn.compact
    def __call__(self, x: Float[Array, "batch state"]) -> Float[Array, "batch actions"]:
        """Q of each action."""
        for width in self.hidden:
            x = nn.relu(dense(x, width))
        advantage = dense(x, self.actions)
        return dense(x, 1) + advantage - advantage.mean(axis=1, keepdims=True)

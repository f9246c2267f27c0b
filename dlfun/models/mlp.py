"""The multilayer perceptron."""

from collections.abc import Sequence

import flax.linen as nn
from jaxtyping import Array, Float

from dlfun.activations import ACTIVATIONS
from dlfun.layers.dense import dense
from dlfun.layers.dropout import Dropout


class MLP(nn.Module):
    """Fully connected layers x ← σ(xW + b), the last without activation [T3, sec. 3.1.1].

    (T3 writes WX + B; for a batch X of rows it is XW + B.) Inputs are flattened. Kernels and
    biases start from U(±1/√F_in). While training, hidden units are dropped at the rate `dropout`.
    """

    hidden: Sequence[int] = (128,)
    classes: int = 10
    activation: str = "relu"
    dropout: float | Array | None = None

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch *features"], training: Float[Array, " batch"] | None = None
    ) -> Float[Array, "batch classes"]:
        x = x.reshape(x.shape[0], -1)
        for width in self.hidden:
            x = ACTIVATIONS[self.activation].function(dense(x, width))
            if self.dropout is not None:
                x = Dropout(self.dropout)(x, training)
        return dense(x, self.classes)

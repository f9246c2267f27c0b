"""The multilayer perceptron."""

from collections.abc import Sequence

import flax.linen as nn
from jaxtyping import Array, Float

from dlfun.nn.activations import ACTIVATIONS
from dlfun.nn.layers.dense import dense
from dlfun.nn.layers.dropout import Dropout


class MLP(nn.Module):
    """Dense layers x ← σ(xW + b), the last without activation [T3, sec. 3.1.1].

    (T3 writes WX + B; for a batch X of rows it is XW + B.) Inputs are flattened.

    Attributes:
        hidden: widths of the hidden layers.
        classes: width of the output.
        activation: a name in `ACTIVATIONS`.
        scheme: a name in `SCHEMES` from which kernels start, biases at 0; by default both start
            from U(±1/√F_in).
        dropout: share of each hidden layer that is dropped while training; may be a traced array.
    """

    hidden: Sequence[int] = (128,)
    classes: int = 10
    activation: str = "relu"
    scheme: str | None = None
    dropout: float | Array | None = None

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch *features"], training: Float[Array, " batch"] | None = None
    ) -> Float[Array, "batch classes"]:
        """Logits; `training` is the weight of each example, None in evaluation."""
        x = x.reshape(x.shape[0], -1)
        for width in self.hidden:
            x = ACTIVATIONS[self.activation].function(dense(x, width, self.scheme))
            if self.dropout is not None:
                x = Dropout(self.dropout)(x, training)
        return dense(x, self.classes, self.scheme)

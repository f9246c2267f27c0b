"""Deep fully connected network: plain or residual, with or without batch normalization."""

import flax.linen as nn
from jaxtyping import Array, Float

from dlfun.nn.activations import ACTIVATIONS
from dlfun.nn.layers.dense import dense
from dlfun.nn.layers.normalization import BatchNorm, Running


class DeepMLP(nn.Module):
    """Stack of `depth` equal layers f, between a dense layer to their width and one to logits.

    A plain layer is h ← f(h), a residual one h ← h + f(h) [T5, ch. 4], whose Jacobian 1 + ∂f/∂h
    does not vanish where that of f does. The activation comes first, f(h) = σ(norm(h)) W + b, so
    that f(h) may have either sign (He et al., 2016b). Inputs are flattened. Kernels and
    biases start from U(±1/√F_in).

    Attributes:
        depth: number of equal layers.
        width: number of units of each layer.
        classes: width of the output.
        activation: a name in `ACTIVATIONS`.
        residual: True for h + f(h), False for f(h).
        batch_norm: running statistics of batch normalization (Ioffe & Szegedy, 2015), "moving" or
            "sums"; None for norm(h) = h.
    """

    depth: int
    width: int = 64
    classes: int = 10
    activation: str = "relu"
    residual: bool = False
    batch_norm: Running | None = None

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch *features"], training: Float[Array, " batch"] | None = None
    ) -> Float[Array, "batch classes"]:
        """Logits; `training` is the weight of each example, None in evaluation."""
        h = dense(x.reshape(x.shape[0], -1), self.width)
        # One traced layer for all: fifty layers one by one take a minute to compile.
        layers = nn.scan(
            _Layer,
            variable_axes={"params": 0, "batch_stats": 0},
            split_rngs={"params": True},
            in_axes=nn.broadcast,
            length=self.depth,
        )
        h, _ = layers(self.activation, self.residual, self.batch_norm)(h, training)
        h = BatchNorm(self.batch_norm)(h, training) if self.batch_norm else h
        return dense(ACTIVATIONS[self.activation].function(h), self.classes)


class _Layer(nn.Module):
    """One layer, in the form that `nn.scan` takes."""

    activation: str
    residual: bool
    batch_norm: Running | None

    @nn.compact
    def __call__(
        self, h: Float[Array, "batch width"], training: Float[Array, " batch"] | None
    ) -> tuple[Float[Array, "batch width"], None]:
        z = BatchNorm(self.batch_norm)(h, training) if self.batch_norm else h
        f = dense(ACTIVATIONS[self.activation].function(z), h.shape[-1])
        return (h + f if self.residual else f), None

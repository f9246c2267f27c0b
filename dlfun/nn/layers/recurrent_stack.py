"""Recurrent layers on one another, one way or both."""

from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from dlfun.config import is_zero
from dlfun.nn.kernels.recurrent_cells import Vectors, find_cell
from dlfun.nn.layers.dropout import Dropout
from dlfun.nn.layers.recurrent import Recurrent


class RecurrentStack(nn.Module):
    """Recurrent layers on one another, each of which may read both ways (Schuster, Paliwal, 1997).

    Attributes:
        layer: what each layer is.
        layers: number of layers.
        bidirectional: beside each layer one that reads backwards; the outputs of both lie side by
            side, and go into both layers above.
        dropout: rate at which outputs of a layer are dropped before the next layer.
    """

    layer: Recurrent
    layers: int = 1
    bidirectional: bool = False
    dropout: float | Array = 0.0

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "batch time inputs"],
        states: Sequence[Vectors] | None = None,
        lengths: Int[Array, " batch"] | None = None,
        training: Float[Array, " batch"] | None = None,
    ) -> tuple[Float[Array, "batch time features"], tuple[Vectors, ...]]:
        """Outputs of the last layer, and each layer's last state, (h, c) or (h,).

        Where layers are bidirectional, a state holds that of the layer that reads forwards, then
        that of the other. Arguments are those of `Recurrent`, with a state for each layer.
        """
        last = []
        ways = ("forward", "backward") if self.bidirectional else ("forward",)
        for number in range(self.layers):
            if number and not is_zero(self.dropout):
                x = Dropout(self.dropout)(x, training)
            outputs: list[Array] = []
            ends: list[Array] = []
            size = find_cell(self.layer.cell).states
            for k, way in enumerate(ways):
                state = None if states is None else states[number][k * size : (k + 1) * size]
                layer = self.layer.clone(
                    reverse=way == "backward", name=f"{way}_{number}", parent=self
                )
                output, end = layer(x, state, lengths, training)
                outputs.append(output)
                ends.extend(end)
            x = jnp.concatenate(outputs, -1)
            last.append(tuple(ends))
        return x, tuple(last)

"""Recurrent layers (RNN, LSTM, GRU), one way or both, for sequences of equal or unequal length."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.linen.dtypes import promote_dtype
from jax import Array
from jaxtyping import Float, Int, Integer

from dlfun.config import is_zero
from dlfun.nn.initializers import SCHEMES, uniform
from dlfun.nn.kernels.recurrence import Direction, Weights, recurrence, run
from dlfun.nn.kernels.recurrent_cells import Vectors, find_cell
from dlfun.nn.kernels.time_loops import block_size
from dlfun.nn.layers.dropout import Dropout


class Recurrent(nn.Module):
    """Recurrent layer, equal to PyTorch's nn.RNN, nn.LSTM or nn.GRU with the same weights.

    Parameters: `input_kernel` W [inputs, width], `recurrent_kernel` U [features, width], `bias`
    b [width], where the width is `features` times the cell's number of gates, and for the GRU
    `recurrent_bias` [features]. PyTorch's W and U are the transposes of these, and the sum of
    its two biases is b. All start from U(±1/√features), as PyTorch's do.

    Attributes:
        features: size of the hidden state.
        cell: "rnn" (tanh), "lstm", "gru", or "gru_reset_before".
        reverse: from the last step of each sequence to its first.
        forget_bias: where the bias of the gate that keeps the state starts, in place of
            U(±1/√features): the LSTM's forget gate, the GRU's update gate. 1 lets the cell remember
            from the beginning (Jozefowicz et al., 2015), log T over some T steps (Tallec, Ollivier,
            2018). An RNN has no such gate.
        scheme: initializer of U's square matrices, a name of `SCHEMES`, such as "orthogonal".
        dropout: rate at which units of h_{t-1} are dropped before the product with U, the same
            ones in all steps of a sequence (Gal, Ghahramani, 2016).
        normalize: layer normalization of the products x_t W and h_{t-1} U over their width
            (Ba et al., 2016, eq. 20 without that of c). The gradient is autodiff's.
        unroll: steps in one iteration of the compiled loop, where no lengths are given.
    """

    features: int
    cell: str = "rnn"
    reverse: bool = False
    forget_bias: float | Array | None = None
    scheme: str | None = None
    dropout: float | Array = 0.0
    normalize: bool = False
    unroll: int = 1

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "batch time inputs"],
        state: Vectors | None = None,
        lengths: Integer[Array, " batch"] | None = None,
        training: Float[Array, " batch"] | None = None,
    ) -> tuple[Float[Array, "batch time features"], Vectors]:
        """Hidden state after each step, and the state after the last.

        Args:
            x: sequences, from time 0 on.
            state: initial state, as an earlier call returned it: (h,), for the LSTM (h, c), each
                [batch, features]. Zeros by default.
            lengths: number of steps of each sequence, no more than x has. Outputs at later steps
                are 0, and the last state is that of the sequence's own end (in reverse, of its
                beginning). What x holds there changes nothing.
            training: the weight of each example while training, for dropout.

        Raises:
            ValueError: for an unknown cell, or one that has no normalized form; lengths that are no
                integers, or of another number than the sequences.
        """
        cell = find_cell(self.cell)
        if self.normalize and cell.resets_before:
            raise ValueError(f"{self.cell} has no normalized form: use gru")
        time, inputs = x.shape[1:]
        size, width = self.features, self.features * cell.gates
        first = uniform(size**-0.5)

        def bias_init(key: Array, shape: tuple[int, ...]) -> Array:
            b = first(key, shape)
            gated = cell.gates > 1 and self.forget_bias is not None
            return b.at[size : 2 * size].set(self.forget_bias) if gated else b  # Always the second.

        def square(key: Array, shape: tuple[int, ...]) -> Array:
            if self.scheme is None:
                return first(key, shape)
            keys, init = jax.random.split(key, cell.gates), SCHEMES[self.scheme]
            return jnp.concatenate([init(k, (size, size), jnp.float32) for k in keys], axis=1)

        input_kernel = self.param("input_kernel", first, (inputs, width))
        kernel = self.param("recurrent_kernel", square, (size, width))
        bias = self.param("bias", bias_init, (width,))
        last_bias = self.param("recurrent_bias", first, (size,)) if cell.recurrent_bias else None
        x, input_kernel, kernel, bias, last_bias = promote_dtype(
            x, input_kernel, kernel, bias, last_bias
        )
        weights = Weights(input_kernel, kernel, bias, last_bias)
        if lengths is not None:
            lengths = _checked(lengths, len(x), time)
            padded = max(1, time)
            x = jnp.pad(x, ((0, 0), (0, padded - time + -padded % block_size(padded)), (0, 0)))
        if state is None:
            state = (jnp.zeros_like(x, shape=(len(x), size)),) * cell.states
        keep = None
        if training is not None and not is_zero(self.dropout):
            keep = Dropout(self.dropout)(jnp.ones_like(state[0]), training)
        direction, scales = Direction(self.reverse, self.unroll), None
        if self.normalize:
            ones = nn.initializers.ones
            scales = (
                self.param("input_scale", ones, (width,)),
                self.param("recurrent_scale", ones, (width,)),
            )
        if self.normalize or cell.backward is None:  # The written gradient does not cover these.
            if lengths is not None:  # NaN after a sequence's end would reach autodiff's gradient.
                x = jnp.where((jnp.arange(x.shape[1]) < lengths[:, None])[..., None], x, 0)
            outputs, state = run(
                cell, direction, weights, state, x, lengths, keep, steps=None, scales=scales
            )
        else:
            outputs, state = recurrence(cell, direction, weights, state, x, lengths, keep)
        outputs = outputs[:, :time]
        if lengths is not None:
            live = jnp.arange(time) < lengths[:, None]
            outputs = jnp.where(live[..., None], outputs, 0)
        return outputs, state


def _checked(lengths: Any, batch: int, time: int) -> Int[Array, " batch"]:
    """Lengths as int32, cut at the number of steps: under jit they cannot be refused."""
    lengths = jnp.asarray(lengths)
    if not jnp.issubdtype(lengths.dtype, jnp.integer) or lengths.shape != (batch,):
        kind = f"{lengths.dtype}[{','.join(map(str, lengths.shape))}]"
        raise ValueError(f"lengths of {batch} sequences are {kind}: expected integers [{batch}]")
    return jnp.minimum(lengths.astype(jnp.int32), time)

"""Recurrent layers (RNN, LSTM, GRU), with backpropagation through time written out.

Read `recurrence`, then `_forward` and `_backward` below it, to see what BPTT does. A test compares
the result with autodiff of the same loop. The backward pass is written by hand because it is the
subject here, and because it saves a product in each step.
"""

from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.linen.dtypes import promote_dtype
from jax import Array
from jaxtyping import Float

from dlfun.nn.layers.recurrent_cells import Cell, Vectors, find_cell


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def recurrence(
    cell: Cell,
    kernel: Float[Array, "hidden width"],
    bias: Float[Array, " hidden"] | None,
    state: Vectors,
    gates: Float[Array, "time batch width"],
) -> tuple[Float[Array, "time batch hidden"], Vectors]:
    """Run `cell` over time; differentiable in all arguments but `cell`.

    Forward, where the rows of h_t are the examples of the batch:

        z_t = h_{t-1} U,    state_t = cell(state_{t-1}, a_t, z_t)

    Backward, from the last step to the first (BPTT: Werbos, 1990). The loss depends on h_t
    directly, through output t, and through all later steps, by z_{t+1} and, for some cells, by a
    pointwise path such as the LSTM's f c:

        dh_t = doutput_t + dz_{t+1} U^T + pointwise path,    dz_t = dh_t * slopes_t

    (the LSTM has dc_t, too). U is the same in all steps, so its gradient is a sum over them:

        dU = sum_t h_{t-1}^T dz_t

    The loop only stacks dz_t, and the sum is one product of [hidden, time x batch] with
    [time x batch, width], where autodiff of the loop would sum `time` small products.

    Args:
        cell: one of `CELLS`.
        kernel: U. Its width is `cell.gates` times the hidden size; so is that of `gates`.
        bias: added to the last gate of z_t; None where `cell.recurrent_bias` is false.
        state: the state before the first step, `cell.states` arrays.
        gates: a_t for all steps.

    Returns:
        h after each step, and the state after the last.
    """
    return _forward(cell, kernel, bias, state, gates)[0]


def _forward(cell: Cell, kernel: Array, bias: Array | None, state: Vectors, gates: Array) -> Any:
    def step(state: Vectors, a: Array) -> Any:
        z = _split(state[0] @ kernel, cell.gates)
        if bias is not None:
            z = (*z[:-1], z[-1] + bias)
        state, slopes = cell.forward(state, _split(a, cell.gates), z)
        return state, (state[0], slopes)

    last, (h, slopes) = jax.lax.scan(step, state, gates)
    return (h, last), (kernel, state[0], h, slopes, gates)


def _backward(cell: Cell, residuals: Any, cotangents: Any) -> Any:
    kernel, h0, h, slopes, gates = residuals
    doutputs, dlast = cotangents
    steps, _, size = h.shape
    transposed = [u.T for u in _split(kernel, cell.gates)]

    def step(carry: Any, inputs: Any) -> Any:
        dstate, dz_all = carry
        t, doutput, slopes = inputs
        dstate = (dstate[0] + doutput, *dstate[1:])
        dstate, da, dz = cell.backward(dstate, slopes)
        dh = dstate[0] + sum(d @ u for d, u in zip(dz, transposed, strict=True))
        # Gate by gate: XLA does not vectorize their concatenation on a CPU.
        for k, d in enumerate(dz):
            dz_all = jax.lax.dynamic_update_slice(dz_all, d[None], (t, 0, k * size))
        return ((dh, *dstate[1:]), dz_all), da[-1] if cell.recurrent_bias else None

    # dz_t overwrites a_t, which is not used any more: cheaper than a new array of zeros.
    (dstate, dz), da_last = jax.lax.scan(
        step, (dlast, gates), (jnp.arange(steps), doutputs, slopes), reverse=True
    )
    h_previous = jnp.concatenate([h0[None], h[:-1]])
    dkernel = h_previous.reshape(-1, size).T @ dz.reshape(-1, cell.gates * size)
    if not cell.recurrent_bias:
        return dkernel, None, dstate, dz
    dbias = dz[..., -size:].sum((0, 1))
    return dkernel, dbias, dstate, jnp.concatenate([dz[..., :-size], da_last], -1)


recurrence.defvjp(_forward, _backward)


def _split(a: Array, gates: int) -> Vectors:
    size = a.shape[-1] // gates
    return tuple(a[..., k * size : (k + 1) * size] for k in range(gates))


class Recurrent(nn.Module):
    """Recurrent layer, equal to PyTorch's nn.RNN, nn.LSTM or nn.GRU with the same weights.

    Parameters: `input_kernel` W [inputs, width], `recurrent_kernel` U [features, width], `bias`
    b [width], where the width is `features` times the cell's number of gates, and for the GRU
    `recurrent_bias` [features]. PyTorch's W and U are the transposes of these, and the sum of
    its two biases is b. All start from U(±1/√features), as PyTorch's do.

    Attributes:
        features: size of the hidden state.
        cell: "rnn" (tanh), "lstm" or "gru".
    """

    features: int
    cell: str = "rnn"

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch time inputs"], state: Vectors | None = None
    ) -> tuple[Float[Array, "batch time features"], Vectors]:
        """Hidden state after each step, and the state after the last.

        Args:
            x: sequences, from time 0 on.
            state: initial state, as an earlier call returned it: (h,), for the LSTM (h, c), each
                [batch, features]. Zeros by default.

        Raises:
            ValueError: for an unknown cell.
        """
        cell = find_cell(self.cell)
        batch, steps, inputs = x.shape
        size, width = self.features, self.features * cell.gates

        def uniform(key: Array, shape: tuple[int, ...]) -> Array:
            bound = size**-0.5
            return jax.random.uniform(key, shape, jnp.float32, -bound, bound)

        input_kernel = self.param("input_kernel", uniform, (inputs, width))
        kernel = self.param("recurrent_kernel", uniform, (size, width))
        bias = self.param("bias", uniform, (width,))
        last_bias = self.param("recurrent_bias", uniform, (size,)) if cell.recurrent_bias else None
        x, input_kernel, kernel, bias, last_bias = promote_dtype(
            x, input_kernel, kernel, bias, last_bias
        )
        # The inputs of all steps are known: one large product, outside the loop.
        gates = x.swapaxes(0, 1).reshape(-1, inputs) @ input_kernel + bias
        gates = gates.reshape(steps, batch, width)
        if state is None:
            state = (jnp.zeros_like(gates[0, :, :size]),) * cell.states
        outputs, state = recurrence(cell, kernel, last_bias, state, gates)
        return outputs.swapaxes(0, 1), state

"""Recurrent layers (RNN, LSTM, GRU), with backpropagation through time written out.

Read `recurrence`, then `_forward` and `_backward` below it, to see what BPTT does. Autodiff of
the same loop gives the same numbers, and a test says so: the backward pass is by hand because
it is what there is to learn here, and because a product saved in every step makes it faster.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.linen.dtypes import promote_dtype
from jax import Array
from jax.nn import sigmoid
from jaxtyping import Float

from dlfun.errors import nearest

Vectors = tuple[Float[Array, "batch hidden"], ...]


class Cell(NamedTuple):
    """What tells one recurrent network from another: the pointwise part of a step.

    Two products enter a step t: a_t = x_t W + b, and z_t = h_{t-1} U of the recurrent kernel U.
    `forward` makes the new state of them. It also returns the slopes (local derivatives) that
    make `backward` a few multiplications. Here d- is the derivative of the loss.

    Attributes:
        gates: how many vectors of the hidden size a_t has, and z_t.
        states: how many the state has. The first is the hidden state h.
        recurrent_bias: whether the last gate of z_t needs a bias of its own: in the others
            it would only add to b.
        forward: (state_{t-1}, a_t, z_t) -> (state_t, slopes).
        backward: (dstate_t, slopes) -> (dstate_{t-1}, da_t, dz_t), where dstate_{t-1} leaves
            out the way through z_t, which is the same for every cell.
    """

    gates: int
    states: int
    recurrent_bias: bool
    forward: Callable[[Vectors, Vectors, Vectors], tuple[Vectors, Vectors]]
    backward: Callable[[Vectors, Vectors], tuple[Vectors, Vectors, Vectors]]


def _rnn_forward(state: Vectors, a: Vectors, z: Vectors) -> tuple[Vectors, Vectors]:
    """H' = tanh(a + z) (Elman, 1990)."""
    h = jnp.tanh(a[0] + z[0])
    return (h,), (1 - h * h,)


def _rnn_backward(dstate: Vectors, slopes: Vectors) -> tuple[Vectors, Vectors, Vectors]:
    (dh,) = dstate
    dz = (dh * slopes[0],)
    return (jnp.zeros_like(dh),), dz, dz


def _lstm_forward(state: Vectors, a: Vectors, z: Vectors) -> tuple[Vectors, Vectors]:
    """C' = f c + i g, h' = o tanh c' (Hochreiter & Schmidhuber, 1997; f: Gers et al., 2000).

    The gates are in PyTorch's order: input i, forget f, candidate g, output o.
    """
    _, c = state
    i, f, g, o = (x + y for x, y in zip(a, z, strict=True))
    i, f, g, o = sigmoid(i), sigmoid(f), jnp.tanh(g), sigmoid(o)
    to_input, to_forget, to_candidate = g * i * (1 - i), c * f * (1 - f), i * (1 - g * g)
    c = f * c + i * g
    tanh = jnp.tanh(c)
    to_output, to_c = tanh * o * (1 - o), o * (1 - tanh * tanh)
    return (o * tanh, c), (to_input, to_forget, to_candidate, to_output, to_c, f)


def _lstm_backward(dstate: Vectors, slopes: Vectors) -> tuple[Vectors, Vectors, Vectors]:
    dh, dc = dstate
    to_input, to_forget, to_candidate, to_output, to_c, f = slopes
    dc = dc + dh * to_c
    dz = (dc * to_input, dc * to_forget, dc * to_candidate, dh * to_output)
    return (jnp.zeros_like(dh), dc * f), dz, dz


def _gru_forward(state: Vectors, a: Vectors, z: Vectors) -> tuple[Vectors, Vectors]:
    """H' = (1 - u) n + u h with n = tanh(a_n + r z_n) (Cho et al., 2014).

    Reset r multiplies after the product, as in cuDNN and PyTorch: the paper has (r h) U. The
    gates are in PyTorch's order: reset r, update u (PyTorch's z), candidate n.
    """
    (h,) = state
    r, u = sigmoid(a[0] + z[0]), sigmoid(a[1] + z[1])
    n = jnp.tanh(a[2] + r * z[2])
    to_candidate = (1 - u) * (1 - n * n)
    to_reset, to_update = to_candidate * z[2] * r * (1 - r), (h - n) * u * (1 - u)
    return (n + u * (h - n),), (to_reset, to_update, to_candidate, to_candidate * r, u)


def _gru_backward(dstate: Vectors, slopes: Vectors) -> tuple[Vectors, Vectors, Vectors]:
    (dh,) = dstate
    to_reset, to_update, to_candidate, to_z_n, u = slopes
    dr, du = dh * to_reset, dh * to_update
    return (dh * u,), (dr, du, dh * to_candidate), (dr, du, dh * to_z_n)


CELLS = {
    "rnn": Cell(1, 1, False, _rnn_forward, _rnn_backward),
    "lstm": Cell(4, 2, False, _lstm_forward, _lstm_backward),
    "gru": Cell(3, 1, True, _gru_forward, _gru_backward),
}


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def recurrence(
    cell: Cell,
    kernel: Float[Array, "hidden width"],
    bias: Float[Array, " hidden"] | None,
    state: Vectors,
    gates: Float[Array, "time batch width"],
) -> tuple[Float[Array, "time batch hidden"], Vectors]:
    """Run `cell` over time, differentiable in everything but `cell`.

    Forward, with the rows of h_t the examples of the batch:

        z_t = h_{t-1} U,    state_t = cell(state_{t-1}, a_t, z_t)

    Backward, from the last step to the first (BPTT: Werbos, 1990). The loss depends on h_t
    directly, through output t, and through every later step, all of which is in z_{t+1}
    and, for some cells, in a pointwise path such as the LSTM's f c:

        dh_t = doutput_t + dz_{t+1} U^T + pointwise path,    dz_t = dh_t * slopes_t

    (the LSTM has dc_t, too). U is the same in every step, so its gradient is a sum over them:

        dU = sum_t h_{t-1}^T dz_t

    The loop only stacks dz_t, and the sum is then one product of [hidden, time x batch] with
    [time x batch, width], where autodiff of the loop would add up `time` small ones.

    Args:
        cell: one of `CELLS`.
        kernel: U. Its width is `cell.gates` times the hidden size, as is that of `gates`.
        bias: added to the last gate of z_t; None where `cell.recurrent_bias` is false.
        state: before the first step, `cell.states` arrays.
        gates: a_t for every step.

    Returns:
        h after every step, and the state after the last.
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
        # Gate by gate: joining them first is slower, as XLA does not vectorize it on a CPU.
        for k, d in enumerate(dz):
            dz_all = jax.lax.dynamic_update_slice(dz_all, d[None], (t, 0, k * size))
        return ((dh, *dstate[1:]), dz_all), da[-1] if cell.recurrent_bias else None

    # dz_t overwrites a_t, which nobody needs any more: cheaper than a new array of zeros.
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


def find_cell(name: str) -> Cell:
    """The cell called `name`. Raises ValueError for any that `CELLS` has not."""
    if name not in CELLS:
        raise ValueError(f"unknown cell {name!r}: use {', '.join(CELLS)}{nearest(name, CELLS)}")
    return CELLS[name]


class Recurrent(nn.Module):
    """A recurrent layer, equal to PyTorch's nn.RNN, nn.LSTM, nn.GRU with the same weights.

    Parameters: `input_kernel` W [inputs, width], `recurrent_kernel` U [features, width], `bias`
    b [width], where the width is `features` times the cell's number of gates, and for the GRU
    `recurrent_bias` [features]. PyTorch's W and U are these transposed, its two biases add up
    to ours. All start uniform within 1/sqrt(features) of zero, as PyTorch's do.

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
        """The hidden state after every step, and the state after the last.

        Args:
            x: sequences, read from `time` 0 on.
            state: to start from, as an earlier call returned it: (h,), for the LSTM (h, c), each
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

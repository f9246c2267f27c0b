"""Recurrent layers (RNN, LSTM, GRU) and backpropagation through time, written out.

Read `recurrence` and its two halves, `_forward` and `_backward`, to see what BPTT does.
Autodiff of the same loop gives the same numbers (a test says so): the backward pass is
written out because it is the subject, and because it then runs faster.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.nn import sigmoid
from jaxtyping import Array, Float

from dlfun.errors import nearest

State = tuple[Float[Array, "batch hidden"], ...]
Gates = tuple[Float[Array, "batch hidden"], ...]


class Cell(NamedTuple):
    """What tells one recurrent network from another: one step's pointwise part and its gradient.

    A step adds two products: a = x_t W, known for all steps beforehand, and z = h_{t-1} U.

    Attributes:
        gates: how many vectors of the hidden size a and z each hold.
        states: how many the state holds; the first is the hidden state h.
        bias: whether z has a bias of its own in its last gate. Elsewhere it would only be
            added to the bias of a.
        forward: (state_{t-1}, a, z) -> (state_t, whatever `backward` needs).
        backward: (dstate_t, h_t, h_{t-1}, what forward kept) -> (dstate_{t-1}, da, dz), where d
            is the derivative of the loss. It leaves out the path to h_{t-1} through z, which
            is dz U^T for every cell.
    """

    gates: int
    states: int
    bias: bool
    forward: Callable[[State, Gates, Gates], tuple[State, Any]]
    backward: Callable[[State, Array, Array, Any], tuple[State, Gates, Gates]]


def _rnn_forward(state: State, a: Gates, z: Gates) -> tuple[State, Any]:
    return (jnp.tanh(a[0] + z[0]),), ()


def _rnn_backward(
    dstate: State, h: Array, h_previous: Array, kept: Any
) -> tuple[State, Gates, Gates]:
    (dh,) = dstate
    dz = dh * (1 - h * h)
    return (jnp.zeros_like(dh),), (dz,), (dz,)


def _lstm_forward(state: State, a: Gates, z: Gates) -> tuple[State, Any]:
    _, c_previous = state
    i, f, g, o = (x + y for x, y in zip(a, z, strict=True))
    i, f, g, o = sigmoid(i), sigmoid(f), jnp.tanh(g), sigmoid(o)
    c = f * c_previous + i * g
    return (o * jnp.tanh(c), c), (i, f, g, o, c_previous)


def _lstm_backward(
    dstate: State, h: Array, h_previous: Array, kept: Any
) -> tuple[State, Gates, Gates]:
    dh, dc = dstate
    i, f, g, o, c_previous = kept
    tanh_c = jnp.tanh(f * c_previous + i * g)  # cheaper to compute again than to keep
    dc = dc + dh * o * (1 - tanh_c * tanh_c)
    dz = (
        dc * g * i * (1 - i),
        dc * c_previous * f * (1 - f),
        dc * i * (1 - g * g),
        dh * tanh_c * o * (1 - o),
    )
    return (jnp.zeros_like(dh), dc * f), dz, dz


def _gru_forward(state: State, a: Gates, z: Gates) -> tuple[State, Any]:
    (h,) = state
    r = sigmoid(a[0] + z[0])
    u = sigmoid(a[1] + z[1])
    n = jnp.tanh(a[2] + r * z[2])
    return (n + u * (h - n),), (r, u, n, z[2])


def _gru_backward(
    dstate: State, h: Array, h_previous: Array, kept: Any
) -> tuple[State, Gates, Gates]:
    (dh,) = dstate
    r, u, n, z_n = kept
    dn = dh * (1 - u) * (1 - n * n)
    dr = dn * z_n * r * (1 - r)
    du = dh * (h_previous - n) * u * (1 - u)
    return (dh * u,), (dr, du, dn), (dr, du, dn * r)


CELLS = {
    "rnn": Cell(1, 1, False, _rnn_forward, _rnn_backward),
    "lstm": Cell(4, 2, False, _lstm_forward, _lstm_backward),
    "gru": Cell(3, 1, True, _gru_forward, _gru_backward),
}


def _split(a: Array, gates: int) -> Gates:
    size = a.shape[-1] // gates
    return tuple(a[..., k * size : (k + 1) * size] for k in range(gates))


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def recurrence(
    cell: Cell,
    kernel: Float[Array, "hidden gates*hidden"],
    bias: Float[Array, " hidden"] | None,
    state: State,
    gates: Float[Array, "time batch gates*hidden"],
) -> tuple[Float[Array, "time batch hidden"], State]:
    """Run `cell` over time. Returns the hidden state after each step, and the last state."""
    return _forward(cell, kernel, bias, state, gates)[0]


def _forward(cell: Cell, kernel: Array, bias: Array | None, state: State, gates: Array) -> Any:
    def step(state: State, a: Array) -> Any:
        z = _split(state[0] @ kernel, cell.gates)
        if bias is not None:
            z = (*z[:-1], z[-1] + bias)
        state, kept = cell.forward(state, _split(a, cell.gates), z)
        return state, (state[0], kept)

    last, (h, kept) = jax.lax.scan(step, state, gates)
    return (h, last), (kernel, bias, state[0], h, kept)


def _backward(cell: Cell, residuals: Any, cotangents: Any) -> Any:
    kernel, bias, h0, h, kept = residuals
    dh, dlast = cotangents
    steps, batch, size = h.shape
    h_previous = jnp.concatenate([h0[None], h[:-1]])
    transposed = [k.T for k in _split(kernel, cell.gates)]

    def step(carry: Any, x: Any) -> Any:
        dstate, dz_all = carry
        t, dh, h, h_previous, kept = x
        dstate = (dstate[0] + dh, *dstate[1:])
        dstate, da, dz = cell.backward(dstate, h, h_previous, kept)
        for k, d in enumerate(dz):
            dz_all = jax.lax.dynamic_update_slice(dz_all, d[None], (t, 0, k * size))
        dh = dstate[0] + sum(d @ u for d, u in zip(dz, transposed, strict=True))
        return ((dh, *dstate[1:]), dz_all), da[-1] if cell.bias else None

    zeros = jnp.zeros((steps, batch, cell.gates * size), h.dtype)
    (dstate, dz), da_last = jax.lax.scan(
        step, (dlast, zeros), (jnp.arange(steps), dh, h, h_previous, kept), reverse=True
    )
    dkernel = h_previous.reshape(-1, size).T @ dz.reshape(-1, cell.gates * size)
    if bias is None:
        return dkernel, None, dstate, dz
    dbias = dz[..., -size:].sum((0, 1))
    return dkernel, dbias, dstate, jnp.concatenate([dz[..., :-size], da_last], -1)


recurrence.defvjp(_forward, _backward)


def find_cell(name: str) -> Cell:
    """The cell called `name`. Raises ValueError, naming the valid ones, for any other name."""
    if name not in CELLS:
        raise ValueError(f"unknown cell {name!r}: use {', '.join(CELLS)}{nearest(name, CELLS)}")
    return CELLS[name]


class Recurrent(nn.Module):
    """A recurrent layer."""

    features: int
    cell: str = "rnn"

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch time features"], state: State | None = None
    ) -> tuple[Float[Array, "batch time hidden"], State]:
        """Return the hidden state after each step, and the last state."""
        cell = find_cell(self.cell)
        batch, steps, inputs = x.shape
        width = cell.gates * self.features
        bound = self.features**-0.5

        def param(name: str, *shape: int) -> Array:
            def init(key: Array) -> Array:
                return jax.random.uniform(key, shape, minval=-bound, maxval=bound)

            return jnp.asarray(self.param(name, init), x.dtype)

        input_kernel = param("input_kernel", inputs, width)
        kernel = param("recurrent_kernel", self.features, width)
        bias = param("bias", width)
        recurrent_bias = param("recurrent_bias", self.features) if cell.bias else None
        if state is None:
            state = (jnp.zeros((batch, self.features), x.dtype),) * cell.states
        gates = x.swapaxes(0, 1).reshape(-1, inputs) @ input_kernel + bias
        outputs, state = recurrence(
            cell, kernel, recurrent_bias, state, gates.reshape(steps, batch, width)
        )
        return outputs.swapaxes(0, 1), state

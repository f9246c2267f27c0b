"""Recurrent cells: the pointwise part of a step of the RNN, the LSTM and the GRU."""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jax.nn import sigmoid
from jaxtyping import Array, Float

from dlfun.errors import nearest

Vectors = tuple[Float[Array, "batch hidden"], ...]


class Cell(NamedTuple):
    """The pointwise part of a step, in which recurrent networks differ.

    Two products enter step t: a_t = x_t W + b, and z_t = h_{t-1} U with the recurrent kernel U.
    `forward` computes the new state from them. It also returns the slopes (local derivatives), with
    which `backward` takes a few multiplications. A prefix d- means the derivative of the loss.

    Attributes:
        gates: number of vectors of the hidden size in a_t, and in z_t.
        states: number of such vectors in the state. The first is the hidden state h.
        recurrent_bias: True if the last gate of z_t has a bias; for the other gates it would only
            add to b.
        forward: (state_{t-1}, a_t, z_t) -> (state_t, slopes).
        backward: (dstate_t, slopes) -> (dstate_{t-1}, da_t, dz_t), where dstate_{t-1} leaves
            out the path through z_t, which is the same for all cells. None where the step is no
            such function of z_t.
        resets_before: True if the last gate of z_t is (r h_{t-1}) U with the first gate r.
    """

    gates: int
    states: int
    recurrent_bias: bool
    forward: Callable[[Vectors, Vectors, Vectors], tuple[Vectors, Vectors]]
    backward: Callable[[Vectors, Vectors], tuple[Vectors, Vectors, Vectors]] | None
    resets_before: bool = False


def _rnn_forward(state: Vectors, a: Vectors, z: Vectors) -> tuple[Vectors, Vectors]:
    """h' = tanh(a + z) (Elman, 1990)."""
    h = jnp.tanh(a[0] + z[0])
    return (h,), (1 - h * h,)


def _rnn_backward(dstate: Vectors, slopes: Vectors) -> tuple[Vectors, Vectors, Vectors]:
    (dh,) = dstate
    dz = (dh * slopes[0],)
    return (jnp.zeros_like(dh),), dz, dz


def _lstm_forward(state: Vectors, a: Vectors, z: Vectors) -> tuple[Vectors, Vectors]:
    """c' = f c + i g, h' = o tanh c' (Hochreiter & Schmidhuber, 1997; f: Gers et al., 2000).

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
    """h' = (1 - u) n + u h with n = tanh(a_n + r z_n) (Cho et al., 2014).

    The reset gate r multiplies after the product, as in cuDNN and PyTorch; the paper and [T4] have
    (r h) U, which is `gru_reset_before`.
    The gates are in PyTorch's order: reset r, update u (PyTorch's z), candidate n.
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


def _gru_reset_before_forward(state: Vectors, a: Vectors, z: Vectors) -> tuple[Vectors, Vectors]:
    """h' = (1 - u) n + u h with n = tanh(a_n + z_n), where z_n = (r h) U (Cho et al., 2014; T4)."""
    (h,) = state
    u, n = sigmoid(a[1] + z[1]), jnp.tanh(a[2] + z[2])
    return (n + u * (h - n),), ()


CELLS = {
    "rnn": Cell(1, 1, False, _rnn_forward, _rnn_backward),
    "lstm": Cell(4, 2, False, _lstm_forward, _lstm_backward),
    "gru": Cell(3, 1, True, _gru_forward, _gru_backward),
    "gru_reset_before": Cell(3, 1, False, _gru_reset_before_forward, None, True),
}


def find_cell(name: str) -> Cell:
    """The cell `name`. Raises ValueError for a name that is not in `CELLS`."""
    if name not in CELLS:
        raise ValueError(f"unknown cell {name!r}: use {', '.join(CELLS)}{nearest(name, CELLS)}")
    return CELLS[name]

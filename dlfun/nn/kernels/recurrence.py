"""A recurrence over time, with backpropagation through time written out.

Read `recurrence`, then `_forward` and `_backward` below it, to see what BPTT does. A test compares
the result with autodiff of the same loop. The backward pass is written by hand because it is the
subject here, and because it saves a product in each step.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from dlfun.nn.kernels.recurrent_cells import Cell, Vectors
from dlfun.nn.kernels.time_loops import Steps, scan, scan_blocks


class Direction(NamedTuple):
    """Direction and unrolling of the loop over time."""

    reverse: bool = False
    """True to run from the last step to the first."""
    unroll: int = 1
    """Steps in one iteration of the compiled loop; 1 where sequences have lengths."""


class Weights(NamedTuple):
    """Parameters of a recurrent layer. The width is `cell.gates` times the hidden size."""

    inputs: Float[Array, "inputs width"]
    """W."""
    recurrent: Float[Array, "hidden width"]
    """U."""
    bias: Float[Array, " width"]
    """b, added in each step: cheaper than in a pass over all steps."""
    recurrent_bias: Float[Array, " hidden"] | None
    """Added to the last gate of z_t; None where `cell.recurrent_bias` is false."""


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def recurrence(
    cell: Cell,
    direction: Direction,
    weights: Weights,
    state: Vectors,
    x: Float[Array, "batch time inputs"],
    lengths: Int[Array, " batch"] | None = None,
    keep: Float[Array, "batch hidden"] | None = None,
) -> tuple[Float[Array, "batch time hidden"], Vectors]:
    """Run `cell` over time; differentiable in `weights`, `state` and `x`.

    Forward, where the rows of h_t are the examples of the batch:

        a_t = x_t W + b,    z_t = (h_{t-1} * keep) U,    state_t = cell(state_{t-1}, a_t, z_t)

    Backward, from the last step to the first (BPTT: Werbos, 1990). The loss depends on h_t
    directly, through output t, and through all later steps, by z_{t+1} and, for some cells, by a
    pointwise path such as the LSTM's f c:

        dh_t = doutput_t + (dz_{t+1} U^T) * keep + pointwise path,    dz_t = dh_t * slopes_t

    (the LSTM has dc_t, too). U is the same in all steps, so its gradient is a sum over them:

        dU = sum_t (h_{t-1} * keep)^T dz_t

    The loop only stacks dz_t, and the sum is one product of [hidden, time x batch] with
    [time x batch, width], where autodiff of the loop would sum `time` small products. So it is with
    W, whose da_t is dz_t, but for the last gate where that has a bias of its own. Where sequences
    have lengths, there is such a product for each block of steps.

    A step at or after a sequence's length leaves its state unchanged, in either direction: so the
    last state is that of the sequence's own end. The loop ends with the longest sequence.

    Args:
        cell: one of `CELLS` with slopes.
        direction: forward or reverse in time.
        weights: W, U and the biases.
        state: the state before the first step, `cell.states` arrays.
        x: the sequences. Where they have lengths, the time is a multiple of `block_size`.
        lengths: number of steps of each sequence; all of them by default.
        keep: factors of h_{t-1}, the same in all steps, such as a mask of dropout.

    Returns:
        h after each step, and the state after the last. Where the steps of the longest sequence
        have ended, h is 0.
    """
    return run(cell, direction, weights, state, x, lengths, keep, _longest(lengths))


def run(
    cell: Cell,
    direction: Direction,
    weights: Weights,
    state: Vectors,
    x: Array,
    lengths: Array | None,
    keep: Array | None,
    steps: Steps,
    scales: tuple[Array, Array] | None = None,
) -> Any:
    """`recurrence` over `steps`, of any cell; differentiated by JAX where these are None, for all.

    `scales` are the factors of x_t W and of (h_{t-1} * keep) U after layer normalization.
    """
    step = _step(cell, weights, keep, scales and scales[1])

    def body(state: Vectors, inputs: Any) -> Any:
        state, _ = step(state, inputs)
        return state, state[0]

    def block(state: Vectors, arrays: Any, count: Steps) -> Any:
        x, live = arrays
        products = _input_products(cell, weights, x)
        if scales is not None:
            products = _normalized(products, scales[0])
        return scan(body, state, (products, live), count, *direction)

    last, h = scan_blocks(block, state, (x, _live(x, lengths)), steps, direction.reverse)
    return h, last


def _input_products(cell: Cell, weights: Weights, x: Array) -> tuple[Array, ...]:
    """x_t W for the steps of a block: large products, outside the loop over them.

    Each gate has an array of its own, as XLA does not vectorize the reading of columns on a CPU.
    """
    return tuple(x @ w for w in split(weights.inputs, cell.gates))


def _normalized(parts: tuple[Array, ...], scale: Array) -> tuple[Array, ...]:
    """Layer normalization over the width, that is, of all gates together."""
    z = jnp.concatenate(parts, -1)
    centred = z - z.mean(-1, keepdims=True)
    z = centred * jax.lax.rsqrt(jnp.square(centred).mean(-1, keepdims=True) + 1e-6)
    return split(z * scale, len(parts))


def _step(cell: Cell, weights: Weights, keep: Array | None, scale: Array | None = None) -> Any:
    """The step (state, (x_t W, which sequences are live)) → (state, slopes)."""
    kernels, biases = split(weights.recurrent, cell.gates), split(weights.bias, cell.gates)

    def step(state: Vectors, inputs: Any) -> tuple[Vectors, Vectors]:
        products, live = inputs
        a = tuple(x + b for x, b in zip(products, biases, strict=True))
        h = _kept(state[0], keep)
        z = tuple(h @ u for u in kernels)
        if scale is not None:
            z = _normalized(z, scale)
        if cell.resets_before:
            z = (*z[:-1], (jax.nn.sigmoid(a[0] + z[0]) * h) @ kernels[-1])
        if weights.recurrent_bias is not None:
            z = (*z[:-1], z[-1] + weights.recurrent_bias)
        new, slopes = cell.forward(state, a, z)
        return _where_live(live, new, state), slopes

    return step


def _forward(
    cell: Cell,
    direction: Direction,
    weights: Weights,
    state: Vectors,
    x: Array,
    lengths: Array | None,
    keep: Array | None,
) -> Any:
    step, live = _step(cell, weights, keep), _live(x, lengths)

    def body(state: Vectors, inputs: Any) -> Any:
        state, slopes = step(state, inputs)
        return state, (state[0], slopes)

    def block(state: Vectors, arrays: Any, count: Steps) -> Any:
        x, live = arrays
        inputs = (_input_products(cell, weights, x), live)
        last, (h, slopes) = scan(body, state, inputs, count, *direction)
        return last, (h, state[0][None], slopes)

    last, (h, first, slopes) = scan_blocks(
        block, state, (x, live), _longest(lengths), direction.reverse
    )
    return (h, last), (weights, x, live, h, first, slopes, lengths, keep)


def _backward(cell: Cell, direction: Direction, residuals: Any, cotangents: Any) -> Any:
    assert cell.backward is not None
    backward = cell.backward  # For mypy, which forgets the line above within `step`.
    weights, x, live, h, first, slopes, lengths, keep = residuals
    doutputs, dlast = cotangents
    kernels = [w.T for w in split(weights.inputs, cell.gates)]
    recurrent_kernels = [u.T for u in split(weights.recurrent, cell.gates)]

    def step(dstate: Vectors, inputs: Any) -> Any:
        live, doutput, slopes = inputs
        dstate = (dstate[0] + doutput, *dstate[1:])
        before, da, dz = backward(dstate, slopes)
        if live is not None:
            da, dz = (_where_live(live, d, jax.tree.map(jnp.zeros_like, d)) for d in (da, dz))
        dh = _kept(sum(d @ u for d, u in zip(dz, recurrent_kernels, strict=True)), keep)
        before = _where_live(live, (before[0] + dh, *before[1:]), dstate)
        return before, (dz, da[-1] if cell.recurrent_bias else None)

    def block(carry: Any, arrays: Any, count: Steps) -> Any:
        sums, dstate = carry
        x, live, h, first, slopes, doutputs = arrays
        dstate, (dz, da_last) = scan(
            step, dstate, (live, doutputs, slopes), count, not direction.reverse
        )
        da = (*dz[:-1], da_last) if cell.recurrent_bias else dz
        previous = _kept(_previous(first, h, live, direction.reverse), keep)
        x = x if live is None else jnp.where(live[..., None], x, 0)  # x may be NaN there.
        terms = Weights(
            jnp.concatenate([_sum_of_products(x, d) for d in da], -1),
            jnp.concatenate([_sum_of_products(previous, d) for d in dz], -1),
            jnp.concatenate([d.sum((0, 1)) for d in da]),
            dz[-1].sum((0, 1)) if cell.recurrent_bias else None,
        )
        dx = sum(d @ w for d, w in zip(da, kernels, strict=True))
        return (jax.tree.map(jnp.add, sums, terms), dstate), dx

    (dweights, dstate), dx = scan_blocks(
        block,
        (jax.tree.map(jnp.zeros_like, weights), dlast),
        (x, live, h, first, slopes, doutputs),
        _longest(lengths),
        not direction.reverse,
    )
    return dweights, dstate, dx, None, None


recurrence.defvjp(_forward, _backward)


def _longest(lengths: Array | None) -> Array | None:
    return None if lengths is None else lengths.max(initial=0)


def _kept(h: Any, keep: Array | None) -> Any:
    return h if keep is None else h * keep


def _live(x: Array, lengths: Array | None) -> Array | None:
    """True at each step of each sequence, False after its end, [batch, time]; None for no end."""
    return None if lengths is None else jnp.arange(x.shape[1]) < lengths[:, None]


def _where_live(live: Array | None, new: Vectors, old: Vectors) -> Vectors:
    """`new` for sequences that have the step, `old` for those that have ended."""
    if live is None:
        return new
    return tuple(jnp.where(live[:, None], a, b) for a, b in zip(new, old, strict=True))


def _previous(first: Array, h: Array, live: Array | None, reverse: bool) -> Array:
    """The hidden state before each step of a block, of which the first enters it."""
    if not reverse:
        return jnp.concatenate([first, h[:-1]])
    after = h[1:] if live is None else jnp.where(live[1:, :, None], h[1:], first)
    return jnp.concatenate([after, first])


def _sum_of_products(x: Array, d: Array) -> Array:
    """Σ_t x_tᵀ d_t: the gradient of a kernel that is the same in all steps."""
    return x.reshape(-1, x.shape[-1]).T @ d.reshape(-1, d.shape[-1])


def split(a: Array, gates: int) -> tuple[Array, ...]:
    """The parts of a row, one for each gate."""
    size = a.shape[-1] // gates
    return tuple(a[..., k * size : (k + 1) * size] for k in range(gates))

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
from dlfun.nn.kernels.time_loops import Steps, product, scan, sum_of_products


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
    x: Float[Array, "time batch inputs"],
    lengths: Int[Array, " batch"] | None = None,
    keep: Float[Array, "batch hidden"] | None = None,
) -> tuple[Float[Array, "time batch hidden"], Vectors]:
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
    W, whose da_t is dz_t, but for the last gate where that has a bias of its own.

    A step at or after a sequence's length leaves its state unchanged, in either direction: so the
    last state is that of the sequence's own end. The loop ends with the longest sequence.

    Args:
        cell: one of `CELLS` with slopes.
        direction: forward or reverse in time.
        weights: W, U and the biases.
        state: the state before the first step, `cell.states` arrays.
        x: the sequences. Where they have lengths, the time is a multiple of `time_loops.BLOCK`.
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
    times, products = _input_products(cell, weights, x, steps)
    if scales is not None:
        products = _normalized(products, scales[0])
    step = _step(cell, weights, lengths, keep, scales and scales[1])

    def body(state: Vectors, inputs: Any) -> Any:
        state, _ = step(state, inputs)
        return state, state[0]

    last, h = scan(body, state, (times, products), steps, *direction)
    return h, last


def _input_products(
    cell: Cell, weights: Weights, x: Array, steps: Steps
) -> tuple[Array, tuple[Array, ...]]:
    """t and x_t W for all steps: large products, outside the loop.

    Each gate has an array of its own, as XLA does not vectorize the reading of columns on a CPU.
    """
    products = (product(x, w, steps) for w in split(weights.inputs, cell.gates))
    return jnp.arange(len(x)), tuple(products)


def _normalized(parts: tuple[Array, ...], scale: Array) -> tuple[Array, ...]:
    """Layer normalization over the width, that is, of all gates together."""
    z = jnp.concatenate(parts, -1)
    centred = z - z.mean(-1, keepdims=True)
    z = centred * jax.lax.rsqrt(jnp.square(centred).mean(-1, keepdims=True) + 1e-6)
    return split(z * scale, len(parts))


def _step(
    cell: Cell,
    weights: Weights,
    lengths: Array | None,
    keep: Array | None,
    scale: Array | None = None,
) -> Any:
    """The step (state, (t, x_t W)) → (state, slopes)."""
    kernels, biases = split(weights.recurrent, cell.gates), split(weights.bias, cell.gates)

    def step(state: Vectors, inputs: Any) -> tuple[Vectors, Vectors]:
        t, products = inputs
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
        return _where_live(t, lengths, new, state), slopes

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
    step, steps = _step(cell, weights, lengths, keep), _longest(lengths)

    def body(state: Vectors, inputs: Any) -> Any:
        state, slopes = step(state, inputs)
        return state, (state[0], slopes)

    inputs = _input_products(cell, weights, x, steps)
    last, (h, slopes) = scan(body, state, inputs, steps, *direction)
    return (h, last), (weights, state[0], x, h, slopes, lengths, keep)


def _backward(cell: Cell, direction: Direction, residuals: Any, cotangents: Any) -> Any:
    assert cell.backward is not None
    backward = cell.backward  # For mypy, which forgets the line above within `step`.
    weights, h0, x, h, slopes, lengths, keep = residuals
    doutputs, dlast = cotangents
    size, steps = h.shape[-1], _longest(lengths)
    transposed = [u.T for u in split(weights.recurrent, cell.gates)]

    def step(carry: Any, inputs: Any) -> Any:
        dstate, dz_all = carry
        t, doutput, slopes = inputs
        dstate = (dstate[0] + doutput, *dstate[1:])
        before, da, dz = backward(dstate, slopes)
        if lengths is not None:
            da, dz = (_where_live(t, lengths, d, jax.tree.map(jnp.zeros_like, d)) for d in (da, dz))
        dh = _kept(sum(d @ u for d, u in zip(dz, transposed, strict=True)), keep)
        before = _where_live(t, lengths, (before[0] + dh, *before[1:]), dstate)
        # Gate by gate: XLA does not vectorize their concatenation on a CPU.
        for k, d in enumerate(dz):
            dz_all = jax.lax.dynamic_update_slice(dz_all, d[None], (t, 0, k * size))
        return (before, dz_all), da[-1] if cell.recurrent_bias else None

    zeros = jnp.zeros_like(h, shape=(*h.shape[:-1], cell.gates * size))
    (dstate, dz), da_last = scan(
        step,
        (dlast, zeros),
        (jnp.arange(len(h)), doutputs, slopes),
        steps,
        not direction.reverse,
    )
    previous = _kept(_previous(h0, h, direction.reverse, lengths), keep)
    da = jnp.concatenate([dz[..., :-size], da_last], -1) if cell.recurrent_bias else dz
    dweights = Weights(
        sum_of_products(x, da, steps),
        sum_of_products(previous, dz, steps),
        da.sum((0, 1)),
        dz[..., -size:].sum((0, 1)) if cell.recurrent_bias else None,
    )
    return dweights, dstate, product(da, weights.inputs.T, steps), None, None


recurrence.defvjp(_forward, _backward)


def _longest(lengths: Array | None) -> Array | None:
    return None if lengths is None else lengths.max()


def _kept(h: Any, keep: Array | None) -> Any:
    return h if keep is None else h * keep


def _previous(h0: Array, h: Array, reverse: bool, lengths: Array | None) -> Array:
    """The hidden state before each step."""
    if not reverse:
        return jnp.concatenate([h0[None], h[:-1]])
    after = jnp.concatenate([h[1:], h0[None]])
    if lengths is None:
        return after
    return jnp.where((jnp.arange(len(h))[:, None] + 1 < lengths)[..., None], after, h0)


def _where_live(t: Array, lengths: Array | None, new: Vectors, old: Vectors) -> Vectors:
    """`new` for sequences that have a step t, `old` for those that have ended."""
    if lengths is None:
        return new
    live = (t < lengths)[:, None]
    return tuple(jnp.where(live, a, b) for a, b in zip(new, old, strict=True))


def split(a: Array, gates: int) -> tuple[Array, ...]:
    """The parts of a row, one for each gate."""
    size = a.shape[-1] // gates
    return tuple(a[..., k * size : (k + 1) * size] for k in range(gates))

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
from dlfun.nn.kernels.time_loops import scan, sum_of_products, whole_blocks


class Direction(NamedTuple):
    """Direction and unrolling of the loop over time."""

    reverse: bool = False
    """True to run from the last step to the first."""
    unroll: int = 1
    """Steps in one iteration of the compiled loop; 1 where sequences have lengths."""


class Biases(NamedTuple):
    """Biases of a recurrent layer."""

    inputs: Float[Array, " width"]
    """Added to a_t in each step: cheaper than in a pass over all steps."""
    recurrent: Float[Array, " hidden"] | None
    """Added to the last gate of z_t; None where `cell.recurrent_bias` is false."""


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def recurrence(
    cell: Cell,
    direction: Direction,
    kernel: Float[Array, "hidden width"],
    biases: Biases,
    state: Vectors,
    gates: Float[Array, "time batch width"],
    lengths: Int[Array, " batch"] | None = None,
    keep: Float[Array, "batch hidden"] | None = None,
) -> tuple[Float[Array, "time batch hidden"], Vectors]:
    """Run `cell` over time; differentiable in `kernel`, `biases`, `state` and `gates`.

    Forward, where the rows of h_t are the examples of the batch:

        z_t = (h_{t-1} * keep) U,    state_t = cell(state_{t-1}, a_t + b, z_t)

    Backward, from the last step to the first (BPTT: Werbos, 1990). The loss depends on h_t
    directly, through output t, and through all later steps, by z_{t+1} and, for some cells, by a
    pointwise path such as the LSTM's f c:

        dh_t = doutput_t + (dz_{t+1} U^T) * keep + pointwise path,    dz_t = dh_t * slopes_t

    (the LSTM has dc_t, too). U is the same in all steps, so its gradient is a sum over them:

        dU = sum_t (h_{t-1} * keep)^T dz_t

    The loop only stacks dz_t, and the sum is one product of [hidden, time x batch] with
    [time x batch, width], where autodiff of the loop would sum `time` small products.

    A step at or after a sequence's length leaves its state unchanged, in either direction: so the
    last state is that of the sequence's own end. The loop ends with the longest sequence.

    Args:
        cell: one of `CELLS` with slopes.
        direction: forward or reverse in time.
        kernel: U. Its width is `cell.gates` times the hidden size; so is that of `gates`.
        biases: b, and that of z_t.
        state: the state before the first step, `cell.states` arrays.
        gates: a_t for all steps; where sequences have lengths, 0 at steps after the last block of
            `time_loops.BLOCK` steps that begins before the longest ends, as `product` gives it.
        lengths: number of steps of each sequence; all of them by default.
        keep: factors of h_{t-1}, the same in all steps, such as a mask of dropout.

    Returns:
        h after each step, and the state after the last. Where the steps of the longest sequence
        have ended, h is 0.
    """
    step = _step(cell, kernel, biases, lengths, keep)
    inputs = (_times(gates), gates)
    first = jax.tree.map(lambda x: x[0], inputs)
    # The loop carries the slopes, though nothing reads them: with the state alone, XLA computes the
    # gates anew for each of its arrays, and takes 1.3 to 2 times as long on a CPU.
    slopes = jax.tree.map(jnp.zeros_like, jax.eval_shape(step, state, first)[1])

    def body(carry: Any, inputs: Any) -> Any:
        state, slopes = step(carry[0], inputs)
        return (state, slopes), state[0]

    steps = None if lengths is None else lengths.max()
    (last, _), h = scan(body, (state, slopes), inputs, steps, *direction)
    return h, last


def _step(
    cell: Cell, kernel: Array, biases: Biases, lengths: Array | None, keep: Array | None
) -> Any:
    """The step (state, (t, a_t)) → (state, slopes)."""

    def step(state: Vectors, inputs: Any) -> tuple[Vectors, Vectors]:
        t, a = inputs
        z = split(_kept(state[0], keep) @ kernel, cell.gates)
        if biases.recurrent is not None:
            z = (*z[:-1], z[-1] + biases.recurrent)
        new, slopes = cell.forward(state, split(a + biases.inputs, cell.gates), z)
        return where_live(t, lengths, new, state), slopes

    return step


def _forward(
    cell: Cell,
    direction: Direction,
    kernel: Array,
    biases: Biases,
    state: Vectors,
    gates: Array,
    lengths: Array | None,
    keep: Array | None,
) -> Any:
    step = _step(cell, kernel, biases, lengths, keep)

    def body(state: Vectors, inputs: Any) -> Any:
        state, slopes = step(state, inputs)
        return state, (state[0], slopes)

    steps = None if lengths is None else lengths.max()
    last, (h, slopes) = scan(body, state, (_times(gates), gates), steps, *direction)
    return (h, last), (kernel, state[0], h, slopes, gates, lengths, keep)


def _backward(cell: Cell, direction: Direction, residuals: Any, cotangents: Any) -> Any:
    assert cell.backward is not None
    backward = cell.backward  # For mypy, which forgets the line above within `step`.
    kernel, h0, h, slopes, gates, lengths, keep = residuals
    doutputs, dlast = cotangents
    size = h.shape[-1]
    transposed = [u.T for u in split(kernel, cell.gates)]

    def step(carry: Any, inputs: Any) -> Any:
        dstate, dz_all = carry
        t, doutput, slopes = inputs
        dstate = (dstate[0] + doutput, *dstate[1:])
        before, da, dz = backward(dstate, slopes)
        if lengths is not None:
            da, dz = (where_live(t, lengths, d, jax.tree.map(jnp.zeros_like, d)) for d in (da, dz))
        dh = _kept(sum(d @ u for d, u in zip(dz, transposed, strict=True)), keep)
        before = where_live(t, lengths, (before[0] + dh, *before[1:]), dstate)
        # Gate by gate: XLA does not vectorize their concatenation on a CPU.
        for k, d in enumerate(dz):
            dz_all = jax.lax.dynamic_update_slice(dz_all, d[None], (t, 0, k * size))
        return (before, dz_all), da[-1] if cell.recurrent_bias else None

    steps = None if lengths is None else lengths.max()
    # dz_t overwrites a_t, which is not used any more: cheaper than a new array of zeros.
    (dstate, dz), da_last = scan(
        step, (dlast, gates), (_times(gates), doutputs, slopes), steps, not direction.reverse
    )
    if steps is not None:
        dz = jax.lax.fori_loop(steps, whole_blocks(steps), lambda t, dz: dz.at[t].set(0), dz)
    previous = _kept(_previous(h0, h, direction.reverse, lengths), keep)
    dkernel = sum_of_products(previous, dz, steps)
    dgates = jnp.concatenate([dz[..., :-size], da_last], -1) if cell.recurrent_bias else dz
    drecurrent = dz[..., -size:].sum((0, 1)) if cell.recurrent_bias else None
    return dkernel, Biases(dgates.sum((0, 1)), drecurrent), dstate, dgates, None, None


recurrence.defvjp(_forward, _backward)


def _times(gates: Array) -> Array:
    return jnp.arange(gates.shape[0])


def _kept(h: Any, keep: Array | None) -> Any:
    return h if keep is None else h * keep


def _previous(h0: Array, h: Array, reverse: bool, lengths: Array | None) -> Array:
    """The hidden state before each step."""
    if not reverse:
        return jnp.concatenate([h0[None], h[:-1]])
    after = jnp.concatenate([h[1:], h0[None]])
    if lengths is None:
        return after
    return jnp.where((_times(h)[:, None] + 1 < lengths)[..., None], after, h0)


def where_live(t: Array, lengths: Array | None, new: Vectors, old: Vectors) -> Vectors:
    """`new` for sequences that have a step t, `old` for those that have ended."""
    if lengths is None:
        return new
    live = (t < lengths)[:, None]
    return tuple(jnp.where(live, a, b) for a, b in zip(new, old, strict=True))


def split(a: Array, gates: int) -> Vectors:
    """The parts of a row, one for each gate."""
    size = a.shape[-1] // gates
    return tuple(a[..., k * size : (k + 1) * size] for k in range(gates))

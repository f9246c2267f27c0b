"""Sequences of unequal length, read forwards, backwards and both ways."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dlfun.nn.layers.recurrent import Recurrent, _checked
from dlfun.nn.layers.recurrent_stack import RecurrentStack

NAMES = ("rnn", "lstm", "gru", "gru_reset_before")
BATCH, TIME, INPUTS, HIDDEN = 4, 19, 3, 5
LENGTHS = np.array([4, 13, 1, 13], np.int32)
"""None fills the array, and the longest ends within the second block of `scan_blocks`."""


def problem(layer):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(BATCH, TIME, INPUTS)).astype(np.float32)
    variables = jax.jit(layer.init)(jax.random.key(0), x)
    states = 2 if layer.cell == "lstm" else 1
    state = tuple(rng.normal(size=(BATCH, HIDDEN)).astype(np.float32) for _ in range(states))
    return variables, jnp.asarray(x), state


def assert_close(a, b, tolerance=2e-5):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(x, y, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("cell", NAMES)
def test_a_padded_batch_equals_each_sequence_alone(cell, reverse):
    layer = Recurrent(HIDDEN, cell, reverse)
    variables, x, state = problem(layer)

    def loss(variables, x, state, lengths=None):
        outputs, last = layer.apply(variables, x, state, lengths)
        return (outputs**2).sum() + sum((s**3).sum() for s in last), (outputs, last)

    gradient = jax.jit(jax.grad(loss, (0, 1, 2), has_aux=True))
    padded = jnp.where((jnp.arange(TIME) < LENGTHS[:, None])[..., None], x, jnp.nan)
    together, (outputs, last) = gradient(variables, padded, state, jnp.asarray(LENGTHS))
    total = jax.tree.map(jnp.zeros_like, together[0])
    for row, length in enumerate(LENGTHS):
        part = jax.tree.map(lambda leaf, row=row: leaf[row : row + 1], (x[:, :length], state))
        alone, result = gradient(variables, *part)
        assert not outputs[row, length:].any()
        assert_close((outputs[row : row + 1, :length], [s[row] for s in last]),
                     (result[0], [s[0] for s in result[1]]))  # fmt: skip
        assert_close([together[1][row, :length], *(s[row] for s in together[2])],
                     [alone[1][0], *(s[0] for s in alone[2])])  # fmt: skip
        total = jax.tree.map(jnp.add, total, alone[0])
    assert_close(together[0], total)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_packed_sequences_both_ways_equal_torch(cell):
    torch = pytest.importorskip("torch")
    rnn = torch.nn.utils.rnn
    network = getattr(torch.nn, cell.upper())(INPUTS, HIDDEN, batch_first=True, bidirectional=True)
    stack = RecurrentStack(Recurrent(HIDDEN, cell), bidirectional=True)
    x = np.random.default_rng(1).normal(size=(BATCH, TIME, INPUTS)).astype(np.float32)

    tx = torch.tensor(x, requires_grad=True)
    packed = rnn.pack_padded_sequence(tx, torch.tensor(LENGTHS), True, enforce_sorted=False)
    packed, tlast = network(packed)
    toutputs, _ = rnn.pad_packed_sequence(packed, batch_first=True, total_length=TIME)
    tlast = torch.stack(tlast) if cell == "lstm" else tlast[None]
    ((toutputs**2).sum() + (tlast**3).sum()).backward()

    def converted(suffix):
        w, u, b, c = (
            getattr(network, f"{part}_l0{suffix}").detach().numpy()
            for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        if cell != "gru":
            return {"input_kernel": w.T, "recurrent_kernel": u.T, "bias": b + c}
        start = np.r_[c[:-HIDDEN], np.zeros(HIDDEN, np.float32)]
        params = {"input_kernel": w.T, "recurrent_kernel": u.T, "bias": b + start}
        return params | {"recurrent_bias": c[-HIDDEN:]}

    params = {"forward_0": converted(""), "backward_0": converted("_reverse")}

    def loss(params, x):
        outputs, (last,) = stack.apply({"params": params}, x, None, jnp.asarray(LENGTHS))
        stacked = jnp.stack(last).reshape(2, -1, BATCH, HIDDEN).swapaxes(0, 1)
        return (outputs**2).sum() + (stacked**3).sum(), (outputs, stacked)

    (dparams, dx), result = jax.jit(jax.grad(loss, (0, 1), has_aux=True))(params, x)
    assert_close(result, (toutputs.detach().numpy(), tlast.detach().numpy()))
    assert_close(dx, tx.grad)
    for name, suffix in (("forward", ""), ("backward", "_reverse")):
        weight = getattr(network, f"weight_hh_l0{suffix}")
        assert_close(dparams[f"{name}_0"]["recurrent_kernel"].T, weight.grad, 1e-4)
        weight = getattr(network, f"weight_ih_l0{suffix}")
        assert_close(dparams[f"{name}_0"]["input_kernel"].T, weight.grad, 1e-4)


def test_what_lies_after_the_end_changes_nothing():
    layer = Recurrent(HIDDEN, "lstm")
    variables, x, state = problem(layer)
    run = jax.jit(partial(layer.apply, variables))
    live = (np.arange(TIME) < LENGTHS[:, None])[..., None]
    noise = jnp.where(live, x, 1e6)
    for a, b in zip(jax.tree.leaves(run(x, state, LENGTHS)), jax.tree.leaves(run(noise, state, LENGTHS)), strict=True):  # fmt: skip  # noqa: E501
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_members_of_a_population_share_the_lengths(cell):
    layer = Recurrent(HIDDEN, cell)
    variables, x, state = problem(layer)
    state, lengths = jax.tree.map(jnp.asarray, (state, LENGTHS))
    members = jax.tree.map(lambda leaf: jnp.stack([leaf, 0.5 * leaf]), variables)

    def gradient(variables):
        return jax.grad(lambda v: (layer.apply(v, x, state, lengths)[0] ** 2).sum())(variables)

    alone = [jax.jit(gradient)(jax.tree.map(lambda leaf, k=k: leaf[k], members)) for k in (0, 1)]
    together = jax.jit(jax.vmap(gradient))(members)
    assert_close(together, jax.tree.map(lambda *leaves: jnp.stack(leaves), *alone))


def test_layers_on_layers_both_ways():
    """A stack is its layers one after another, and its last state is that of the last layer."""
    stack = RecurrentStack(Recurrent(HIDDEN, "gru"), 2, bidirectional=True)
    x, lengths = problem(stack.layer)[1], jnp.asarray(LENGTHS)
    variables = jax.jit(stack.init)(jax.random.key(0), x)
    outputs, states = jax.jit(stack.apply)(variables, x, None, lengths)
    expected = x
    for number in range(2):
        ways = []
        for name, reverse in (("forward", False), ("backward", True)):
            params = variables["params"][f"{name}_{number}"]
            layer = Recurrent(HIDDEN, "gru", reverse)
            ways.append(layer.apply({"params": params}, expected, None, lengths))
        expected = jnp.concatenate([ways[0][0], ways[1][0]], -1)
    assert_close((outputs, states[-1]), (expected, (*ways[0][1], *ways[1][1])), 1e-6)
    assert outputs.shape == (BATCH, TIME, 2 * HIDDEN)


@pytest.mark.parametrize("reverse", [False, True])
def test_lengths_beyond_the_array_are_those_of_the_array(reverse):
    layer = Recurrent(HIDDEN, "lstm", reverse)
    variables, x, state = problem(layer)
    apply = jax.jit(layer.apply)
    cut = apply(variables, x, state, jnp.array([TIME, 4, TIME, 0], jnp.uint8))
    assert_close(cut, apply(variables, x, state, jnp.array([2 * TIME, 4, 999, -1])))


def test_sequences_of_no_step_keep_their_state():
    layer = Recurrent(HIDDEN, "gru")
    variables, x, state = problem(layer)
    state = tuple(map(jnp.asarray, state))
    outputs, last = layer.apply(variables, x[:, :0], state, jnp.zeros(BATCH, jnp.int32))
    assert outputs.shape == (BATCH, 0, HIDDEN)
    assert_close(last, state)


@pytest.mark.parametrize("lengths", [np.ones(BATCH, np.float32), np.ones(1, np.int32)])
def test_lengths_of_another_kind_or_number_are_refused(lengths):
    with pytest.raises(ValueError, match=r"lengths of 4 sequences are .*: expected integers \[4\]"):
        _checked(lengths, BATCH, TIME)

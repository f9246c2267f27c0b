"""The layers equal the textbook loop and PyTorch, in outputs and in every gradient."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.nn import sigmoid
from jax.test_util import check_grads

from dlfun.nn.kernels.recurrent_cells import CELLS
from dlfun.nn.layers.recurrent import Recurrent

BATCH, STEPS, INPUTS, HIDDEN = 3, 3, 4, 6
NAMES = ("rnn", "lstm", "gru")
ALL = (*NAMES, "gru_reset_before")


@pytest.fixture
def x64():
    with jax.enable_x64(True):
        yield


def layer(name, params, x, state=None):
    return Recurrent(HIDDEN, name).apply({"params": params}, x, state)


def textbook(name, params, x, state):
    """The loop in plain Python, step by step as the books write it."""
    outputs = []
    for t in range(x.shape[1]):
        h, *rest = state
        a = jnp.split(x[:, t] @ params["input_kernel"] + params["bias"], CELLS[name].gates, -1)
        z = jnp.split(h @ params["recurrent_kernel"], CELLS[name].gates, -1)
        if name == "rnn":
            state = (jnp.tanh(a[0] + z[0]),)
        elif name == "lstm":
            i, f, o = (sigmoid(a[k] + z[k]) for k in (0, 1, 3))
            c = f * rest[0] + i * jnp.tanh(a[2] + z[2])
            state = (o * jnp.tanh(c), c)
        else:
            r, u = sigmoid(a[0] + z[0]), sigmoid(a[1] + z[1])
            if name == "gru":
                n = jnp.tanh(a[2] + r * (z[2] + params["recurrent_bias"]))
            else:
                n = jnp.tanh(a[2] + (r * h) @ params["recurrent_kernel"][:, -HIDDEN:])
            state = ((1 - u) * n + u * h,)
        outputs.append(state[0])
    return jnp.stack(outputs, 1), state


def problem(name, steps=STEPS, dtype=np.float64):
    """Parameters, inputs and state drawn anew, the parameters larger than initial ones."""
    rng = np.random.default_rng(0)

    def draw(shape):
        return jnp.asarray(rng.normal(scale=0.7, size=shape), dtype)

    x = draw((BATCH, steps, INPUTS))
    like = jax.ShapeDtypeStruct(x.shape, jnp.float32)
    init = jax.eval_shape(Recurrent(HIDDEN, name).init, jax.random.key(0), like)
    params = {key: draw(value.shape) for key, value in sorted(init["params"].items())}
    return params, x, tuple(draw((BATCH, HIDDEN)) for _ in range(CELLS[name].states))


@partial(jax.jit, static_argnums=(0, 1))
def run_and_differentiate(run, name, *arguments):
    """The result, and the gradients through the outputs alone, then through the last state."""
    result, vjp = jax.vjp(partial(run, name), *arguments)
    outputs, last = jax.tree.map(jnp.cos, result)
    either = [
        jax.tree.map(lambda v, k=k: jnp.stack([v * k, v * (1 - k)]), part)
        for k, part in ((1, outputs), (0, last))
    ]
    return result, jax.vmap(vjp)(tuple(either))


def assert_close(ours, theirs, tolerance):
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("name", "steps"), [*((name, STEPS) for name in ALL), ("lstm", 1)])
def test_outputs_and_gradients_are_those_of_the_plain_loop(name, steps, x64):
    arguments = problem(name, steps)
    ours = run_and_differentiate(layer, name, *arguments)
    assert ours[0][0].dtype == jnp.float64
    assert_close(ours, run_and_differentiate(textbook, name, *arguments), 1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_equal_finite_differences(name, x64):
    run = jax.jit(partial(layer, name))
    check_grads(run, problem(name), order=1, modes=["rev"], eps=1e-5, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_no_state_is_the_zero_state(name):
    params, x, state = problem(name, dtype=np.float32)
    zero = jax.tree.map(jnp.zeros_like, state)
    run = jax.jit(partial(layer, name))
    assert_close(run(params, x), run(params, x, zero), 1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_carrying_the_state_over_a_cut_changes_no_output(name, x64):
    params, x, state = problem(name)
    run = jax.jit(partial(layer, name))
    first, middle = run(params, x[:, : STEPS // 2], state)
    second, last = run(params, x[:, STEPS // 2 :], middle)
    joined = np.concatenate([first, second], 1)
    assert_close((joined, last), run(params, x, state), 1e-13)


@pytest.mark.parametrize("name", NAMES)
def test_vmap_over_parameters_equals_serial(name, x64):
    params, x, state = problem(name)
    members = [jax.tree.map(lambda p, k=k: k * p, params) for k in (1.0, 0.5, -1.0)]
    population = jax.tree.map(lambda *p: np.stack(p), *members)
    grad = jax.grad(lambda p: (layer(name, p, x, state)[0] ** 2).sum())
    serial = [jax.jit(grad)(member) for member in members]
    assert_close(
        jax.jit(jax.vmap(grad))(population), jax.tree.map(lambda *p: np.stack(p), *serial), 1e-12
    )


@pytest.mark.parametrize("name", NAMES)
def test_initial_parameters_are_uniform_within_one_over_root_hidden(name):
    params = jax.jit(Recurrent(64, name).init)(jax.random.key(0), jnp.zeros((1, 2, 32)))
    for value in params["params"].values():
        assert 0.9 / 8 < np.abs(value).max() <= 1 / 8
        assert abs(np.mean(value)) < 0.25 / 8


def test_a_step_that_keeps_nothing_gives_what_training_gives(x64):
    for name in NAMES:
        arguments = problem(name)
        alone = jax.jit(partial(layer, name))(*arguments)
        assert_close(alone, jax.jit(partial(jax.vjp, partial(layer, name)))(*arguments)[0], 1e-15)


@pytest.mark.parametrize("name", NAMES)
def test_flax_computes_the_same(name):
    cells = {"rnn": nn.SimpleCell, "lstm": nn.OptimizedLSTMCell, "gru": nn.GRUCell}
    params, x, state = problem(name, dtype=np.float32)
    cell = cells[name](HIDDEN)
    shapes = (
        jax.eval_shape(cell.init, jax.random.key(0), state[0], x[:, 0])
        if name != "lstm"
        else (jax.eval_shape(cell.init, jax.random.key(0), state[::-1], x[:, 0]))
    )
    gates = {"rnn": [""], "lstm": list("ifgo"), "gru": list("rzn")}[name]
    w, u, b = (
        jnp.split(params[part], len(gates), -1)
        for part in ("input_kernel", "recurrent_kernel", "bias")
    )
    made = {}
    for k, gate in enumerate(gates):
        made["i" + gate] = {"kernel": w[k], "bias": b[k]}
        made["h" + gate] = {"kernel": u[k], "bias": b[k]}
    if name == "gru":
        made["hn"] = {"kernel": u[2], "bias": params["recurrent_bias"]}
    keep = shapes["params"]
    flax_params = {k: {q: made[k][q] for q in keep[k]} for k in keep}
    carry = state[::-1] if name == "lstm" else state[0]
    outputs = []
    for t in range(x.shape[1]):
        carry, y = cell.apply({"params": flax_params}, carry, x[:, t])
        outputs.append(y)
    ours, last = layer(name, params, x, state)
    assert_close((ours, last[0]), (jnp.stack(outputs, 1), y), 1e-5)


def test_the_loop_may_be_unrolled(x64):
    params, x, state = problem("lstm", steps=5)
    unrolled = Recurrent(HIDDEN, "lstm", unroll=2).apply({"params": params}, x, state)
    assert_close(unrolled, layer("lstm", params, x, state), 1e-13)


def test_dropout_drops_the_same_units_in_every_step():
    """With U = 1 and W = b = 0, h_t = tanh(h_{t-1} * keep) tells the units that were dropped."""
    network = Recurrent(64, "rnn", dropout=0.5)
    params = {
        "input_kernel": jnp.zeros((2, 64)),
        "recurrent_kernel": jnp.eye(64),
        "bias": jnp.zeros(64),
    }
    x, state, weight = jnp.zeros((3, 5, 2)), (jnp.ones((3, 64)),), jnp.ones(3)
    outputs, _ = network.apply(
        {"params": params}, x, state, None, weight, rngs={"dropout": jax.random.key(0)}
    )
    dropped = outputs == 0
    assert 0.3 < dropped.mean() < 0.7
    np.testing.assert_array_equal(dropped, np.broadcast_to(dropped[:, :1], dropped.shape))
    np.testing.assert_allclose(outputs[:, 0][~dropped[:, 0]], np.tanh(2.0), rtol=1e-6)
    assert (dropped[0] != dropped[1]).any()
    still, _ = network.apply({"params": params}, x, state)
    np.testing.assert_allclose(still[:, 0], np.tanh(1.0), rtol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_normalized_products_do_not_depend_on_the_scale_of_the_weights(name, x64):
    params, x, state = problem(name)
    network = Recurrent(HIDDEN, name, normalize=True)
    width = HIDDEN * CELLS[name].gates
    params |= {"input_scale": jnp.ones(width), "recurrent_scale": jnp.ones(width)}
    larger = params | {k: 8 * params[k] for k in ("input_kernel", "recurrent_kernel")}
    run = jax.jit(lambda params: network.apply({"params": params}, x, state))
    assert_close(run(params), run(larger), 1e-4)
    with pytest.raises(ValueError, match="gru_reset_before"):
        Recurrent(2, "gru_reset_before", normalize=True).init(jax.random.key(0), x)


def test_the_forget_bias_and_the_orthogonal_start():
    network = Recurrent(8, "lstm", forget_bias=1.0, scheme="orthogonal")
    params = network.init(jax.random.key(0), jnp.zeros((1, 2, 3)))["params"]
    np.testing.assert_array_equal(params["bias"][8:16], np.ones(8))
    assert (np.abs(np.delete(params["bias"], np.s_[8:16])) <= 8**-0.5).all()
    for square in jnp.split(params["recurrent_kernel"], 4, -1):
        np.testing.assert_allclose(square.T @ square, np.eye(8), atol=1e-5)


@pytest.mark.parametrize("name", ["gru", "gru_reset_before"])
def test_a_large_forget_bias_keeps_the_state_of_a_gru(name, x64):
    _, *arrays = problem(name)
    x, state = jax.tree.map(jnp.float32, arrays)
    network = Recurrent(HIDDEN, name, forget_bias=30.0)
    _, last = network.apply(network.init(jax.random.key(0), x), x, state)
    np.testing.assert_allclose(last[0], state[0], rtol=1e-5)


def test_unknown_cell_is_refused_with_the_valid_names():
    with pytest.raises(
        ValueError, match=r"'lsmt'.*rnn, lstm, gru, gru_reset_before.*did you mean 'lstm'"
    ):
        Recurrent(4, "lsmt").init(jax.random.key(0), jnp.zeros((1, 2, 3)))


def from_torch(name, weights, k):
    """Our parameters from PyTorch's of layer k."""
    parts = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    w, u, b, c = (weights[f"{part}_l{k}"] for part in parts)
    if not CELLS[name].recurrent_bias:
        return {"input_kernel": w.T, "recurrent_kernel": u.T, "bias": b + c}
    both = b + jnp.concatenate([c[:-HIDDEN], jnp.zeros_like(c[-HIDDEN:])])
    last = c[-HIDDEN:]
    return {"input_kernel": w.T, "recurrent_kernel": u.T, "bias": both, "recurrent_bias": last}


@pytest.mark.parametrize("name", NAMES)
def test_two_layers_equal_torch(name):
    torch = pytest.importorskip("torch")
    network = getattr(torch.nn, name.upper())(INPUTS, HIDDEN, num_layers=2, batch_first=True)
    rng = np.random.default_rng(1)
    x = rng.normal(size=(BATCH, STEPS, INPUTS)).astype(np.float32)
    starts = rng.normal(size=(CELLS[name].states, 2, BATCH, HIDDEN)).astype(np.float32)

    tx, tstarts = (torch.tensor(v, requires_grad=True) for v in (x, starts))
    toutputs, tlast = network(tx, tuple(tstarts) if len(starts) > 1 else tstarts[0])
    tlast = torch.stack(tlast) if len(starts) > 1 else tlast[None]
    ((toutputs**2).sum() + (tlast**3).sum()).backward()

    def loss(weights, x, starts):
        lasts = []
        for k in range(2):
            x, last = layer(name, from_torch(name, weights, k), x, tuple(starts[:, k]))
            lasts.append(jnp.stack(last))
        last = jnp.stack(lasts, 1)
        return (x**2).sum() + (last**3).sum(), (x, last)

    weights = {
        key: jnp.asarray(value.detach().numpy()) for key, value in network.named_parameters()
    }
    grad = jax.jit(jax.grad(loss, (0, 1, 2), has_aux=True))
    (dweights, dx, dstarts), result = grad(weights, x, starts)
    assert_close(result, (toutputs.detach(), tlast.detach()), 1e-6)
    assert_close((dx, dstarts), (tx.grad, tstarts.grad), 1e-5)
    for key, weight in network.named_parameters():
        assert_close(dweights[key], weight.grad, 1e-5)

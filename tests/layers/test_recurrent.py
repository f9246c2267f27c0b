"""The layers equal the textbook loop and PyTorch, in outputs and in every gradient."""

import inspect
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.nn import sigmoid
from jax.test_util import check_grads

from dlfun.layers.recurrent import CELLS, Recurrent, find_cell, recurrence

BATCH, STEPS, INPUTS, HIDDEN = 3, 5, 4, 6
NAMES = ("rnn", "lstm", "gru")


def enable_x64():
    if hasattr(jax, "enable_x64"):
        return jax.enable_x64(True)
    from jax.experimental import enable_x64

    return enable_x64()


@pytest.fixture
def x64():
    with enable_x64():
        yield


def textbook_step(name, params, state, x):
    """One step as the books write it, on `batch` rows."""
    h, *rest = state
    a = jnp.split(x @ params["input_kernel"] + params["bias"], CELLS[name].gates, -1)
    z = jnp.split(h @ params["recurrent_kernel"], CELLS[name].gates, -1)
    if name == "rnn":
        return (jnp.tanh(a[0] + z[0]),)
    if name == "lstm":
        i, f, o = (sigmoid(a[k] + z[k]) for k in (0, 1, 3))
        c = f * rest[0] + i * jnp.tanh(a[2] + z[2])
        return (o * jnp.tanh(c), c)
    r, u = sigmoid(a[0] + z[0]), sigmoid(a[1] + z[1])
    return ((1 - u) * jnp.tanh(a[2] + r * (z[2] + params["recurrent_bias"])) + u * h,)


def textbook(name, params, x, state):
    """The loop in plain Python."""
    outputs = []
    for t in range(x.shape[1]):
        state = textbook_step(name, params, state, x[:, t])
        outputs.append(state[0])
    return jnp.stack(outputs, 1), state


def layer(name, params, x, state=None):
    return Recurrent(HIDDEN, name).apply({"params": params}, x, state)


def problem(name, dtype=None, steps=STEPS):
    """Parameters, input and state drawn anew, larger than at initialization."""
    rng = np.random.default_rng(0)
    dtype = dtype or jnp.zeros(()).dtype
    draw = lambda *shape: jnp.asarray(rng.normal(size=shape) * 0.7, dtype)  # noqa: E731
    x = draw(BATCH, steps, INPUTS)
    shapes = Recurrent(HIDDEN, name).init(jax.random.key(0), x.astype(jnp.float32))["params"]
    params = {key: draw(*value.shape) for key, value in sorted(shapes.items())}
    return params, x, tuple(draw(BATCH, HIDDEN) for _ in range(CELLS[name].states))


def weigh(result):
    """A scalar in which every output and every part of the last state has its own weight."""
    leaves = jax.tree.leaves(result)
    return sum((v * jnp.cos(jnp.arange(v.size, dtype=v.dtype)).reshape(v.shape)).sum() for v in leaves)


def assert_close(ours, theirs, tolerance):
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", NAMES)
def test_outputs_and_gradients_are_those_of_the_plain_loop(name, x64):
    params, x, state = problem(name)
    assert_close(layer(name, params, x, state), textbook(name, params, x, state), 1e-12)
    value = lambda run: lambda p, x, s: weigh(run(name, p, x, s))  # noqa: E731
    ours = jax.grad(value(layer), (0, 1, 2))(params, x, state)
    assert_close(ours, jax.grad(value(textbook), (0, 1, 2))(params, x, state), 1e-10)


@pytest.mark.parametrize("name", NAMES)
def test_no_state_is_the_zero_state(name, x64):
    params, x, state = problem(name)
    zero = jax.tree.map(jnp.zeros_like, state)
    value = lambda s: lambda p, x: weigh(layer(name, p, x, s))  # noqa: E731
    assert_close(layer(name, params, x), layer(name, params, x, zero), 1e-13)
    assert_close(
        jax.grad(value(None), (0, 1))(params, x), jax.grad(value(zero), (0, 1))(params, x), 1e-12
    )


@pytest.mark.parametrize("name", NAMES)
def test_one_step_with_and_without_a_state(name, x64):
    params, x, state = problem(name, steps=1)
    for s in (state, jax.tree.map(jnp.zeros_like, state)):
        value = lambda run, s: lambda p, x: weigh(run(name, p, x, s))  # noqa: E731
        ours = jax.grad(value(layer, s if s is state else None), (0, 1))(params, x)
        assert_close(ours, jax.grad(value(textbook, s), (0, 1))(params, x), 1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_of_the_outputs_alone_and_of_the_last_state_alone(name, x64):
    params, x, state = problem(name)
    for part in (0, 1):
        value = lambda run, part: lambda p, x, s: weigh(run(name, p, x, s)[part])  # noqa: E731
        ours = jax.grad(value(layer, part), (0, 1, 2))(params, x, state)
        theirs = jax.grad(value(textbook, part), (0, 1, 2))(params, x, state)
        assert_close(ours, theirs, 1e-10)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_equal_finite_differences(name, x64):
    params, x, state = problem(name)
    check_grads(partial(layer, name), (params, x, state), order=1, modes=["rev"], atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_carrying_the_state_over_a_cut_changes_no_output(name, x64):
    params, x, state = problem(name)
    first, middle = layer(name, params, x[:, :2], state)
    second, last = layer(name, params, x[:, 2:], middle)
    assert_close((jnp.concatenate([first, second], 1), last), layer(name, params, x, state), 1e-13)


@pytest.mark.parametrize("name", NAMES)
def test_vmap_over_parameters_equals_serial(name, x64):
    params, x, _ = problem(name)
    population = jax.tree.map(lambda p: jnp.stack([p, 0.5 * p, -p]), params)
    grad = jax.grad(lambda p: weigh(layer(name, p, x)))
    serial = [grad(jax.tree.map(lambda p, i=i: p[i], population)) for i in range(3)]
    assert_close(jax.vmap(grad)(population), jax.tree.map(lambda *p: jnp.stack(p), *serial), 1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_devices_sum_to_the_whole_batch(name, x64):
    params, x, state = problem(name)
    x, state = jax.tree.map(lambda v: jnp.concatenate([v, -v]), (x, state))
    halves = jax.tree.map(lambda v: v.reshape(2, BATCH, *v.shape[1:]), (x, state))
    grad = jax.grad(lambda p, x, s: (layer(name, p, x, s)[0] ** 2).sum())
    split = jax.pmap(
        lambda p, xs: jax.lax.psum(grad(p, *xs), "devices"), "devices", in_axes=(None, 0)
    )(params, halves)
    assert_close(jax.tree.map(lambda v: v[0], split), grad(params, x, state), 1e-10)


@pytest.mark.parametrize("name", NAMES)
def test_initial_parameters_are_uniform_within_one_over_root_hidden(name):
    module = Recurrent(64, name)
    params = module.init(jax.random.key(0), jnp.zeros((1, 2, 32)))["params"]
    for value in params.values():
        assert 0.9 / 8 < float(jnp.abs(value).max()) <= 1 / 8
        assert abs(float(value.mean())) < 0.25 / 8


def test_unknown_cell_is_refused_with_the_valid_names():
    with pytest.raises(ValueError, match=r"'lsmt'.*rnn, lstm, gru.*did you mean 'lstm'"):
        Recurrent(4, "lsmt").init(jax.random.key(0), jnp.zeros((1, 2, 3)))


@pytest.mark.parametrize("name", NAMES)
def test_two_layers_equal_torch(name):
    torch = pytest.importorskip("torch")
    network = getattr(torch.nn, name.upper())(INPUTS, HIDDEN, num_layers=2, batch_first=True)
    states = CELLS[name].states
    rng = np.random.default_rng(1)
    x = rng.normal(size=(BATCH, STEPS, INPUTS)).astype(np.float32)
    start = rng.normal(size=(states, 2, BATCH, HIDDEN)).astype(np.float32)

    def ours(torch_params, x, start):
        lasts = []
        for k in range(2):
            w, u, b, c = (torch_params[f"{p}_l{k}"] for p in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
            params = {"input_kernel": w.T, "recurrent_kernel": u.T, "bias": b + c}
            if CELLS[name].bias:
                params["bias"] = b + c.at[-HIDDEN:].set(0)
                params["recurrent_bias"] = c[-HIDDEN:]
            x, last = layer(name, params, x, tuple(start[:, k]))
            lasts.append(last)
        return x, jnp.stack([jnp.stack(v) for v in zip(*lasts, strict=True)])

    tx, tstart = (torch.tensor(v, requires_grad=True) for v in (x, start))
    toutputs, tlast = network(tx, tuple(tstart) if states > 1 else tstart[0])
    tlast = torch.stack(tlast) if states > 1 else tlast[None]
    params = {key: jnp.asarray(value.detach().numpy()) for key, value in network.named_parameters()}
    outputs, last = ours(params, x, start)
    assert_close((outputs, last), (toutputs.detach(), tlast.detach()), 1e-6)

    ((toutputs**2).sum() + (tlast**3).sum()).backward()
    value = lambda *a: (lambda o, s: (o**2).sum() + (s**3).sum())(*ours(*a))  # noqa: E731
    dparams, dx, dstart = jax.grad(value, (0, 1, 2))(params, x, start)
    assert_close((dx, dstart), (tx.grad, tstart.grad), 1e-5)
    for key, parameter in network.named_parameters():
        assert_close(dparams[key], parameter.grad, 1e-5)

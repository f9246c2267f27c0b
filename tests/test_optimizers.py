"""Each update rule follows its written formula; every float may be traced."""

import dataclasses
from fractions import Fraction
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from dlfun.optimizers import Optimizer, Schedule, make_optimizer, rate_factor, scaled

NAMES = ("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adadelta", "adam", "adamw")
START = np.array([[1.0, -2.0], [0.5, 3.0]])
CURVATURE = np.array([[1.0, 10.0], [0.1, 2.0]])


def written_out(name, steps, eta=0.05, mu=0.8, gamma=0.95, b1=0.85, b2=0.97, eps=1e-3):
    """The formulas of `Optimizer`'s docstring in NumPy, on ½ Σ c w²."""
    w, v, s, r, m = START.copy(), 0.0, 0.0, 0.0, 0.0
    for t in range(1, steps + 1):
        g = CURVATURE * w
        match name:
            case "sgd":
                w = w - eta * g
            case "momentum":
                v = mu * v + g
                w = w - eta * v
            case "nesterov":
                v = mu * v + g
                w = w - eta * (g + mu * v)
            case "adagrad":
                s = s + g**2
                w = w - eta * g / np.sqrt(s + eps)
            case "rmsprop":
                s = gamma * s + (1 - gamma) * g**2
                w = w - eta * g / np.sqrt(s + eps)
            case "adadelta":
                s = gamma * s + (1 - gamma) * g**2
                u = g * np.sqrt(r + eps) / np.sqrt(s + eps)
                r = gamma * r + (1 - gamma) * u**2
                w = w - eta * u
            case "adam" | "adamw":
                m = b1 * m + (1 - b1) * g
                s = b2 * s + (1 - b2) * g**2
                step = m / (1 - b1**t) / (np.sqrt(s / (1 - b2**t)) + eps)
                decay = 0.01 * w if name == "adamw" else 0.0
                w = w - eta * (step + decay)
    return w


def descend(optimizer, steps=10):
    return path(optimizer, steps)[-1]


def path(optimizer, steps):
    transformation = make_optimizer(optimizer)
    params = {"kernel": jnp.asarray(START, jnp.float32)}
    state, found = transformation.init(params), []
    for _ in range(steps):
        gradient = {"kernel": jnp.asarray(CURVATURE, jnp.float32) * params["kernel"]}
        update, state = transformation.update(gradient, state, params)
        params = optax.apply_updates(params, update)
        found.append(params["kernel"])
    return found


@pytest.mark.parametrize("name", NAMES)
def test_ten_steps_follow_the_formula(name):
    found = path(Optimizer(name, 0.05, 0.8, 0.95, 0.85, 0.97, 1e-3), 10)
    for steps, point in enumerate(found, start=1):
        np.testing.assert_allclose(point, written_out(name, steps), rtol=2e-5)


def test_the_settings_of_the_sources():
    """T3's Adam has ε = 1e-6, outside the root; the defaults are T5's and the papers'."""
    settings = {
        Optimizer("momentum", 0.05): {"mu": 0.9},
        Optimizer("rmsprop"): {"eta": 1e-3, "gamma": 0.9, "eps": 1e-8},
        Optimizer("adagrad", 0.05): {"eps": 1e-10},
        Optimizer("adadelta", 1.0): {"eta": 1.0, "gamma": 0.9, "eps": 1e-6},
        Optimizer(): {"eta": 1e-3, "b1": 0.9, "b2": 0.999, "eps": 1e-8},
        Optimizer(epsilon=1e-6): {"eta": 1e-3, "b1": 0.9, "b2": 0.999, "eps": 1e-6},
    }
    for optimizer, constants in settings.items():
        expected = written_out(optimizer.name, 10, **constants)
        np.testing.assert_allclose(descend(optimizer), expected, rtol=2e-5)


@pytest.mark.parametrize("name", NAMES)
def test_floats_may_be_traced(name):
    """vmap over every float field at once equals one after another."""
    fields = {"learning_rate": 0.05, "momentum": 0.8, "decay": 0.95, "beta1": 0.85, "beta2": 0.97}
    fields |= {"epsilon": 1e-3, "weight_decay": 0.1, "l2": 0.2, "l1": 0.1, "clip_norm": 3.0}

    def run(scale):
        traced = {field: value * scale for field, value in fields.items()}
        schedule = Schedule("exponential", 0.5 * scale, 2.0 * scale, 3.0 * scale)
        return descend(Optimizer(name, **traced, schedule=schedule))

    scales = jnp.asarray([1.0, 0.9])
    together = jax.vmap(run)(scales)
    for i, scale in enumerate(scales):
        np.testing.assert_allclose(together[i], run(scale), rtol=1e-5)


def test_decay_leaves_biases_and_norms_out():
    params = {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2), "scale": jnp.ones(2)}
    nothing = jax.tree.map(jnp.zeros_like, params)
    for decay in ({"weight_decay": 0.5}, {"l2": 0.5}, {"l1": 0.5}):
        transformation = make_optimizer(Optimizer("sgd", 1.0, **decay))
        update, _ = transformation.update(nothing, transformation.init(params), params)
        assert float(update["kernel"][0, 0]) == -0.5
        assert float(jnp.abs(update["bias"]).sum() + jnp.abs(update["scale"]).sum()) == 0


def test_clipping_bounds_the_global_norm():
    params = {"a": jnp.zeros((2, 2)), "b": jnp.zeros(3)}
    gradient = jax.tree.map(lambda p: jnp.full_like(p, 10.0), params)
    transformation = make_optimizer(Optimizer("sgd", 1.0, clip_norm=2.0))
    update, _ = transformation.update(gradient, transformation.init(params), params)
    assert float(optax.tree.norm(update)) == pytest.approx(2.0)


def test_schedules():
    def at(epoch, **fields):
        return float(
            rate_factor(Schedule(**fields), steps_per_epoch=10, epochs=20)(jnp.int32(epoch * 10))
        )

    assert at(7, kind="constant") == 1
    assert at(5, kind="exponential", factor=0.25, period=10.0) == pytest.approx(0.5)
    assert at(19, kind="step", factor=0.1, period=10.0) == pytest.approx(0.1)
    assert at(0, kind="cosine", factor=0.2) == pytest.approx(1)
    assert at(10, kind="cosine", factor=0.2) == pytest.approx(0.6)
    assert at(20, kind="cosine", factor=0.2) == pytest.approx(0.2)
    warm = [at(e, kind="constant", warm_up=2.0) for e in (0, 1, 2)]
    assert warm == pytest.approx([0.05, 0.55, 1.0])
    assert dataclasses.asdict(Schedule())["warm_up"] is None


EPOCHS = 40


def torch_rates(make):
    """The rates of 40 epochs under a scheduler of PyTorch's, from a rate of 1."""
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = make(torch.optim.lr_scheduler)(optimizer)
    rates = []
    for _ in range(EPOCHS):
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.parametrize("period", [1, 2, 3, 7, 10, 13, 30])
def test_a_step_schedule_changes_in_pytorchs_step(period):
    rates = torch_rates(lambda schedulers: partial(schedulers.StepLR, step_size=period, gamma=0.5))
    epochs = jnp.arange(EPOCHS)
    # The period as a constant of the program, and as its input, as in a sweep.
    traced = jax.jit(
        lambda period, steps, per_epoch: jax.vmap(
            rate_factor(Schedule("step", 0.5, period), per_epoch, EPOCHS)
        )(steps),
        static_argnums=2,
    )
    for per_epoch in (1, 2, 3, 7, 10, 31, 47, 100, 235, 469, 938, 1875):
        for steps in (epochs * per_epoch, epochs * per_epoch + per_epoch - 1):
            np.testing.assert_array_equal(traced(jnp.float32(period), steps, per_epoch), rates)
        constant = jax.jit(rate_factor(Schedule("step", 0.5, float(period)), per_epoch, EPOCHS))
        boundary = jnp.int32(period * per_epoch)
        assert (float(constant(boundary - 1)), float(constant(boundary))) == (1, 0.5)


@pytest.mark.parametrize(("period", "per_epoch"), [(0.1, 10), (0.3, 10), (0.5, 47), (2.5, 469)])
def test_a_step_schedule_of_parts_of_epochs(period, per_epoch):
    length = Fraction(str(period)) * per_epoch
    factor = jax.jit(jax.vmap(rate_factor(Schedule("step", 0.5, period), per_epoch, 1)))
    steps = np.arange(min(20 * length, 5000), dtype=np.int32)
    expected = [0.5 ** (int(step) // length) for step in steps]
    np.testing.assert_allclose(factor(jnp.asarray(steps)), expected, rtol=1e-6)


def test_smooth_schedules_equal_pytorchs_at_each_epoch():
    steps = jnp.arange(EPOCHS) * 47
    cosine = torch_rates(
        lambda schedulers: partial(schedulers.CosineAnnealingLR, T_max=EPOCHS, eta_min=0.1)
    )
    exponential = torch_rates(lambda schedulers: partial(schedulers.ExponentialLR, gamma=0.9))
    for schedule, rates in (
        (Schedule("cosine", 0.1), cosine),
        (Schedule("exponential", 0.9, 1.0), exponential),
    ):
        found = jax.jit(jax.vmap(rate_factor(schedule, 47, EPOCHS)))(steps)
        np.testing.assert_allclose(found, rates, rtol=2e-5)


def test_a_scaled_optimizer_has_another_rate_and_nothing_else():
    optimizer = Optimizer("momentum", 0.1, momentum=0.5)
    assert scaled(optimizer, 0.5) == Optimizer("momentum", 0.05, momentum=0.5)

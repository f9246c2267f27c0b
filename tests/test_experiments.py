"""Each experiment is found, described, built, stepped and traced: none is forgotten."""

import inspect
import re

import jax
import jax.numpy as jnp
import pytest

from dlfun import config as configs
from dlfun import experiment as experiments
from dlfun.commands import default
from dlfun.learner import Learner
from dlfun.learners.supervised import SupervisedState
from dlfun.random import stream
from dlfun.train import feed, loop

NAMES = list(experiments.paths())


def test_the_walk_finds_experiments():
    assert {"mnist_mlp", "mnist_cnn", "mnist_rnn", "mnist_lstm", "mnist_gru"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_docstring_and_claims(name):
    module = experiments.load(name)
    described = experiments.describe(name)
    assert all(described.values()), described
    assert f"Command: python launch.py train {name}" in module.__doc__
    assert len(inspect.getsource(module).splitlines()) <= 80
    assert module.CLAIMS
    for claim in module.CLAIMS:
        assert claim.at_least is not None or claim.at_most is not None
        bounds = [bound for bound in (claim.at_least, claim.at_most) if bound is not None]
        numbers = re.findall(r"-?\d+(?:\.\d+)?(?:e-?\d+)?", described["figure"])
        printed = {float(number) for number in numbers}
        assert all({bound, round(100 * bound, 6)} & printed for bound in bounds), claim


@pytest.mark.parametrize("name", NAMES)
def test_the_quick_setting_is_one(name):
    module = experiments.load(name)
    quick = getattr(module, "QUICK", None)
    if quick is None:
        pytest.skip("none")
    config = default(module)
    assert set(quick.values) <= set(configs.flatten(config))
    changed = configs.replace(config, quick.values)
    configs.check(changed)
    assert changed != config
    assert quick.claims
    assert all(c.at_least is not None or c.at_most is not None for c in quick.claims)
    assert {c.metric for c in quick.claims} <= {c.metric for c in module.CLAIMS}


@pytest.mark.parametrize("name", NAMES)
def test_two_steps(name, small_mnist):
    """A step or two change the state, count every example and stay finite."""
    module = experiments.load(name)
    experiment = module.build(default(module))
    assert isinstance(experiment.learner, Learner)
    position = loop.start(experiment)
    splits = experiment.dataset.splits
    data = {key: jnp.asarray(array[:8]) for key, array in splits["train"].items()}
    batch = feed.gather(data, jnp.asarray([0, 1, 2, -1], jnp.int32))
    key = stream(0, "update")
    update = jax.jit(experiment.learner.update)
    state, first = update(position.state, batch, key)
    state, second = update(state, batch, key)
    assert float(first["loss"].count) == 3
    if isinstance(state, SupervisedState):  # Others may stand still, or make mistakes at first.
        assert float(second["loss"].total) < float(first["loss"].total)
    held_out = experiment.learner.evaluate(state, batch, key)
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves((state, held_out)))


@pytest.mark.parametrize("name", NAMES)
def test_float_fields_are_values(name, small_mnist):
    """`build` takes traced floats: vmap over learning rates equals each alone."""
    module = experiments.load(name)
    config = default(module)
    rates = jnp.asarray([1e-3, 1e-2])
    fields = configs.flatten(config).items()
    paths = [path for path, value in fields if "rate" in path and isinstance(value, float)]
    if not paths:
        pytest.skip("no learning rate")

    def one_step(rate):
        experiment = module.build(configs.replace(config, dict.fromkeys(paths, rate)))
        learner, train = experiment.learner, experiment.dataset.splits["train"]
        batch = feed.gather({k: jnp.asarray(v) for k, v in train.items()}, jnp.arange(4))
        state = learner.init(stream(0, "init"), batch)
        return learner.update(state, batch, stream(0, "update"))[0]

    together, one_step = jax.jit(jax.vmap(one_step))(rates), jax.jit(one_step)
    for i, rate in enumerate(rates):
        alone = one_step(rate)
        for a, b in zip(jax.tree.leaves(together), jax.tree.leaves(alone), strict=True):
            # Adam's first step is η·sign(g): where g is rounding noise, so is its sign.
            assert float(jnp.mean(jnp.abs(a[i] - b).astype(jnp.float32) > 1e-5)) < 1e-2

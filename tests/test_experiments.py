"""Each experiment is found, described, built, stepped and traced: none is forgotten."""

import inspect
import re

import jax
import jax.numpy as jnp
import pytest

from dlfun import config as configs
from dlfun import experiment as experiments
from dlfun.algorithms.supervised import SupervisedState
from dlfun.cli.main import default
from dlfun.learner import Learner
from dlfun.metrics import values
from dlfun.random import stream
from dlfun.sweep.population import group
from dlfun.train import batches as feed
from dlfun.train import loop
from dlfun.train.driver import Trained
from dlfun.train.options import Options

NAMES = list(experiments.paths())


def smallest(module):
    """The quick setting, where there is one: a deep network takes long to compile."""
    less = getattr(module, "QUICK", None)
    return configs.replace(default(module), less.values if less else {})


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
    """A step or two change the state, count every example, stay finite and can be drawn."""
    module = experiments.load(name)
    config = smallest(module)
    experiment = module.build(config)
    assert isinstance(experiment.learner, Learner)
    splits = experiment.dataset.splits
    data = {key: jnp.asarray(array[:8]) for key, array in splits["train"].items()}
    batch = feed.gather(data, jnp.asarray([0, 1, 2, -1], jnp.int32))
    key = stream(0, "update")
    init, update, evaluate = map(jax.jit, experiment.learner)
    state, first = update(init(stream(0, "init"), batch), batch, key)
    state, second = update(state, batch, key)
    assert float(first["loss"].count) == 3
    if isinstance(state, SupervisedState):  # Others may stand still, or make mistakes at first.
        assert float(second["loss"].total) < float(first["loss"].total)
    held_out = evaluate(state, batch, key)
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves((state, held_out)))
    if hasattr(module, "figures"):
        rows = [{"split": s, "epoch": e} | values(held_out) for e in (1, 2) for s in splits]
        trained = Trained(name, config, Options(), experiment, loop.Position(state, 2, {}))
        for drawn in dict(module.figures(trained, rows)).values():
            assert drawn.get_suptitle()
            drawn.canvas.draw()
        assert callable(module.figures)  # Importing a module of that name would take its place.


@pytest.mark.parametrize("name", NAMES)
def test_rates_share_a_program(name, small_mnist):
    """`build` and the learner take traced learning rates: a sweep trains them as one population."""
    module = experiments.load(name)
    config = smallest(module)
    fields = configs.flatten(config).items()
    paths = [path for path, value in fields if "rate" in path and isinstance(value, float)]
    if not paths:
        pytest.skip("no learning rate")
    members = [configs.replace(config, dict.fromkeys(paths, rate)) for rate in (1e-3, 1e-2)]
    groups = [(g.members, g.paths) for g in group(module, members)]
    assert groups == [([0, 1], tuple(sorted(paths)))]

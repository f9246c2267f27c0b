"""The loop: order of the data, equality of its settings, devices, seeds, divergence."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dlfun import experiment as experiments
from dlfun.metrics import values
from dlfun.optimizers import Optimizer
from dlfun.random import stream
from dlfun.train import batches as feed
from dlfun.train import loop


@pytest.fixture
def build(small_mnist):
    """Builds mnist_mlp, small and short, with some fields changed."""
    module = experiments.load("mnist_mlp")

    def make(**fields):
        return module.build(module.Config(**{"hidden": (16,), "epochs": 2} | fields))

    return make


def finish(experiment, devices=1, **options):
    """The last progress of a whole training, its state as NumPy arrays."""
    programs = loop.compile_programs(experiment, devices)
    position = loop.start(experiment, programs.rows)
    for progress in loop.fit(experiment, position, programs, **options):
        last = progress
    return last._replace(position=jax.device_get(last.position))


def assert_equal(a, b, **tolerance):
    compare = np.testing.assert_allclose if tolerance else np.testing.assert_array_equal
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        compare(x, y, **tolerance)


def test_order_is_a_function_of_seed_and_epoch():
    orders = {(s, e): feed.order(s, e, 100, 8) for s in (0, 1) for e in (0, 1)}
    again = {(s, e): feed.order(s, e, 100, 8) for s in (1, 0) for e in (1, 0)}
    for place, found in orders.items():
        np.testing.assert_array_equal(found, again[place])
        assert found.shape == (13, 8)
        assert sorted(found[found >= 0]) == list(range(100))
    assert len({found.tobytes() for found in orders.values()}) == 4


def test_streams_differ_by_seed_and_name():
    keys = {jax.random.key_data(stream(s, n)).tobytes() for s in (0, 1) for n in ("init", "data")}
    assert len(keys) == 4


def test_fit_equals_a_plain_loop_over_a_compiled_update(build):
    experiment = build()
    learner, train = experiment.learner, experiment.dataset.splits["train"]
    data = {name: jnp.asarray(array) for name, array in train.items()}
    state, update, step = loop.start(experiment).state, jax.jit(learner.update), 0
    for epoch in range(experiment.epochs):
        for indices in feed.order(0, epoch, len(train["label"]), experiment.batch_size):
            batch = feed.gather(data, jnp.asarray(indices))
            state, _ = update(state, batch, jax.random.fold_in(stream(0, "update"), step))
            step += 1
    found = finish(experiment)
    assert found.position.step == step == 10
    assert_equal(found.position.state.params, state.params, rtol=1e-5, atol=1e-6)


def test_python_loop_and_pieces_change_no_bit(build, monkeypatch):
    whole = finish(build())
    stepwise = finish(build(), loop="python")
    monkeypatch.setattr(loop, "SECONDS", 1e-9)
    pieces = finish(build())
    for other in (stepwise, pieces):
        assert_equal(other.position, whole.position)
        assert_equal(other.evaluated, whole.evaluated)


@pytest.mark.parametrize("batch_size", [64, 33])
def test_two_devices_equal_one(build, batch_size):
    """Also where neither the set divides by the batch nor the batch by the devices."""
    one, two = (finish(build(batch_size=batch_size), devices=n) for n in (1, 2))
    assert_equal(two.position.state.params, one.position.state.params, rtol=1e-4, atol=1e-6)
    a, b = values(one.evaluated["test"]), values(two.evaluated["test"])
    assert a["accuracy"] == b["accuracy"]
    assert float(two.evaluated["train"]["loss"].count) == 300


def test_seeds(build):
    first, again, other = (finish(build(seed=seed)) for seed in (0, 0, 1))
    assert_equal(first.position, again.position)
    kernels = [jax.tree.leaves(p.position.state.params)[1] for p in (first, other)]
    assert not np.array_equal(*kernels)


def test_resume_within_an_epoch_is_exact(build, monkeypatch):
    experiment = build()
    unbroken = finish(experiment)
    monkeypatch.setattr(loop, "SECONDS", 1e-9)
    for stop in (1, 4, 5, 8):
        for progress in loop.fit(experiment, loop.start(experiment)):
            if progress.position.step == stop:
                middle = jax.device_get(progress.position)
                break
        for progress in loop.fit(experiment, middle):
            last = progress
        assert_equal(last.position, unbroken.position)
        assert_equal(last.evaluated, unbroken.evaluated)


def test_evaluation_batches_do_not_matter(build, monkeypatch):
    experiment = build()
    state = loop.start(experiment).state
    whole = values(loop.evaluate(experiment, state)["test"])
    monkeypatch.setattr(loop, "EVALUATION_BATCH", 7)
    parts = values(loop.evaluate(experiment, state, loop.compile_programs(experiment, 2))["test"])
    assert parts["accuracy"] == whole["accuracy"]
    assert parts["loss"] == pytest.approx(whole["loss"], rel=1e-5)


@pytest.mark.parametrize("devices", [1, 2])
def test_divergence_names_the_step(build, devices):
    experiment = build(optimizer=Optimizer("sgd", learning_rate=1e38))
    last = finish(experiment, devices=devices)
    assert last.diverged is not None
    assert 0 < last.diverged < 5
    assert last.evaluated is None


def test_validation_is_a_split_of_its_own(build):
    last = finish(build(validation=0.25, epochs=1))
    counts = {name: float(m["loss"].count) for name, m in last.evaluated.items()}
    assert counts == {"train": 225, "validation": 75, "test": 120}


def test_padding_counts_for_nothing(build):
    """A batch with examples of weight 0 gives what the batch without them gives."""
    learner, dataset = build().learner, build().dataset
    data = {name: jnp.asarray(array) for name, array in dataset.splits["train"].items()}
    key = stream(0, "update")
    alone = feed.gather(data, jnp.arange(5))
    padded = feed.gather(data, jnp.asarray([0, 1, 2, 3, 4, -1, -1, -1]))
    state = learner.init(key, alone)
    for f in (lambda b: learner.update(state, b, key), lambda b: learner.evaluate(state, b, key)):
        assert_equal(f(padded), f(alone), rtol=1e-5, atol=1e-7)


def test_population_equals_serial(build):
    """vmap over seeds and learning rates trains each member as if alone."""
    experiment = build()
    train = {n: jnp.asarray(a) for n, a in experiment.dataset.splits["train"].items()}
    module = experiments.load("mnist_mlp")

    def run(seed, rate):
        config = module.Config(hidden=(16,), optimizer=Optimizer(learning_rate=rate))
        learner = module.build(config).learner
        key = jax.random.fold_in(jax.random.key(0), seed)
        state = learner.init(key, feed.gather(train, jnp.arange(1)))
        for i in range(3):
            batch = feed.gather(train, jnp.arange(8) + 8 * i)
            state, measured = learner.update(state, batch, key)
        return state.params, measured["loss"].total

    seeds, rates = jnp.arange(3), jnp.asarray([1e-3, 3e-3, 1e-2])
    together = jax.vmap(run)(seeds, rates)
    for i in range(3):
        alone = run(seeds[i], rates[i])
        assert_equal(jax.tree.map(lambda x: x[i], together), alone, rtol=1e-3, atol=1e-4)  # noqa: B023


def test_dataset_is_not_changed(build):
    experiment = build()
    before = {n: a.copy() for n, a in experiment.dataset.splits["train"].items()}
    finish(experiment)
    assert_equal(experiment.dataset.splits["train"], before)

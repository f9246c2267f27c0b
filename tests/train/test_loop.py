"""The loop: order of the data, equality of its settings, devices, seeds, divergence."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dlfun import experiment as experiments
from dlfun.data import hold_out_validation
from dlfun.metrics import values
from dlfun.optimizers import Optimizer
from dlfun.random import stream
from dlfun.train import batches, loop
from dlfun.train.compile import NO_STEP, compile_learner
from dlfun.train.gather import gather
from tests.works import assert_equal, finish, make_work, params, programs_of


@pytest.fixture(scope="module")
def work(digits):
    return make_work(digits)


@pytest.fixture(scope="module")
def programs(work):
    return programs_of(work)


@pytest.fixture(scope="module")
def whole(work, programs):
    """An unbroken training, at its end."""
    return finish(work, programs)


def metrics(progress, split):
    return values(loop.member(progress.evaluated[split], 0))


def test_order_is_a_function_of_seed_and_epoch(digits):
    order = digits.order
    orders = {(s, e): order(s, e, 100, 8) for s in (0, 1) for e in (0, 1)}
    again = {(s, e): order(s, e, 100, 8) for s in (1, 0) for e in (1, 0)}
    for key, indices in orders.items():
        np.testing.assert_array_equal(indices, again[key])
        assert indices.shape == (13, 8)
        assert sorted(indices[indices >= 0]) == list(range(100))
    assert len({indices.tobytes() for indices in orders.values()}) == 4


def test_streams_differ_by_seed_name_and_stage(work):
    names = [(s, n) for s in (0, 1) for n in ("init", "data")]
    keys = {jax.random.key_data(stream(*name)).tobytes() for name in names}
    assert len(keys) == 4
    stages = [jax.random.key_data(work._replace(number=n).keys("init")) for n in (0, 1, 2)]
    assert len({key.tobytes() for key in stages}) == 3
    np.testing.assert_array_equal(stages[0][0], jax.random.key_data(stream(0, "init")))


def test_fit_equals_a_plain_loop_over_a_compiled_update(work, programs, whole):
    learner, dataset = work.stage.learner, work.stage.dataset
    data = {name: jnp.asarray(array) for name, array in dataset.splits["train"].items()}
    state, update, step = (
        loop.member(loop.start(work, programs).state, 0),
        jax.jit(learner.update),
        0,
    )
    for epoch in range(work.stage.epochs):
        for indices in dataset.order(0, epoch, dataset.size("train"), work.stage.batch_size):
            batch = gather(data, jnp.asarray(indices))
            state, _ = update(state, batch, jax.random.fold_in(stream(0, "update"), step))
            step += 1
    assert whole.position.step == step == 10
    assert_equal(params(whole), state.params, rtol=1e-5, atol=1e-6)


def test_python_loop_and_pieces_change_no_bit(work, programs, whole, monkeypatch):
    stepwise = finish(work, programs, loop="python")
    monkeypatch.setattr(loop, "SECONDS", 1e-9)
    pieces = finish(work, programs)
    for other in (stepwise, pieces):
        assert_equal(other.position, whole.position)
        assert_equal(other.evaluated, whole.evaluated)


@pytest.mark.parametrize("batch_size", [64, 33])
def test_two_devices_equal_one(digits, programs, batch_size):
    """Also where neither the set divides by the batch nor the batch by the devices."""
    work = make_work(digits, batch_size=batch_size)
    one = finish(work, programs)
    for parallel in ("jit", "shard_map"):
        two = finish(work, programs_of(work, 2, parallel))
        assert_equal(params(two), params(one), rtol=1e-4, atol=1e-6)
        a, b = metrics(one, "test"), metrics(two, "test")
        assert a["accuracy"] == b["accuracy"]
        assert float(two.evaluated["train"]["loss"].count[0]) == 300


def test_seeds(work, programs, whole):
    again, other = (finish(work._replace(seeds=(seed,)), programs) for seed in (0, 1))
    assert_equal(whole.position, again.position)
    kernels = [jax.tree.leaves(params(p))[1] for p in (whole, other)]
    assert not np.array_equal(*kernels)


def test_resume_within_an_epoch_is_exact(work, programs, whole, monkeypatch):
    monkeypatch.setattr(loop, "SECONDS", 1e-9)
    for stop in (1, 4, 5, 8):
        for progress in loop.fit(work, loop.start(work, programs), programs):
            if progress.position.step == stop:
                middle = jax.device_get(progress.position)
                break
        last = finish(work, programs, middle)
        assert_equal(last.position, whole.position)
        assert_equal(last.evaluated, whole.evaluated)


def test_until_ends_at_an_epoch_and_stop_after_a_piece(work, programs, monkeypatch):
    assert finish(work, programs, until=1).position.step == 5
    monkeypatch.setattr(loop, "SECONDS", 1e-9)
    stopped = finish(work, programs, stop=lambda: True)
    assert (stopped.position.step, stopped.stopped, stopped.evaluated) == (1, True, None)


def test_evaluation_batches_do_not_matter(work, programs, monkeypatch):
    state = loop.member(loop.start(work, programs).state, 0)
    whole = loop.evaluate(work, state, programs)["test"]
    monkeypatch.setattr(batches, "EVALUATION_BATCH", 7)
    parts = loop.evaluate(work, state, programs_of(work, 2, "shard_map"))["test"]
    assert parts["accuracy"] == whole["accuracy"]
    assert parts["loss"] == pytest.approx(whole["loss"], rel=1e-5)


def test_evaluation_waits_for_each_window(work, monkeypatch):
    """XLA can hang when many programs of several CPU devices wait to be run."""
    monkeypatch.setattr(batches, "EVALUATION_BATCH", 7)
    monkeypatch.setattr(batches, "WINDOW_BYTES", 1)
    programs, ready, large = programs_of(work, feed="stream"), [], jnp.ones((1000, 1000))
    slow = jax.jit(lambda part, x: jax.tree.map(lambda leaf: leaf + 0 * (x @ x)[0, 0], part))
    parts = []

    def evaluate(*arguments):
        ready.extend(leaf.is_ready() for leaf in jax.tree.leaves(parts))
        parts.append(slow(programs.evaluate(*arguments), large))
        return parts[-1]

    state = loop.member(loop.start(work, programs).state, 0)
    loop.evaluate(work, state, programs._replace(evaluate=evaluate))
    assert len(parts) > 2
    assert all(ready)


def test_state_of_pmap_comes_from_one_device(work):
    """A program on all devices for each array would make too many programs wait."""
    programs = programs_of(work, 2, "pmap")
    *_, last = loop.fit(work, loop.start(work, programs), programs)
    assert all(len(leaf.devices()) == 1 for leaf in jax.tree.leaves(last.position.state))


@pytest.mark.parametrize(("devices", "parallel"), [(1, "jit"), (2, "jit"), (2, "shard_map")])
def test_divergence_names_the_step(digits, devices, parallel):
    work = make_work(digits, optimizer=Optimizer("sgd", learning_rate=1e38))
    last = finish(work, programs_of(work, devices, parallel))
    (step,) = last.first_nonfinite_step
    assert 0 < step < 5 < NO_STEP
    assert last.evaluated is None


def test_validation_is_a_split_of_its_own(digits):
    last = finish(make_work(hold_out_validation(digits, 0.25, 0), epochs=1))
    counts = {name: float(m["loss"].count[0]) for name, m in last.evaluated.items()}
    assert counts == {"train": 225, "validation": 75, "test": 120}


def test_padding_counts_for_nothing(work):
    """A batch with examples of weight 0 gives what the batch without them gives."""
    stage = work.stage
    learner = stage.learner
    data = {name: jnp.asarray(array) for name, array in stage.dataset.splits["train"].items()}
    key = stream(0, "update")
    alone = gather(data, jnp.arange(5))
    padded = gather(data, jnp.asarray([0, 1, 2, 3, 4, -1, -1, -1]))
    state = jax.jit(learner.init)(key, alone)
    for function in (jax.jit(learner.update), jax.jit(learner.evaluate)):
        assert_equal(
            function(state, padded, key), function(state, alone, key), rtol=1e-5, atol=1e-7
        )


def test_population_equals_serial(digits, work):
    """vmap over seeds and learning rates trains each member as if alone."""
    experiment = experiments.load("mnist_mlp")

    def make(values):
        config = experiment.Config(hidden=(16,), optimizer=Optimizer(**values))
        return experiment.stages(config, digits)[0].learner

    programs = compile_learner(make)
    seeds, rates = (3, 0, 3), np.float32([1e-3, 3e-3, 1e-2])
    several = work._replace(seeds=seeds)
    together = finish(several, programs, member_values={"learning_rate": rates})
    for number, seed in enumerate(seeds):
        rate = {"learning_rate": rates[number : number + 1]}
        alone = finish(work._replace(seeds=(seed,)), programs, member_values=rate)
        assert_equal(params(together, number), params(alone), rtol=1e-3, atol=1e-5)
        for split in ("train", "test"):
            a, b = (loop.member(e.evaluated[split], n) for e, n in ((together, number), (alone, 0)))
            assert values(a)["loss"] == pytest.approx(values(b)["loss"], rel=1e-4)


def test_dataset_is_not_changed(work, programs):
    train = work.stage.dataset.splits["train"]
    before = {n: a.copy() for n, a in train.items()}
    finish(work, programs)
    assert_equal(train, before)

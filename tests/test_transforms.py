"""Learners made from learners keep the properties of those."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from dlfun import metrics
from dlfun.algorithms.supervised import supervised
from dlfun.data.augmentation import compose, cut_out, flip, shift
from dlfun.learner import AXIS, Learner, batch_noise, sum_over_devices
from dlfun.metrics import Ratio, values
from dlfun.nn import losses
from dlfun.nn.models.mlp import MLP
from dlfun.transforms import (
    augmented,
    compare,
    cropped,
    cross_validated,
    drawing,
    in_minibatches,
    recorded,
    repeat_update,
    with_drawn_pixels,
    with_gap,
    with_state_metrics,
)
from experiments.foundations.regularization_mnist.early_stopping import early_stopping
from tests.works import compiled

KEY = jax.random.key(0)


def make(rate=0.5):
    model = MLP((4,), 3)
    learner = supervised(
        model,
        losses.cross_entropy,
        optax.sgd(rate),
        eval_metrics=metrics.accuracy,
        columns=("x", "y"),
    )
    return compiled(learner)


def batch(size=6, weight=None):
    rng = np.random.default_rng(0)
    return {
        "x": jnp.asarray(rng.normal(1, 2, (size, 5)), jnp.float32),
        "y": jnp.arange(size) % 3,
        "weight": jnp.ones(size) if weight is None else jnp.asarray(weight, jnp.float32),
    }


def close(a, b):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6), a, b)


def test_each_fold_is_trained_on_the_others_and_evaluated_on_its_own():
    examples = batch() | {"fold": jnp.arange(6) % 2}
    crossed = compiled(cross_validated(make(), 2))
    state, measured = crossed.update(crossed.init(KEY, examples), examples, KEY)
    held_out = crossed.evaluate(state, examples, KEY)
    totals = []
    for fold in (0, 1):
        one = jax.tree.map(lambda leaf: leaf[fold], crossed.init(KEY, examples))  # noqa: B023
        others = batch(weight=np.arange(6) % 2 != fold)
        alone, _ = make().update(one, others, jax.random.fold_in(KEY, fold))
        close(jax.tree.map(lambda leaf: leaf[fold], state), alone)  # noqa: B023
        totals.append(make().evaluate(alone, batch(weight=np.arange(6) % 2 == fold), KEY))
        close(crossed.predict(state, examples)[:, fold], make().predict(alone, examples))
        close(held_out["fold_accuracy"].total[fold], totals[-1]["accuracy"].total)
    assert float(measured["loss"].count) == float(held_out["loss"].count) == 6
    close(held_out["loss"].total, totals[0]["loss"].total + totals[1]["loss"].total)


def test_compared_learners_are_as_alone():
    learners = {"slow": make(0.1), "fast": make(0.5)}
    compared = compiled(compare(learners))
    state, measured = compared.update(compared.init(KEY, batch()), batch(), KEY)
    held_out = compared.evaluate(state, batch(), KEY)
    predictions = compared.predict(state, batch())
    for name, learner in learners.items():
        alone, metrics_alone = learner.update(learner.init(KEY, batch()), batch(), KEY)
        close(state[name], alone)
        close(measured[f"{name}_loss"], metrics_alone["loss"])
        close(predictions[name], learner.predict(alone, batch()))
        close(held_out[f"{name}_accuracy"], learner.evaluate(alone, batch(), KEY)["accuracy"])
    total = sum(values(measured)[f"{name}_loss"] for name in learners)
    np.testing.assert_allclose(values(measured)["loss"], total, rtol=1e-6)


def test_minibatches_are_batches_one_after_another():
    learner = make()
    state = learner.init(KEY, batch(10))
    found, measured = in_minibatches(learner, 4).update(state, batch(10, [1] * 9 + [0]), KEY)
    seen = []
    for part in (slice(0, 4), slice(4, 8), slice(8, 9)):
        state, one = learner.update(state, {n: a[part] for n, a in batch(10).items()}, KEY)
        seen.append(one["loss"])
    close(found, state)
    close(measured["loss"].total, sum(one.total for one in seen))
    assert float(measured["loss"].count) == 9


def test_minibatches_without_examples_change_nothing():
    learner = in_minibatches(make(), 2)
    state = learner.init(KEY, batch())
    padded, _ = learner.update(state, batch(6, [1, 1, 1, 0, 0, 0]), KEY)
    short, _ = learner.update(state, batch(4, [1, 1, 1, 0]), KEY)
    close(padded, short)


def test_state_metrics_do_not_depend_on_how_batches_are_cut():
    learner = with_state_metrics(make(), lambda state: {"norm": optax.tree.norm(state.params)})
    state = learner.init(KEY, batch())
    parts = [learner.evaluate(state, batch(n), KEY) for n in (2, 6)]
    joined = values(metrics.add(*parts))["norm"]
    np.testing.assert_allclose(joined, optax.tree.norm(state.params), rtol=1e-6)


def test_a_repeated_update_is_updates_one_after_another():
    learner, state = make(), make().init(KEY, batch())
    often, measured = repeat_update(learner, 3).update(state, batch(), KEY)
    losses = []
    for number in range(3):
        state, measured_once = learner.update(state, batch(), jax.random.fold_in(KEY, number))
        losses.append(values(measured_once)["loss"])
    close(often, state)
    np.testing.assert_allclose(values(measured)["loss"], np.mean(losses), rtol=1e-6)


def test_the_gap_is_the_loss_less_that_on_what_was_seen():
    """Also where the batches are cut."""
    learner, held_out = make(), batch(6)
    seen = {name: array for name, array in batch(4).items() if name != "weight"}
    state = learner.init(KEY, batch())
    with_gaps = with_gap(learner, seen)
    loss, known = (values(learner.evaluate(state, b, KEY))["loss"] for b in (held_out, batch(4)))
    cut = [jax.tree.map(lambda a, p=part: a[p], held_out) for part in (slice(0, 4), slice(4, 6))]
    parts = [with_gaps.evaluate(state, part, KEY) for part in (held_out, *cut)]
    for measured in (parts[0], jax.tree.map(jnp.add, *parts[1:])):
        np.testing.assert_allclose(values(measured)["gap"], loss - known, rtol=1e-5)


def recording():
    """A learner whose state is the images that it was trained on, by their place in the batch."""

    def update(state, batch, key):
        seen = batch["x"] * batch["weight"].astype(jnp.uint8)[:, None, None, None]
        places = jnp.cumsum(jnp.ones(len(seen), jnp.int32)) - 1
        places += 0 if len(seen) == 8 else jax.lax.axis_index(AXIS) * len(seen)
        seen = jnp.zeros((8, *seen.shape[1:]), jnp.uint8).at[places].set(seen)
        return sum_over_devices(seen), {"loss": metrics.mean(batch["weight"], batch["weight"])}

    def evaluate(state, batch, key):
        return {"loss": metrics.mean(batch["x"].mean((1, 2, 3)), batch["weight"])}

    return Learner(lambda key, batch: jnp.zeros((8, 6, 6, 1), jnp.uint8), update, evaluate)


def images(padding):
    pixels = np.random.default_rng(0).integers(1, 256, (8, 6, 6, 1))
    weight = jnp.arange(8) < 8 - padding
    return {"x": jnp.asarray(pixels, jnp.uint8), "weight": weight.astype(jnp.float32)}


CHANGES = (
    partial(augmented, augmentation=compose(shift(2), flip(), cut_out(3)), name="x"),
    partial(with_drawn_pixels, name="x"),
)


@pytest.mark.parametrize("change", CHANGES)
def test_changed_images_do_not_depend_on_devices_or_padding(change):
    learner = change(recording())
    state, batch = jnp.zeros((8, 6, 6, 1), jnp.uint8), images(0)
    alone, _ = learner.update(state, batch, KEY)
    assert len({bytes(np.asarray(one)) for one in alone}) == 8
    again, _ = learner.update(state, batch, jax.random.key(1))
    assert (np.asarray(alone) != np.asarray(again)).any((1, 2, 3)).all()
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:2]), (AXIS,))
    whole, split = jax.sharding.PartitionSpec(), jax.sharding.PartitionSpec(AXIS)
    shared = jax.shard_map(
        lambda batch: learner.update(state, batch, KEY)[0],
        mesh=mesh, in_specs=split, out_specs=whole, check_vma=False,
    )  # fmt: skip
    np.testing.assert_array_equal(jax.jit(shared)(batch), alone)
    placed = jax.device_put(batch, jax.sharding.NamedSharding(mesh, split))
    np.testing.assert_array_equal(jax.jit(learner.update)(state, placed, KEY)[0], alone)
    padded, _ = learner.update(state, images(3), KEY)
    np.testing.assert_array_equal(padded[:5], alone[:5])


def test_pixels_are_drawn_on_as_often_as_their_grey_says():
    image = jnp.tile(jnp.array([0, 255, 51, 102], jnp.uint8), (4000, 1))
    seen = Learner(lambda key, batch: None, lambda _, batch, key: (batch["image"], {}), None)
    drawn, _ = with_drawn_pixels(seen).update(None, {"image": image}, KEY)
    assert set(np.unique(drawn)) == {0, 255}
    np.testing.assert_allclose(drawn.mean(axis=0) / 255, [0, 1, 0.2, 0.4], atol=0.04)


@pytest.mark.parametrize("change", CHANGES)
def test_images_are_evaluated_as_they_are(change):
    learner, batch = recording(), images(0)
    close(change(learner).evaluate(0, batch, KEY), learner.evaluate(0, batch, KEY))


def test_transforms_keep_how_a_batch_may_be_split():
    """Mini-batches of a device's share would be other ones."""
    learner, alone = make(), make()._replace(averages=False, predict=None)
    assert learner.averages
    for made in (
        compare({"a": learner, "b": learner}),
        repeat_update(learner, 2),
        augmented(learner, flip(), "x"),
        with_drawn_pixels(learner, "x"),
        with_state_metrics(learner, lambda state: {}),
        with_gap(learner, {"x": np.zeros((1, 5), np.float32), "y": np.zeros(1, np.int32)}),
        early_stopping(learner, {"x": np.zeros((1, 5), np.float32), "y": np.zeros(1, np.int32)}, 1),
    ):
        assert made.averages
        assert made.predict is not None
    assert not in_minibatches(learner, 2).averages
    partly = compare({"a": learner, "b": alone})
    assert not partly.averages
    assert partly.predict is None


def test_noise_is_that_of_the_whole_batch():
    """On each device its own share, though the key is the same."""
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:2]), (AXIS,))
    whole, split = jax.sharding.PartitionSpec(), jax.sharding.PartitionSpec(AXIS)
    noise = jax.shard_map(
        lambda key: batch_noise(lambda shape: jax.random.uniform(key, shape), (2, 3)),
        mesh=mesh, in_specs=whole, out_specs=split, check_vma=False,
    )(KEY)  # fmt: skip
    np.testing.assert_array_equal(noise, jax.random.uniform(KEY, (4, 3)))


def test_drawn_examples_are_new_in_each_update_and_do_not_depend_on_padding():
    def draw(key):
        return {"x": jax.random.normal(key, (5,)), "y": jnp.zeros((), int)}

    seen = []

    def update(state, batch, key):
        seen.append(np.asarray(batch["x"]))
        return state, {}

    def evaluate(state, batch, key):
        return batch["x"]

    learner = drawing(make()._replace(update=update, evaluate=evaluate), draw)
    ticks = {"tick": jnp.zeros(4), "weight": jnp.ones(4)}
    more = {"tick": jnp.zeros(6), "weight": jnp.asarray([1.0, 1, 1, 1, 0, 0])}
    for examples, key in ((ticks, KEY), (more, KEY), (ticks, jax.random.key(1))):
        learner.update(None, examples, key)
    np.testing.assert_array_equal(seen[0], seen[1][:4])
    assert not (seen[0] == seen[2]).any()
    assert len(np.unique(seen[0])) == 20

    def draw_from(key, tick):
        return {"x": draw(key)["x"] + tick}

    learner_from = drawing(make()._replace(update=update), draw_from, "tick")
    learner_from.update(None, ticks | {"tick": jnp.arange(4.0)}, KEY)
    np.testing.assert_array_equal(seen[3], seen[0] + np.arange(4, dtype=np.float32)[:, None])
    np.testing.assert_array_equal(learner.evaluate(None, batch(), KEY), batch()["x"])


def test_a_batch_is_cut_to_a_width_that_holds_its_longest():
    seen = []

    def update(state, batch, key):
        seen.append(batch["x"].shape[1])
        width = jnp.asarray(float(batch["x"].shape[1]))
        loss = Ratio((batch["x"].sum(1) * batch["weight"]).sum(), batch["weight"].sum())
        return width, {"loss": loss}

    whole = Learner(lambda key, batch: jnp.zeros(()), update, lambda s, b, k: update(s, b, k)[1])
    learner = cropped(whole, {"x": "length", "y": "y_length"}, (3, 5, 9))
    for lengths, y_lengths, width in (
        ([1, 3], [2, 2], 3),
        ([1, 3], [2, 4], 5),
        ([7, 1], [1, 1], 7),
    ):
        x = jnp.where(jnp.arange(7) < jnp.array(lengths)[:, None], 1.0, 0.0)
        batch = {"x": x, "length": jnp.array(lengths), "y": x, "y_length": jnp.array(y_lengths)}
        batch |= {"weight": jnp.ones(2)}
        state, measured = jax.jit(learner.update)(jnp.zeros(()), batch, KEY)
        assert state == width
        assert float(measured["loss"].total) == sum(lengths)
        assert learner.evaluate(state, batch, KEY)["loss"].total == sum(lengths)
    assert set(seen) == {3, 5, 7}


def test_a_record_has_the_end_and_the_metrics_of_each_part():
    """Five updates in two parts, of three and two; then one more, which belongs to the last."""
    learner, examples = make(), batch()
    kept = compiled(recorded(learner, lambda state: state.params, 2, 5, ["loss"]))
    state, alone, losses, states = kept.init(KEY, examples), learner.init(KEY, examples), [], []
    close(state.state, alone)
    for step in range(6):
        key = jax.random.fold_in(KEY, step)
        state, _ = kept.update(state, examples, key)
        alone, measured = learner.update(alone, examples, key)
        losses.append(float(measured["loss"].total))
        states.append(alone.params)
    close(state.state, alone)
    close(state.kept, jax.tree.map(lambda a, b: jnp.stack([a, b]), states[2], states[5]))
    np.testing.assert_allclose(
        state.measured["loss"].total, [sum(losses[:3]), sum(losses[3:])], rtol=1e-5
    )
    np.testing.assert_allclose(state.measured["loss"].count, [18, 18])
    nothing, _ = kept.update(state, batch(weight=np.zeros(6)), KEY)
    jax.tree.map(np.testing.assert_array_equal, nothing, state)

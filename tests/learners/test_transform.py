"""Learners made from learners keep what is true of each."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from dlfun import losses, metrics
from dlfun.learners.supervised import supervised
from dlfun.learners.transform import again, in_pieces, side_by_side, telling, with_gap
from dlfun.metrics import values
from dlfun.models.mlp import MLP

KEY = jax.random.key(0)


def make(rate=0.5):
    model = MLP((4,), 3)
    return supervised(
        model, losses.cross_entropy, optax.sgd(rate), measure=metrics.accuracy, names=("x", "y")
    )


def batch(size=6, weight=None):
    rng = np.random.default_rng(0)
    return {
        "x": jnp.asarray(rng.normal(1, 2, (size, 5)), jnp.float32),
        "y": jnp.arange(size) % 3,
        "weight": jnp.ones(size) if weight is None else jnp.asarray(weight, jnp.float32),
    }


def close(a, b):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6), a, b)


def test_side_by_side_is_each_alone():
    learners = {"slow": make(0.1), "fast": make(0.5)}
    both = side_by_side(learners)
    state, measured = both.update(both.init(KEY, batch()), batch(), KEY)
    held_out = both.evaluate(state, batch(), KEY)
    for name, learner in learners.items():
        alone, own = learner.update(learner.init(KEY, batch()), batch(), KEY)
        close(state[name], alone)
        close(measured[f"{name}_loss"], own["loss"])
        close(held_out[f"{name}_accuracy"], learner.evaluate(alone, batch(), KEY)["accuracy"])
    total = sum(values(measured)[f"{name}_loss"] for name in learners)
    np.testing.assert_allclose(values(measured)["loss"], total, rtol=1e-6)


def test_pieces_are_batches_one_after_another():
    learner = make()
    pieces, alone = in_pieces(learner, 4), learner
    state = learner.init(KEY, batch(10))
    found, measured = pieces.update(state, batch(10, [1] * 9 + [0]), KEY)
    seen = []
    for part in (slice(0, 4), slice(4, 8), slice(8, 9)):
        state, one = alone.update(state, {n: a[part] for n, a in batch(10).items()}, KEY)
        seen.append(one["loss"])
    close(found, state)
    close(measured["loss"].total, sum(one.total for one in seen))
    assert float(measured["loss"].count) == 9


def test_pieces_without_examples_change_nothing():
    pieces = in_pieces(make(), 2)
    state = pieces.init(KEY, batch())
    padded, _ = pieces.update(state, batch(6, [1, 1, 1, 0, 0, 0]), KEY)
    short, _ = pieces.update(state, batch(4, [1, 1, 1, 0]), KEY)
    close(padded, short)


def test_told_scalars_do_not_depend_on_how_batches_are_cut():
    learner = telling(make(), lambda state: {"norm": optax.tree.norm(state.params)})
    state = learner.init(KEY, batch())
    parts = [learner.evaluate(state, batch(n), KEY) for n in (2, 6)]
    joined = values(metrics.add(*parts))["norm"]
    np.testing.assert_allclose(joined, optax.tree.norm(state.params), rtol=1e-6)


def test_again_is_updates_one_after_another():
    learner, state = make(), make().init(KEY, batch())
    often, measured = again(learner, 3).update(state, batch(), KEY)
    losses = []
    for number in range(3):
        state, own = learner.update(state, batch(), jax.random.fold_in(KEY, number))
        losses.append(values(own)["loss"])
    close(often, state)
    np.testing.assert_allclose(values(measured)["loss"], np.mean(losses), rtol=1e-6)


def test_the_gap_is_the_loss_less_that_on_what_was_seen():
    """Also where the batches are cut."""
    learner, held_out = make(), batch(6)
    seen = {name: array for name, array in batch(4).items() if name != "weight"}
    state = learner.init(KEY, batch())
    told = with_gap(learner, seen)
    loss, known = (values(learner.evaluate(state, b, KEY))["loss"] for b in (held_out, batch(4)))
    cut = [jax.tree.map(lambda a, p=part: a[p], held_out) for part in (slice(0, 4), slice(4, 6))]
    parts = [told.evaluate(state, part, KEY) for part in (held_out, *cut)]
    for measured in (parts[0], jax.tree.map(jnp.add, *parts[1:])):
        np.testing.assert_allclose(values(measured)["gap"], loss - known, rtol=1e-5)

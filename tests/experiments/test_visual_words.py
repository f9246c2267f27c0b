"""Descriptors of edges, centres of clusters, histograms of regions; nothing read of the test."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dlfun.data import Dataset
from experiments.foundations.shallow_against_deep.descriptors import describe
from experiments.foundations.shallow_against_deep.k_means import k_means
from experiments.foundations.shallow_against_deep.visual_words import pyramid, with_words

RNG = np.random.default_rng(0)
KEY = jax.random.key(0)


def test_a_flat_patch_is_zero_and_an_edge_has_its_direction():
    ramp = np.broadcast_to(np.arange(28, dtype=np.uint8) * 9, (28, 28))
    images = np.stack([np.zeros_like(ramp), ramp, ramp.T])[..., None]
    flat, right, down = np.asarray(describe(jnp.asarray(images)))[:, 5, 5].reshape(3, 4, 8)
    assert not flat.any()
    assert (right.argmax(axis=1) == 0).all()
    assert (down.argmax(axis=1) == 2).all()
    assert np.linalg.norm(right) == pytest.approx(1)


def test_k_means_finds_clusters_and_its_centres_are_means():
    middles = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]], np.float32)
    x = jnp.asarray(np.repeat(middles, 50, axis=0) + RNG.normal(size=(150, 2)), jnp.float32)
    learner = k_means(x[jnp.array([0, 50, 100])])
    batch = {"x": x, "weight": jnp.ones(150)}
    state, first = learner.update(learner.init(KEY, batch), batch, KEY)
    np.testing.assert_allclose(state.centres, x.reshape(3, 50, 2).mean(axis=1), rtol=1e-4)
    assert learner.evaluate(state, batch, KEY)["loss"].total < first["loss"].total
    half = batch | {"weight": jnp.ones(150).at[75:].set(0)}
    short = {name: array[:75] for name, array in batch.items()}
    padded, alone = (learner.update(state, b, KEY)[0] for b in (half, short))
    np.testing.assert_allclose(padded.centres, alone.centres, rtol=1e-5)


def test_k_means_is_about_as_good_as_scikit_learn():
    cluster = pytest.importorskip("sklearn.cluster")
    x = RNG.normal(size=(2000, 4)).astype(np.float32)
    learner = k_means(jnp.asarray(x[:16]))
    state = learner.init(KEY, {})
    for epoch in range(10):
        for part in np.array_split(np.random.default_rng(epoch).permutation(x), 10):
            state, _ = learner.update(
                state, {"x": jnp.asarray(part), "weight": jnp.ones(len(part))}, KEY
            )
    theirs = cluster.KMeans(16, n_init=3, random_state=0).fit(x).inertia_
    loss = learner.evaluate(state, {"x": jnp.asarray(x), "weight": jnp.ones(2000)}, KEY)["loss"]
    assert float(loss.total) < 1.1 * theirs


def test_each_level_of_a_pyramid_counts_every_patch_once_where_it_is():
    word = jnp.asarray(RNG.integers(0, 5, (3, 11, 11)))
    found = np.asarray(pyramid(word, 5))
    assert found.shape == (3, 21 * 5)
    whole, quarters, sixteenths = np.split(found.reshape(3, 21, 5), [1, 5], axis=1)
    expected = np.stack([np.bincount(w.ravel(), minlength=5) for w in np.asarray(word)])
    for level in (whole, quarters, sixteenths):
        np.testing.assert_array_equal(level.sum(axis=1), expected)
    corner = np.bincount(np.asarray(word)[0, :6, :6].ravel(), minlength=5)
    np.testing.assert_array_equal(quarters[0, 0], corner)


def test_words_are_learned_from_the_training_images_alone(digits):
    blank = {**digits.splits["test"], "image": np.zeros_like(digits.splits["test"]["image"])}
    changed = digits._replace(splits={**digits.splits, "test": blank})
    found: list[Dataset] = [with_words(d, 8, seed=0) for d in (digits, changed)]
    one, two = (d.splits["train"]["words"] for d in found)
    np.testing.assert_array_equal(one, two)
    assert one.shape == (300, 21 * 8)
    assert (found[1].splits["test"]["words"][:, 0] == 121).all()  # Flat patches are word 0.

"""Metrics add up over batches and agree with their definitions in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dlfun import metrics


@pytest.fixture
def scored():
    """Logits, labels and weights of 40 examples in 7 classes, some of them padding."""
    random = np.random.default_rng(0)
    weight = (random.random(40) < 0.8).astype(np.float32)
    label = random.integers(0, 7, 40).astype(np.int32)
    return random.normal(size=(40, 7)).astype(np.float32), label, weight


def test_classification_equals_numpy(scored):
    logits, label, weight = scored
    found = metrics.values(metrics.classification(*map(jnp.asarray, scored)))
    kept = weight > 0
    logits, label = logits[kept], label[kept]
    guess = logits.argmax(axis=1)
    order = np.argsort(-logits, axis=1)
    matrix = np.array([[np.sum((label == i) & (guess == j)) for j in range(7)] for i in range(7)])
    rows = matrix.sum(axis=1, keepdims=True)
    assert found["accuracy"] == pytest.approx((guess == label).mean())
    assert found["top_5"] == pytest.approx((order[:, :5] == label[:, None]).any(axis=1).mean())
    np.testing.assert_allclose(found["confusion"], matrix / rows, rtol=1e-6)
    np.testing.assert_allclose(found["class_accuracy"], np.diag(matrix) / rows[:, 0], rtol=1e-6)


def test_sums_of_batches_are_those_of_all(scored):
    whole = metrics.classification(*map(jnp.asarray, scored))
    parts = [
        metrics.classification(*(jnp.asarray(a[i : i + 13]) for a in scored)) for i in (0, 13, 26)
    ]
    rest = metrics.classification(*(jnp.asarray(a[39:]) for a in scored))
    together = metrics.add(metrics.add(metrics.add(*parts[:2]), parts[2]), rest)
    for a, b in zip(jax.tree.leaves(together), jax.tree.leaves(whole), strict=True):
        np.testing.assert_array_equal(a, b)


def test_nothing_counted_is_nan_and_nan_logits_are_no_hit():
    empty = metrics.classification(jnp.zeros((1, 3)), jnp.zeros(1, jnp.int32), jnp.zeros(1))
    assert np.isnan(metrics.values(empty)["accuracy"])
    broken = metrics.top_k(jnp.full((1, 3), jnp.nan), jnp.zeros(1, jnp.int32), jnp.ones(1))
    assert float(broken.total) == 0


@pytest.mark.parametrize("k", [1, 2, 5])
def test_of_equal_logits_the_first_is_the_largest(k):
    random = np.random.default_rng(1)
    logits = np.r_[random.integers(0, 3, (200, 7)), np.zeros((7, 7))].astype(np.float32)
    logits[0] = [0, np.inf, 0, -np.inf, np.inf, 1, 2]
    label = np.r_[random.integers(0, 7, 200), np.arange(7)].astype(np.int32)
    label[0] = 1
    order = np.argsort(-logits, axis=1, kind="stable")[:, :k]
    hits = (order == label[:, None]).any(axis=1)
    for row, answer, hit in zip(logits, label, hits, strict=True):
        one = metrics.top_k(jnp.asarray(row[None]), jnp.asarray(answer[None]), jnp.ones(1), k)
        assert float(one.total) == hit
    found = metrics.values(
        metrics.classification(*map(jnp.asarray, (logits, label)), jnp.ones(207))
    )
    assert found["accuracy"] == pytest.approx((logits.argmax(axis=1) == label).mean())


def test_five_classes_have_no_top_5():
    few = metrics.classification(jnp.zeros((1, 5)), jnp.zeros(1, jnp.int32), jnp.ones(1))
    assert "top_5" not in few

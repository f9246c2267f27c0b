"""The buffer keeps the latest transitions, and draws among them alone."""

import jax
import jax.numpy as jnp
import numpy as np

from dlfun.algorithms import replay
from dlfun.algorithms.replay import Transition


def transitions(numbers):
    """Transitions of which each column tells the number."""
    n = jnp.asarray(numbers, jnp.float32)
    rows = jnp.stack([n, n + 0.5], axis=1)
    return Transition(rows, n.astype(jnp.int32), 2 * n, -rows, n % 2 == 1)


def test_the_ring_wraps_around_and_keeps_the_latest():
    buffer, rng = replay.empty(5, 2), np.random.default_rng(0)
    added = []
    for first in range(0, 40, 4):
        present = rng.random(4) < 0.6
        new = np.arange(first, first + 4)
        buffer = replay.add(buffer, transitions(new), jnp.asarray(present))
        added += new[present].tolist()
        assert buffer.added == len(added)
        rows = [n % 5 for n in range(len(added))][-5:]
        expected = transitions(added[-5:])
        for column, wanted in zip(buffer.stored, expected, strict=True):
            np.testing.assert_array_equal(column[jnp.array(rows, jnp.int32)], wanted)
    assert len(added) > 15


def test_nothing_is_drawn_that_was_not_added():
    buffer = replay.add(replay.empty(50, 2), transitions([3, 4, 5]), jnp.array([True, False, True]))
    drawn = replay.draw(buffer, jax.random.key(0), 100)
    assert set(np.asarray(drawn.action).tolist()) == {3, 5}
    for column, wanted in zip(drawn, transitions(drawn.action), strict=True):
        np.testing.assert_array_equal(column, wanted)

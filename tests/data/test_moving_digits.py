"""Videos of a moving digit: it moves as its label says, and one frame says nothing of it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dlfun.data.moving_digits import (
    DIRECTIONS,
    FASTEST,
    correlated,
    moving_digit,
    shrunk,
    videos,
)
from dlfun.errors import UserError

FRAMES, SIZE, COUNT = 4, 8, 6000
DOT = jnp.zeros((4, 4, 1), jnp.uint8).at[:2, :2].set(200)
"""Half as large it is one pixel, the first."""


@pytest.fixture(scope="module")
def dots():
    keys = jax.random.split(jax.random.key(0), COUNT)
    drawn = jax.jit(jax.vmap(lambda key: moving_digit(key, DOT, FRAMES, SIZE)))(keys)
    return {name: np.asarray(column) for name, column in drawn.items()}


@pytest.fixture(scope="module")
def places(dots):
    """The dot's row and column in each frame, [COUNT, FRAMES, 2]."""
    positions = np.stack(np.nonzero(dots["video"][..., 0]), axis=1)
    assert len(positions) == COUNT * FRAMES
    return positions[:, 2:].reshape(COUNT, FRAMES, 2)


def test_the_digit_moves_as_its_label_says_over_joined_borders(dots, places):
    moves = (np.diff(places, axis=1) + SIZE // 2) % SIZE - SIZE // 2
    assert (moves == moves[:, :1]).all()
    speed = np.abs(moves[:, 0]).max(axis=1)
    assert set(speed) == set(range(1, FASTEST + 1))
    steps = np.array([*DIRECTIONS.values()])[dots["label"]] * speed[:, None]
    np.testing.assert_array_equal(moves[:, 0], steps)
    assert np.bincount(dots["label"], minlength=8).min() > COUNT / 8 - 120


def test_one_frame_says_nothing_of_the_direction(dots, places):
    """In every frame and for every direction the dot is as often in each quarter of the canvas."""
    quarter = (places >= SIZE // 2) @ np.array([2, 1])
    for label in range(len(DIRECTIONS)):
        chosen = quarter[dots["label"] == label]
        for frame in range(FRAMES):
            share = np.bincount(chosen[:, frame], minlength=4) / len(chosen)
            np.testing.assert_allclose(share, 0.25, atol=5 * (0.25 * 0.75 / len(chosen)) ** 0.5)


def test_the_shift_by_which_frames_agree_best_is_the_motion(dots, digits):
    np.testing.assert_array_equal(correlated(dots["video"][:50]), dots["label"][:50])
    test = videos(digits, 3, 32, 40).splits["test"]
    assert (correlated(test["video"]) == test["label"]).mean() > 0.9


def test_a_digit_is_shrunk_to_the_means_of_its_blocks():
    image = jnp.arange(5 * 6, dtype=jnp.uint8).reshape(5, 6, 1)
    np.testing.assert_array_equal(shrunk(image)[..., 0], [[3, 5, 7], [15, 17, 19]])


def test_test_videos_are_drawn_once_of_the_digits_held_out(digits):
    made, again = (videos(digits, 3, 14, 130) for _ in range(2))
    jax.tree.map(np.testing.assert_array_equal, made.splits, again.splits)
    assert made.splits["train"] is digits.splits["train"]
    assert made.splits["test"]["video"].shape == (130, 3, 14, 14, 1)
    small = shrunk(jnp.asarray(digits.splits["test"]["image"][3]))
    np.testing.assert_array_equal(
        np.sort(made.splits["test"]["video"][3, 1], axis=None), np.sort(small, axis=None)
    )
    with pytest.raises(
        UserError, match="--canvas must be at least 14, the size of a digit, not 13"
    ):
        videos(digits, 3, 13, 1)

"""Rows of digits: captions read from left to right, places and numbers are uniform."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dlfun.data.digit_rows import NAMES, STEP, captions, digit_row, digit_rows
from dlfun.data.parallel_text import END
from dlfun.errors import UserError

SIZE, MOST, STOP = (36, 100), 4, 10
DOTS = np.zeros((10, 28, 28, 1), np.uint8)
DOTS[:, 14, 14, 0] = np.arange(1, 11)
"""Images of one dot, whose brightness is its label + 1."""


@pytest.fixture(scope="module")
def rows():
    keys = jax.random.split(jax.random.key(0), 2000)
    dots, labels = jnp.asarray(DOTS), jnp.arange(10)
    draw = jax.jit(jax.vmap(lambda key: digit_row(key, dots, labels, SIZE, MOST, STOP)))
    return {name: np.asarray(column) for name, column in draw(keys).items()}


def test_a_caption_names_the_digits_from_left_to_right(rows):
    lefts = []
    for image, caption in zip(rows["image"][..., 0], captions(rows), strict=True):
        columns = np.flatnonzero(image.any(axis=0))
        np.testing.assert_array_equal(image.max(axis=0)[columns] - 1, caption)
        assert (np.diff(columns) >= STEP).all()
        lefts += columns.tolist()
    assert (min(lefts), max(lefts)) == (14, SIZE[1] - 14)
    tops = np.nonzero(rows["image"])[1]
    assert (tops.min(), tops.max()) == (14, SIZE[0] - 14)
    assert np.bincount(rows["y_length"], minlength=6)[2:].min() > 2000 / 4 - 80


def test_captions_are_filled_up_with_the_end(rows):
    after = np.arange(MOST + 1) >= rows["y_length"][:, None] - 1
    assert (rows["y"][after] == STOP).all()
    assert (rows["y"][~after] < STOP).all()
    assert rows["y"].shape == (2000, MOST + 1)


def test_a_split_is_made_of_its_own_digits_and_the_same_again(digits):
    train, test = (
        {"image": DOTS, "label": np.arange(10, dtype=np.int32)},
        {"image": DOTS[:3], "label": np.arange(3, dtype=np.int32)},
    )
    dots = digits._replace(splits={"train": train, "test": test})
    made, again = (digit_rows(dots, SIZE, MOST, 60, 30) for _ in range(2))
    jax.tree.map(np.testing.assert_array_equal, made.splits, again.splits)
    assert made.classes == (*NAMES, END)
    assert {n for caption in captions(made.splits["test"]) for n in caption} == {0, 1, 2}
    assert {n for caption in captions(made.splits["train"]) for n in caption} > {0, 1, 2}


def test_a_canvas_without_room_is_refused(digits):
    with pytest.raises(UserError, match="--width must be at least 88 for 4 digits, not 87"):
        digit_rows(digits, (28, 87), 4, 1, 1)
    with pytest.raises(UserError, match="--height must be at least 28 for 4 digits, not 27"):
        digit_rows(digits, (27, 88), 4, 1, 1)
    digit_rows(digits, (28, 88), 4, 1, 1)

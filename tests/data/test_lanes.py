"""Lanes: rows that continue one another."""

import numpy as np
import pytest

from dlfun.data.lanes import lanes
from dlfun.errors import UserError

TOKENS = np.random.default_rng(0).integers(0, 60, 1000)
BATCH, LENGTH = 3, 7


def by_lane(column):
    """Rows in the order of the batches to [lane, batch, ...]."""
    return column.reshape(-1, BATCH, *column.shape[1:]).swapaxes(0, 1)


def test_the_rows_of_a_lane_make_its_part_of_the_text():
    split = lanes(TOKENS, BATCH, LENGTH)
    text = by_lane(split["x"]).reshape(-1)
    np.testing.assert_array_equal(text, TOKENS[: len(text)])
    assert len(TOKENS) - len(text) <= BATCH * LENGTH


def test_y_is_the_token_after_x():
    split = lanes(TOKENS, BATCH, LENGTH)
    text = by_lane(split["y"]).reshape(-1)
    np.testing.assert_array_equal(text, TOKENS[1 : len(text) + 1])
    np.testing.assert_array_equal(split["x"][:, 1:], split["y"][:, :-1])


def test_first_marks_the_first_row_of_each_lane():
    first = by_lane(lanes(TOKENS, BATCH, LENGTH)["first"])
    np.testing.assert_array_equal(first[:, 0], 1)
    np.testing.assert_array_equal(first[:, 1:], 0)


@pytest.mark.parametrize("extra", [0, 1])
def test_a_text_needs_a_row_for_each_lane_and_a_token(extra):
    tokens = TOKENS[: BATCH * LENGTH + extra]
    if extra:
        assert lanes(tokens, BATCH, LENGTH)["x"].shape == (BATCH, LENGTH)
    else:
        with pytest.raises(
            UserError, match="the whole text has 21 tokens: expected at least 22, for 3 rows of 7"
        ):
            lanes(tokens, BATCH, LENGTH)

"""Properties of the generated tasks of long memory."""

import jax
import numpy as np
import pytest

from dlfun.data.memory_tasks import (
    ALPHABET,
    BLANK,
    COPIED,
    GO,
    adding,
    check_length,
    copying,
    drawn,
    temporal_order,
)
from dlfun.errors import UserError

KEYS = jax.random.split(jax.random.key(0), 2000)


def examples(draw):
    return {name: np.asarray(a) for name, a in jax.vmap(draw)(KEYS).items()}


@pytest.mark.parametrize("length", [2, 7, 30])
def test_adding_asks_for_the_sum_of_the_marked_numbers(length):
    found = examples(lambda key: adding(key, length))
    value, mark = found["x"][..., 0], found["x"][..., 1]
    np.testing.assert_allclose((value * mark).sum(1), found["y"][:, 0], rtol=1e-6)
    half = length // 2
    assert (mark[:, :half].sum(1) == 1).all()
    assert (mark[:, half:].sum(1) == 1).all()
    assert (mark.sum(0) > 0).all()


def test_answering_1_to_adding_has_an_error_of_a_sixth():
    squares = (examples(lambda key: adding(key, 10))["y"] - 1) ** 2
    assert abs(squares.mean() - 1 / 6) < 4 * squares.std() / len(KEYS) ** 0.5


def test_copying_asks_for_the_first_symbols_after_the_sign():
    delay = 6
    found = examples(lambda key: copying(key, delay))
    x, y = found["x"].argmax(-1), found["y"]
    assert x.shape == y.shape == (len(KEYS), delay + 2 * COPIED)
    np.testing.assert_array_equal(x[:, :COPIED], y[:, -COPIED:])
    assert (y[:, :-COPIED] == BLANK).all()
    assert (x[:, COPIED + delay - 1] == GO).all()
    rest = np.delete(x, [*range(COPIED), COPIED + delay - 1], axis=1)
    assert (rest == BLANK).all()
    assert set(x[:, :COPIED].ravel()) == set(range(ALPHABET))


def test_temporal_order_has_two_symbols_that_make_the_class():
    length = 30
    found = examples(lambda key: temporal_order(key, length))
    x = found["x"].argmax(-1)
    relevant = (x == 4) | (x == 5)
    assert (relevant.sum(1) == 2).all()
    places = np.nonzero(relevant)[1].reshape(-1, 2)
    assert set(places[:, 0]) == set(range(3, 6))
    assert set(places[:, 1]) == set(range(15, 18))
    kinds = x[relevant].reshape(-1, 2) - 4
    np.testing.assert_array_equal(2 * kinds[:, 0] + kinds[:, 1], found["y"])
    assert np.bincount(found["y"]).min() > len(KEYS) / 5
    assert (x[:, 0] == 6).all()
    assert (x[:, -1] == 7).all()


def test_a_drawn_test_set_is_the_same_again_and_its_examples_differ():
    one, two = (drawn("adding", lambda key: adding(key, 5), 8, 3) for _ in range(2))
    assert one.size("train") == 8
    assert one.size("test") == 3
    np.testing.assert_array_equal(one.splits["test"]["x"], two.splits["test"]["x"])
    assert len(np.unique(one.splits["test"]["y"])) == 3


def test_too_short_a_sequence_is_refused():
    with pytest.raises(UserError, match="length must be at least 10, not 9"):
        check_length("length", 9, 10)

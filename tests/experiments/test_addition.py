"""Sums as characters: what is drawn, how it is written, and what `predict` reads."""

import numpy as np
import pytest

from dlfun.errors import UserError
from dlfun.experiment import Trained
from experiments.sequence_to_sequence import addition
from experiments.sequence_to_sequence.addition.sums import (
    CHARACTERS,
    NUMBER,
    draw_sums,
    encode,
    parse,
    text,
)


def test_no_question_comes_twice_nor_mirrored():
    sums = draw_sums(2, 2000)
    assert len({tuple(sorted(pair)) for pair in sums.tolist()}) == 2000
    assert set(map(len, map(str, sums.ravel()))) == {1, 2}
    np.testing.assert_array_equal(sums, draw_sums(2, 2000))
    with pytest.raises(UserError, match="--examples must be at most 55 for --digits 1, not 60"):
        draw_sums(1, 60)
    with pytest.raises(UserError, match="--examples 5,050 is too many for --digits 2: .* only 5,0"):
        draw_sums(2, 5050)


def test_a_sum_is_written_as_kerass_example_writes_it():
    columns = encode([(16, 535), (0, 0)], 3, True)
    assert ["".join(CHARACTERS[n] for n in row) for row in columns["x"]] == [
        "  535+61"[1:],
        "    0+0",
    ]
    assert ["".join(CHARACTERS[n] for n in row) for row in columns["y"]] == ["551 ", "0   "]
    plain = encode([(16, 535)], 3, False)
    assert "".join(CHARACTERS[n] for n in plain["x"][0]) == "16+535 "


def test_test_questions_are_like_those_to_train_on():
    """Both hold about as many sums of small numbers."""
    splits = addition.data(addition.Config(examples=5000)).splits
    assert [len(splits[name]["x"]) for name in ("train", "test")] == [4500, 500]
    short = [(splits[name]["x"] == NUMBER[" "]).sum(1).mean() for name in ("train", "test")]
    assert short[0] == pytest.approx(short[1], rel=0.2)


def test_a_sum_is_asked_for_in_words_of_the_command_line():
    trained = Trained(addition.Config(), None, None, None, 0)
    names, columns = addition.inputs(trained, ["535 + 61", "007+1"])
    assert names == ["535+61", "7+1"]
    np.testing.assert_array_equal(columns["x"], encode([(535, 61), (7, 1)], 3, True)["x"])
    logits = np.eye(len(CHARACTERS))[encode([(535, 62), (7, 1)], 3, True)["y"]]
    rows = list(addition.outputs(trained, names, logits))
    assert rows == [{"answer": "597", "sum": "596"}, {"answer": "8", "sum": "8"}]
    assert text(np.array([NUMBER[" "], NUMBER["4"]])) == "4"


@pytest.mark.parametrize(
    "item", ["", "12", "12+", "12-3", "1+2+3", "1234+1", "x+1", "1.5+2", "²+1"]
)
def test_what_is_no_sum_is_named_in_one_line(item):
    with pytest.raises(UserError, match="is no sum of two numbers of at most 3 digits") as error:
        parse(item, 3)
    assert "\n" not in str(error.value)

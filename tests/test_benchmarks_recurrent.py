"""The comparison of sequences of unequal length: its batches, its programs and its ratios."""

import math

import numpy as np
import pytest

from benchmarks import recurrent

pytest.importorskip("torch")


def test_similar_lengths_leave_little_padding_up_to_the_longest_of_a_batch():
    held = recurrent.data(recurrent.Benchmark(batch=8, features=1, batches=50))
    padding = {
        way: 1 - sum(n.sum() for _, n in batches) / sum(len(n) * n.max() for _, n in batches)
        for way, batches in held.items()
    }
    assert padding["similar lengths"] < 0.05 < padding["any lengths"]
    similar, anything = (
        np.sort(np.concatenate([n for _, n in batches])) for batches in held.values()
    )
    np.testing.assert_array_equal(similar, anything)
    assert math.isclose(
        recurrent.real_share(held["similar lengths"]), recurrent.real_share(held["any lengths"])
    )


@pytest.mark.parametrize("framework", recurrent.FRAMEWORKS)
@pytest.mark.parametrize("padded", [False, True])
def test_programs_run(framework, padded):
    batches = recurrent.data(recurrent.Benchmark(batch=2, features=3, batches=1))["any lengths"]
    recurrent.FRAMEWORKS[framework]("rnn", batches, True, padded)()


def test_a_ratio_is_the_median_over_turns():
    """Two steps in five are real, so the ideal is 4, 8 and 40."""
    times = {"dlfun, padded": [10.0, 20.0, 100.0], "dlfun, similar lengths": [6.0, 8.0, 80.0]}
    shares = {"similar lengths": 0.4, "padded": 0.4}
    assert recurrent.over_ideal(times, "dlfun, similar lengths", shares) == pytest.approx(1.5)
    assert recurrent.over_ideal(times, "dlfun, padded", shares) == pytest.approx(2.5)


def test_bad_input_is_one_line_and_status_2(capsys):
    assert recurrent.main(["--repeats", "0"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert "--repeats must be at least 1" in printed.err

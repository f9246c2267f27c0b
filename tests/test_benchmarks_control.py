"""The comparisons of benchmarks.control run, and bad input is one line."""

import pytest

from benchmarks import control

pytest.importorskip("torch")
pytest.importorskip("gymnasium")


@pytest.mark.slow
def test_every_comparison_runs_and_has_a_row(capsys):
    assert control.main(["--quick", "--repeats", "1", "--markdown"]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split(" | ") for line in lines if "steps" in line]
    assert len(rows) == 4
    assert all(float(rate.replace(",", "")) > 0 for row in rows for rate in row[2:4])


def test_a_number_out_of_bounds_is_named(capsys):
    assert control.main(["--repeats", "0"]) == 2
    assert capsys.readouterr().err == "error: --repeats must be at least 1, got 0\n"

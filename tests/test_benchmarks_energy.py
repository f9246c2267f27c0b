"""The comparisons of benchmarks.energy run, and bad input is one line."""

import pytest

from benchmarks import energy

pytest.importorskip("minisom")


def test_every_comparison_runs_and_has_a_row(capsys):
    assert energy.main(["--quick", "--repeats", "1", "--markdown"]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split(" | ") for line in lines if "Hopfield" in line or "SOM" in line]
    assert len(rows) == 6
    assert all(float(rate.replace(",", "")) > 0 for row in rows for rate in row[2:4])


def test_an_unknown_comparison_is_named(capsys):
    assert energy.main(["--comparisons", "som"]) == 2
    assert capsys.readouterr().err == (
        "error: no comparison 'som': expected hopfield, som_online, som_batch\n"
    )

"""What `python -m benchmarks.reliability` does, at a size for each change."""

import random

import pytest

from benchmarks.reliability import command_lines, damage, kills

MANIFEST = "checkpoints/00000400/manifest.json"
"""The manifest of the last checkpoint; tests/train/test_checkpoint.py damages arrays."""


@pytest.mark.parametrize("every", [16, pytest.param(1, marks=pytest.mark.slow)])
def test_bad_command_lines_are_one_line_each_and_leave_nothing(tmp_path, monkeypatch, every):
    """All of them, or every sixteenth from a random one on."""
    monkeypatch.chdir(tmp_path)
    command_lines.prepare(tmp_path)
    lines = command_lines.LINES[random.randrange(every) :: every]
    found = list(command_lines.try_all(tmp_path, lines))
    assert len(found) >= 150 // every
    assert [one for one in found if one.wrong] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "files"),
    [
        ("run", ("result.json", "metrics.jsonl", MANIFEST)),
        ("sweep", ("sweep.json", "trials.jsonl")),
    ],
)
def test_a_damaged_file_is_never_a_wrong_figure(tmp_path, monkeypatch, what, files):
    monkeypatch.chdir(tmp_path)
    damage.prepare()
    outcomes = list(damage.try_all(what, random.Random(), 2, files))
    assert {outcome.file for outcome in outcomes} == {f"{what}/{name}" for name in files}
    assert [outcome for outcome in outcomes if outcome.verdict in damage.WRONG] == []
    assert any(outcome.verdict == "refused" for outcome in outcomes)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["train, in memory", "sweep, grid"])
def test_kills_lose_nothing(tmp_path, name):
    totals = kills.kill_often(kills.SETTINGS[name], 3, tmp_path, random.randrange(2**32))
    assert totals.kills == 3
    assert totals.arrays > 10
    assert totals.wrong == 0, totals


def test_what_differs_is_found(tmp_path):
    """The comparison of two trainings that are not the same counts arrays and metrics."""
    flags = ["--hidden", "2", "--epochs", "1", "--devices", "1"]
    for name, seed in (("a", "0"), ("b", "1")):
        train = ["train", "xor_mlp", *flags, "--seed", seed]
        assert command_lines.main([*train, "--run-dir", str(tmp_path / name / "run")]) == 0
    assert kills.compare(tmp_path / "a", tmp_path / "a").wrong == 0
    totals = kills.compare(tmp_path / "a", tmp_path / "b")
    assert totals.arrays_differ >= 8
    assert totals.metrics_differ == 2
    assert kills.compare(tmp_path / "a", tmp_path / "nothing").lost == 1

"""The run directory: refused when in use, foreign or changed; nothing half-written."""

import contextlib
import json
import math
import os

import pytest

from dlfun.errors import UserError
from dlfun.optimizers import Optimizer
from dlfun.train import run_directory as runs

RESULT = {"status": "completed", "step": 1, "seconds": 0.5}
ROW = {"split": "test", "epoch": 1, "step": 1, "seconds": 0.5}


def describe(**fields):
    return runs.describe(
        "mnist_mlp", Optimizer(**fields), {"devices": 1}, "launch.py train mnist_mlp"
    )


def test_description_says_what_could_make_it_differ():
    found = json.loads(json.dumps(describe()))
    assert found["config"]["learning_rate"] == 1e-3
    assert found["device"]["platform"] == "cpu"
    assert {"python", "jax", "jaxlib", "flax", "optax", "dlfun"} <= set(found["versions"])
    assert set(found) >= {"experiment", "config", "options", "device", "flags", "commit", "command"}


def test_same_configuration_opens_and_another_is_refused(tmp_path):
    runs.open_run(tmp_path, describe())
    runs.open_run(tmp_path, describe())
    with pytest.raises(UserError, match="config.learning_rate: 0.001 → 0.1"):
        runs.open_run(tmp_path, describe(learning_rate=0.1))
    assert runs.read_config(tmp_path)["config"]["learning_rate"] == 1e-3


def test_a_directory_in_use_is_refused(tmp_path):
    with runs.locked(tmp_path), pytest.raises(UserError, match="in use"), runs.locked(tmp_path):
        pass
    with runs.locked(tmp_path):
        pass


def test_foreign_directories_are_refused(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(UserError, match="neither empty nor a run directory"):
        runs.make_directory(tmp_path)
    with pytest.raises(UserError, match="is a file"):
        runs.make_directory(tmp_path / "thesis.tex")
    with pytest.raises(UserError, match=r"not a run directory: it has no config.json"):
        runs.read_config(tmp_path)
    with pytest.raises(UserError, match="no such directory"):
        runs.read_config(tmp_path / "nothing")


@pytest.mark.parametrize("name", ["a.txt/../../file/x", "a/b/../../../file/x", "a/" + 300 * "b"])
def test_a_directory_that_cannot_be_leaves_nothing_behind(name, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "in").mkdir()
    with pytest.raises(UserError, match="cannot be a directory: "):
        runs.make_directory(tmp_path / "in" / name)
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "file", tmp_path / "in"]


def test_damaged_files_are_named(tmp_path):
    (tmp_path / runs.CONFIG).write_text('{"experiment": ')
    with pytest.raises(UserError, match=r"config.json is damaged"):
        runs.read_config(tmp_path)
    (tmp_path / runs.CONFIG).write_text("[]")
    with pytest.raises(UserError, match="is damaged: expected an object, got list"):
        runs.read_config(tmp_path)


def test_a_changed_figure_is_not_taken_for_a_result(tmp_path):
    """In a file or in a row; without its checksum a file may be edited."""
    runs.write_result(tmp_path, RESULT | {"status": "running"})
    runs.append_metrics(tmp_path, [ROW | {"loss": 0.25}])
    assert runs.read_metrics(tmp_path) == [ROW | {"loss": 0.25}]
    text = (tmp_path / runs.METRICS).read_text()
    (tmp_path / runs.METRICS).write_text(text.replace("0.25", "0.35"))
    with pytest.raises(UserError, match="metrics.jsonl, line 1, is damaged: .*another checksum"):
        runs.read_metrics(tmp_path)
    written = (tmp_path / runs.RESULT).read_text().replace("running", "runnong")
    (tmp_path / runs.RESULT).write_text(written)
    with pytest.raises(UserError, match="result.json is damaged: .*another checksum"):
        runs.read_result(tmp_path)
    (tmp_path / runs.RESULT).write_text('{"status": "edited"}')
    assert runs.read_result(tmp_path)["status"] == "edited"


def test_no_flipped_bit_changes_what_is_read(tmp_path):
    """Of a file and of a row: the name of the checksum is among the bits."""
    result = RESULT | {"metrics": {"test": {"loss": 0.25}}}
    runs.write_result(tmp_path, result)
    runs.append_metrics(tmp_path, [ROW | {"loss": 0.25}])
    for name, shape, expected in (
        (runs.RESULT, runs.Result, result),
        (runs.METRICS, runs.Row, ROW | {"loss": 0.25}),
    ):
        content = (tmp_path / name).read_bytes()
        assert runs.json_of(content, shape) == expected
        for bit in range(8 * len(content)):
            changed = bytearray(content)
            changed[bit // 8] ^= 1 << bit % 8
            with contextlib.suppress(ValueError):
                assert runs.json_of(bytes(changed), shape) == expected


def test_a_completed_run_that_has_lost_rows_is_named(tmp_path):
    runs.append_metrics(tmp_path, [ROW | {"step": step} for step in (1, 2)])
    runs.write_result(tmp_path, RESULT | {"metrics": {}, "rows": 3})
    with pytest.raises(UserError, match="metrics.jsonl is damaged: it has 2 of 3 rows"):
        runs.read_metrics(tmp_path)
    (tmp_path / runs.METRICS).unlink()
    with pytest.raises(UserError, match="metrics.jsonl is damaged: it has 0 of 3 rows"):
        runs.read_metrics(tmp_path)


def test_a_run_that_has_lost_its_result_is_damaged(tmp_path):
    assert runs.read_result(tmp_path) == {}
    runs.append_metrics(tmp_path, [ROW])
    assert runs.read_result(tmp_path) == {"status": "damaged"}


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "result.json"
    runs.write_json(path, {"status": "running"})

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        runs.write_json(path, {"status": "completed"})
    assert runs.read_json(path, dict) == {"status": "running"}
    assert [p.name for p in tmp_path.iterdir()] == ["result.json"]


def test_metrics_after_a_step_are_dropped(tmp_path):
    runs.append_metrics(tmp_path, [ROW | {"step": step} for step in (1, 2, 3)])
    with (tmp_path / runs.METRICS).open("a") as file:
        file.write('{"step": 4')
    assert [row["step"] for row in runs.read_metrics(tmp_path)] == [1, 2, 3]
    runs.keep_metrics(tmp_path, 2)
    assert [row["step"] for row in runs.read_metrics(tmp_path)] == [1, 2]


def test_files_are_json_also_where_nothing_was_counted(tmp_path):
    def refuse(name):
        raise AssertionError(name)

    metrics = {"test": {"accuracy": 0.5, "class_accuracy": [1.0, math.nan], "loss": math.inf}}
    runs.write_result(tmp_path, RESULT | {"best": None, "metrics": metrics})
    runs.append_metrics(tmp_path, [ROW | {"loss": math.nan}])
    for name in (runs.RESULT, runs.METRICS):
        json.loads((tmp_path / name).read_text(), parse_constant=refuse)
    read = runs.read_result(tmp_path)
    assert read["best"] is None
    assert read["metrics"]["test"]["accuracy"] == 0.5
    assert math.isnan(read["metrics"]["test"]["class_accuracy"][1])
    assert math.isnan(runs.read_metrics(tmp_path)[0]["loss"])
    assert runs.to_json(read["metrics"]) == runs.to_json(metrics)

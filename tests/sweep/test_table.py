"""The order of trials, and the ways to tell it."""

import csv
import io
import json
import math
import shlex
import subprocess
import sys

import pytest
from rich.console import Console

from dlfun import experiment
from dlfun.cli import parse as cli
from dlfun.errors import UserError
from dlfun.sweep.space import apply
from dlfun.sweep.table import Trial, csv_text, described, format_value, paths, rank, rerun, table

METRIC = "test/accuracy"


def trial(number, scores, status="completed", **values):
    results = {
        seed: {"status": status, "seconds": 2.0 + seed, "metrics": {METRIC: score}}
        for seed, score in enumerate(scores)
    }
    return Trial(number, values or {"hidden": (64, number)}, status, results)


TRIALS = [
    Trial(0, {"hidden": (1,)}, "waiting", {}),
    trial(1, [0.9, 0.7]),
    trial(2, [0.99], "pruned"),
    trial(3, [0.8, 0.8]),
    trial(4, [0.95], "diverged"),
    trial(5, [math.nan]),
    trial(6, [0.9]),
    trial(7, [], "failed"),
    trial(8, [0.1, None], "diverged"),
]


@pytest.mark.parametrize(
    ("maximize", "order"),
    [(True, [6, 1, 3, 2, 4, 0, 5, 7, 8]), (False, [1, 3, 6, 2, 4, 0, 5, 7, 8])],
)
def test_best_first_then_pruned_then_diverged_then_nothing(maximize, order):
    rows = rank(TRIALS, METRIC, maximize)
    assert [row.trial.number for row in rows] == order
    assert [row.rank for row in rows] == list(range(1, 10))
    again = rank(TRIALS[::-1], METRIC, maximize)
    assert [row.trial.number for row in again] == order


def test_mean_and_standard_deviation_over_seeds():
    (row,) = rank([trial(0, [0.9, 0.7])], METRIC, True)
    assert row.mean == pytest.approx(0.8)
    assert row.sd == pytest.approx(math.sqrt(0.02))  # n - 1 = 1
    assert row.seconds == 2.5
    assert rank([trial(0, [0.9])], METRIC, True)[0].sd is None
    lost = rank([trial(0, [0.9, None])], METRIC, True)[0]
    assert math.isnan(lost.mean)
    assert math.isnan(lost.sd)


def test_unknown_metric():
    with pytest.raises(UserError, match="no metric 'test/acuracy'.*did you mean 'test/accuracy'"):
        rank(TRIALS, "test/acuracy", True)
    assert len(rank(TRIALS[:1], "test/acuracy", True)) == 1


@pytest.mark.parametrize(
    ("value", "text"),
    [(1e-5, "1e-5"), (2.5e-4, "2.5e-4"), (0.0, "0"), (0.5, "0.5"), (1e10, "1e10"),
     (0.001, "0.001"), (2.5e7, "2.5e7"), (1 / 3, "0.3333"), (64, "64"),
     ((256, 128), "256-128"), ((64,), "64"), ((), "()"), (None, "none"), (True, "true"),
     ("adam", "adam")],
)  # fmt: skip
def test_values_are_short(value, text):
    assert format_value(value) == text


def test_fields_keep_their_order_though_conditions_leave_some_out():
    rows = rank([trial(0, [1.0], a=1, c=3), trial(1, [0.5], a=1, b=2, c=3)], METRIC, True)
    assert paths(rows) == ["a", "b", "c"]


def test_the_terminal_shows_percent_and_short_values():
    rows = rank([trial(0, [0.9, 0.7], rate=1e-5), trial(1, [], "running", name="x")], METRIC, True)
    console = Console(width=200, file=io.StringIO())
    console.print(table(rows, METRIC))
    text = console.file.getvalue()
    assert "80.00 ± 14.14 %" in text
    assert "1e-5" in text
    assert "nan" not in text


def test_csv_holds_all_figures_in_full():
    first, *_, last = csv.DictReader(io.StringIO(csv_text(rank(TRIALS, METRIC, True), METRIC)))
    assert list(first) == [
        *("rank", "trial", "status", "hidden"),
        *(METRIC, f"{METRIC} sd", "seeds", "seed 0", "seed 1", "seconds"),
    ]
    assert first["hidden"] == "(64, 6)"
    assert (first[METRIC], first[f"{METRIC} sd"], first["seed 1"]) == ("0.9", "", "")
    assert (last["status"], last[METRIC], last["seed 0"]) == ("diverged", "", "0.1")


def test_json_is_strict():
    found = described(rank(TRIALS, METRIC, True), METRIC, True)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["trials"][0]["values"] == {"hidden": [64, 6]}


def test_rerun_trains_the_same_configurations():
    config = experiment.load("mnist_mlp").Config
    values = {"optimizer.learning_rate": 1e-5, "hidden": (64, 32), "dataset": "tfds:a b"}
    (row,) = rank([trial(0, [0.9, 0.7])._replace(values=values)], METRIC, True)
    commands = rerun(["dlfun"], "mnist_mlp", ["--epochs", "3"], row)
    assert len(commands) == 2
    for seed, command in enumerate(commands):
        program, *rest = shlex.split(command)
        assert [program, *rest[:2]] == ["dlfun", "train", "mnist_mlp"]
        assert cli.parse(config, rest[2:], "x") == apply(config(epochs=3, seed=seed), values)


def test_spaces_and_tables_load_nothing_heavy():
    code = "import sys, dlfun.sweep.table; print({'jax', 'optuna', 'matplotlib'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"

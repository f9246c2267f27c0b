"""Populations: each member as if it were alone, whatever its neighbours."""

import json

import jax
import numpy as np
import pytest
from dlfun.sweep.members import Member, train_members

from dlfun import config as configs
from dlfun import experiment as experiments
from dlfun.sweep import chunks, population
from dlfun.train import checkpoint, loop
from dlfun.train import run_directory as runs
from dlfun.train.driver import read, train
from dlfun.train.options import Options

MODULE = experiments.load("mnist_mlp")
BASE = MODULE.Config(hidden=(16,), epochs=2)


def vary(*points):
    return [configs.replace(BASE, point) for point in points]


def rates(*values):
    return [{"optimizer.learning_rate": rate, "seed": i} for i, rate in enumerate(values)]


def together(members, root, size=2, **options):
    """Train configs together, `size` at once; result by number."""
    made = [Member(config, root / str(number)) for number, config in enumerate(members)]
    group = population.group(MODULE, members)
    sizes = {repr(configs.to_dict(g.configs[0]) | dict.fromkeys(g.paths)): size for g in group}
    told = train_members("mnist_mlp", made, Options(), "a test", sizes=sizes, **options)
    return {number: result for number, result in told}


def alone(config, run):
    train("mnist_mlp", config, Options(devices=1), run, "a test")
    return run


def state(run):
    return read(run, pytest.fail).position


def distance(a, b):
    """Largest difference of the parameters, in units of their size."""
    pairs = zip(*(jax.tree.leaves(p.state.params) for p in (a, b)), strict=True)
    return max(float(np.abs(x - y).max() / np.abs(y).max()) for x, y in pairs)


@pytest.mark.parametrize("size", [2, 4])
def test_a_member_is_what_it_is_alone(small_mnist, tmp_path, size):
    """One member a device: to the bit. Two: to rounding. Also the logs and the files."""
    members = vary(*rates(1e-3, 3e-3, 1e-2))
    results = together(members, tmp_path, size)
    for number, config in enumerate(members):
        run, own = tmp_path / str(number), alone(config, tmp_path / f"alone{number}")
        assert distance(state(run), state(own)) <= (0 if size == 2 else 1e-4)
        assert state(run).step == state(own).step
        assert {p.name for p in run.iterdir()} - {".lock"} >= {
            p.name for p in own.iterdir() if not p.name.startswith(("events", "."))
        }
        assert list(run.glob("events.*"))
        assert results[number] == runs.read_result(run)
        rows = [runs.read_metrics(place) for place in (run, own)]
        assert [(r["epoch"], r["split"]) for r in rows[0]] == [
            (r["epoch"], r["split"]) for r in rows[1]
        ]
        for a, b in zip(*rows, strict=True):
            assert a["loss"] == pytest.approx(b["loss"], rel=1e-4)
        a, b = (json.loads((place / "config.json").read_text()) for place in (run, own))
        assert a["config"] == b["config"]
        assert a["options"] == b["options"]


def test_neighbours_and_chunks_change_no_bit(small_mnist, tmp_path):
    members = vary(*rates(1e-3, 3e-3, 1e-2, 1e-1, 1e-4))
    together(members, tmp_path / "all", 4)
    together(members[::-1], tmp_path / "reversed", 4)
    together(members[1:3], tmp_path / "some", 4)
    for number in range(5):
        a, b = tmp_path / "all" / str(number), tmp_path / "reversed" / str(4 - number)
        assert distance(state(a), state(b)) == 0
    assert distance(state(tmp_path / "all/1"), state(tmp_path / "some/0")) == 0


@pytest.mark.filterwarnings("ignore:overflow")
def test_a_member_that_diverges_leaves_its_neighbours_alone(small_mnist, tmp_path):
    sgd = {"optimizer.name": "sgd"}
    members = vary(*(sgd | point for point in rates(0.1, 1e38, 0.2)))
    results = together(members, tmp_path, 4)
    assert [results[n]["status"] for n in range(3)] == ["completed", "diverged", "completed"]
    assert 0 < results[1]["step"] < 5
    assert results[1]["checkpoint"] is None
    for number in (0, 2):
        own = alone(members[number], tmp_path / f"alone{number}")
        assert distance(state(tmp_path / str(number)), state(own)) < 1e-4


def test_what_diverges_later_keeps_its_last_good_epoch(small_mnist, tmp_path, monkeypatch):
    members = vary(*rates(1e-3, 1e-3))
    evaluated = []

    def poisoned(splits):
        evaluated.append(splits)
        return len(evaluated) != 6  # After the second epoch, the second member.

    monkeypatch.setattr("dlfun.sweep.members.finite", poisoned)
    monkeypatch.setattr(loop, "SECONDS", 10.0)
    results = together(members, tmp_path)
    lost = [n for n in results if results[n]["status"] == "diverged"]
    assert len(lost) == 1
    saved = checkpoint.latest(tmp_path / str(lost[0]) / "checkpoints", pytest.fail)
    assert saved.step == 5
    assert results[lost[0]]["checkpoint"] == "checkpoints/00000005"
    assert set(saved.metrics) == {"train", "test"}


def test_structure_makes_groups_and_floats_do_not():
    points = [
        {"optimizer.learning_rate": rate, "hidden": hidden, "seed": seed, **decay}
        for rate in (1e-3, 1e-2)
        for hidden in ((16,), (8, 8))
        for seed in (0, 1)
        for decay in ({}, {"optimizer.weight_decay": 0.1}, {"optimizer.weight_decay": 0.2})
    ]
    groups = population.group(MODULE, vary(*points))
    assert sorted(len(group.members) for group in groups) == [4, 4, 8, 8]
    assert sorted(n for group in groups for n in group.members) == list(range(24))
    with_decay = [group for group in groups if len(group.members) == 8]
    for group in with_decay:
        assert group.paths == ("optimizer.learning_rate", "optimizer.weight_decay")


def test_a_float_that_build_needs_to_know_is_structure(small_mnist):
    """A validation share decides on shapes; and with it the data depend on the seed."""
    points = [{"validation": share, "seed": s} for share in (0.1, 0.2) for s in (0, 1)]
    groups = population.group(MODULE, vary(*points))
    assert [group.members for group in groups] == [[0], [1], [2], [3]]
    assert all(group.paths == () for group in groups)


def test_interrupted_members_go_on(small_mnist, tmp_path):
    members = vary(*rates(1e-3, 3e-3, 1e-2))
    until = together(members, tmp_path / "two", until=1)
    assert {result["status"] for result in until.values()} == {"interrupted"}
    results = together(members, tmp_path / "two")
    together(members, tmp_path / "one")
    for number in range(3):
        assert results[number]["status"] == "completed"
        a, b = (tmp_path / place / str(number) for place in ("one", "two"))
        assert distance(state(a), state(b)) == 0
        rows = [[(r["epoch"], r["loss"]) for r in runs.read_metrics(run)] for run in (a, b)]
        assert rows[0] == rows[1]


def test_what_does_not_fit_is_halved(small_mnist, tmp_path, monkeypatch):
    members, notes, fit = vary(*rates(1e-3, 3e-3, 1e-2, 1e-1)), [], loop.fit

    def small_device(experiment, *arguments, **options):
        if len(experiment.seed) > 2:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: out of memory")
        return fit(experiment, *arguments, **options)

    monkeypatch.setattr(loop, "fit", small_device)
    results = together(members, tmp_path, 4, note=notes.append)
    assert [results[n]["status"] for n in range(4)] == ["completed"] * 4
    assert notes == ["4 members do not fit in memory: now 2 at once"]


def test_members_at_once_are_measured(small_mnist, tmp_path, monkeypatch):
    """Doubled while it pays: here up to 4 of 6, two devices of two."""
    paces = {2: 100.0, 4: 80.0, 8: 41.0}
    monkeypatch.setattr(
        chunks, "_steps_per_second", lambda experiment, *_: paces[len(experiment.seed)]
    )
    sizes = {}
    members = [Member(c, tmp_path / str(i)) for i, c in enumerate(vary(*rates(*[1e-3] * 6)))]
    list(train_members("mnist_mlp", members, Options(), "a test", sizes=sizes))
    assert list(sizes.values()) == [4]

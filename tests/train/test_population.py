"""Populations: each member as if it were alone, whatever its neighbours."""

import json
import re

import jax
import numpy as np
import pytest

from dlfun import config as configs
from dlfun import experiment as experiments
from dlfun.train import checkpoint, chunks, lockstep, loop, trainer
from dlfun.train import run_directory as runs
from dlfun.train.driver import evaluate, read, train, train_members
from dlfun.train.options import Options
from dlfun.train.population import group
from dlfun.train.trainer import Member

EXPERIMENT = experiments.load("mnist_mlp")
BASE = EXPERIMENT.Config(hidden=(16,), epochs=2)
pytestmark = pytest.mark.usefixtures("small_mnist_in_module")


def vary(*points):
    return [configs.replace(BASE, point) for point in points]


def rates(*values):
    return [{"optimizer.learning_rate": rate, "seed": i} for i, rate in enumerate(values)]


THREE = vary(*rates(1e-3, 3e-3, 1e-2))


def together(members, root, size=2, **options):
    """Train configs together, `size` at once; result by number."""
    runs = [Member(config, root / str(number)) for number, config in enumerate(members)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "choose_size", lambda *_: size)
        return dict(train_members("mnist_mlp", runs, Options(), "a test", **options))


def alone(config, run):
    train("mnist_mlp", config, Options(devices=1), run, "a test")
    return run


def state(run):
    return read(run, pytest.fail)[1].state


def distance(a, b):
    """Largest difference of the parameters, in units of their size."""
    pairs = zip(*(jax.tree.leaves(state(run).params) for run in (a, b)), strict=True)
    return max(float(np.abs(x - y).max() / np.abs(y).max()) for x, y in pairs)


def files(run):
    """The files of a run by name, but for those whose names are random."""
    names = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}
    return {re.sub("(events|arrays).*", r"\1", name) for name in names}


@pytest.fixture(scope="module")
def alone_runs(small_mnist_in_module, tmp_path_factory):
    """The first and the last of the three members, each trained alone."""
    root = tmp_path_factory.mktemp("alone")
    return {number: alone(THREE[number], root / str(number)) for number in (0, 2)}


@pytest.fixture(scope="module")
def in_twos(small_mnist_in_module, tmp_path_factory):
    """The three members, trained two at once: one on each device."""
    root = tmp_path_factory.mktemp("in_twos")
    return root, together(THREE, root)


@pytest.mark.parametrize("size", [2, 4])
def test_a_member_is_what_it_is_alone(alone_runs, in_twos, tmp_path, size):
    """One member a device: to the bit. Two: to rounding. Also the logs and the files."""
    root, results = in_twos if size == 2 else (tmp_path, together(THREE, tmp_path, size))
    tolerance = 0 if size == 2 else 1e-4
    for number, by_itself in alone_runs.items():
        run = root / str(number)
        assert distance(run, by_itself) <= tolerance
        assert files(run) == files(by_itself)
        assert results[number] == runs.read_result(run)
        rows = [runs.read_metrics(folder) for folder in (run, by_itself)]
        assert [(r["epoch"], r["split"]) for r in rows[0]] == [
            (r["epoch"], r["split"]) for r in rows[1]
        ]
        for a, b in zip(*rows, strict=True):
            assert a["loss"] == pytest.approx(b["loss"], rel=tolerance, abs=0)
        a, b = (json.loads((folder / "config.json").read_text()) for folder in (run, by_itself))
        assert a["config"] == b["config"]
        assert a["options"] == b["options"]
        a, b = (json.loads((folder / "result.json").read_text()) for folder in (run, by_itself))
        assert list(a["metrics"]) == list(b["metrics"])
        for which in ("last", "best") if number else ():
            a, b = (evaluate(folder, pytest.fail, which)["test"] for folder in (run, by_itself))
            assert a["loss"] == pytest.approx(b["loss"], rel=tolerance, abs=0)


def test_neighbours_and_chunks_change_no_bit(tmp_path):
    members = vary(*rates(1e-3, 3e-3, 1e-2, 1e-1, 1e-4))
    together(members, tmp_path / "all", 4)
    together(members[::-1], tmp_path / "reversed", 4)
    together(members[1:3], tmp_path / "some", 4)
    for number in (0, 4):
        a, b = tmp_path / "all" / str(number), tmp_path / "reversed" / str(4 - number)
        assert distance(a, b) == 0
    assert distance(tmp_path / "all/1", tmp_path / "some/0") == 0


@pytest.mark.filterwarnings("ignore:overflow")
def test_a_member_that_diverges_leaves_its_neighbours_alone(tmp_path):
    sgd = {"optimizer.name": "sgd"}
    members = vary(*(sgd | point for point in rates(0.1, 1e38, 0.2)))
    results = together(members, tmp_path, 4)
    assert [results[n]["status"] for n in range(3)] == ["completed", "diverged", "completed"]
    assert 0 < results[1]["step"] < 5
    assert results[1]["checkpoint"] is None
    for number in (0, 2):
        by_itself = alone(members[number], tmp_path / f"alone{number}")
        assert distance(tmp_path / str(number), by_itself) < 1e-4


def test_what_diverges_later_keeps_its_last_good_epoch(tmp_path, monkeypatch):
    members = vary(*rates(1e-3, 1e-3))
    evaluated = []

    def poisoned(splits):
        evaluated.append(splits)
        return sum(map(bool, evaluated)) != 4  # After the second epoch, the second member.

    monkeypatch.setattr(lockstep, "finite", poisoned)
    monkeypatch.setattr(loop, "SECONDS", 10.0)
    results = together(members, tmp_path)
    assert [results[n]["status"] for n in range(2)] == ["completed", "diverged"]
    saved = checkpoint.latest(tmp_path / "1/checkpoints", pytest.fail)
    assert saved.step == 5
    assert results[1]["checkpoint"] == "checkpoints/00000005"
    assert results[1]["step"] == 10
    assert set(saved.metrics) == {"train", "test"}


def test_structure_makes_groups_and_floats_do_not():
    points = [
        {"optimizer.learning_rate": rate, "hidden": hidden, "seed": seed, **decay}
        for rate in (1e-3, 1e-2)
        for hidden in ((16,), (8, 8))
        for seed in (0, 1)
        for decay in ({}, {"optimizer.weight_decay": 0.1}, {"optimizer.weight_decay": 0.2})
    ]
    groups = group(EXPERIMENT, vary(*points))
    assert sorted(len(one.members) for one in groups) == [4, 4, 8, 8]
    assert sorted(n for one in groups for n in one.members) == list(range(24))
    with_decay = [one for one in groups if len(one.members) == 8]
    for one in with_decay:
        assert one.paths == ("optimizer.learning_rate", "optimizer.weight_decay")


def test_a_static_float_is_structure():
    """A validation share decides on shapes; and with it the data depend on the seed."""
    points = [{"validation": share, "seed": s} for share in (0.1, 0.2) for s in (0, 1)]
    groups = group(EXPERIMENT, vary(*points))
    assert [one.members for one in groups] == [[0], [1], [2], [3]]
    assert all(one.paths == () for one in groups)


def test_seeds_share_data_that_are_equal():
    """`xor_mlp` makes its table anew for each seed."""
    xor = experiments.load("xor_mlp")
    (one,) = group(xor, [xor.Config(seed=seed) for seed in range(3)])
    assert one.members == [0, 1, 2]


def test_interrupted_members_go_on(in_twos, tmp_path):
    until = together(THREE, tmp_path, until=1)
    assert {result["status"] for result in until.values()} == {"interrupted"}
    results = together(THREE, tmp_path)
    for number in range(3):
        assert results[number]["status"] == "completed"
        a, b = (root / str(number) for root in (in_twos[0], tmp_path))
        assert distance(a, b) == 0
        rows = [[(r["epoch"], r["loss"]) for r in runs.read_metrics(run)] for run in (a, b)]
        assert rows[0] == rows[1]
        assert files(a) == files(b)


def test_members_at_different_steps_go_on(in_twos, tmp_path):
    """A kill in the first chunk leaves some with a checkpoint and others without one."""
    together(THREE[:2], tmp_path, until=1)
    members = [Member(config, tmp_path / str(number)) for number, config in enumerate(THREE)]
    results = dict(train_members("mnist_mlp", members, Options(), "a test"))
    assert {result["status"] for result in results.values()} == {"completed"}
    for number in range(3):
        assert distance(in_twos[0] / str(number), tmp_path / str(number)) == 0


def test_what_does_not_fit_is_halved(tmp_path, monkeypatch):
    members, notes, fit = vary(*rates(1e-3, 3e-3, 1e-2, 1e-1)), [], loop.fit

    def small_device(work, *arguments, **options):
        if len(work.seeds) > 2:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: out of memory")
        return fit(work, *arguments, **options)

    monkeypatch.setattr(loop, "fit", small_device)
    results = together(members, tmp_path, 4, note=notes.append)
    assert [results[n]["status"] for n in range(4)] == ["completed"] * 4
    assert notes[1:] == ["4 members do not fit in memory: now 2 at once"]


def test_members_at_once_are_measured(tmp_path, monkeypatch):
    """Doubled while it pays: here up to 4 of 6, two devices of two; a slow pace counts if twice."""
    paces = {2: [200.0], 4: [150.0, 320.0], 8: [328.0, 328.0]}
    monkeypatch.setattr(
        chunks, "_examples_per_second", lambda trainer, numbers, *_: paces[len(numbers)].pop(0)
    )
    sizes = {}
    members = [Member(c, tmp_path / str(i)) for i, c in enumerate(vary(*rates(*[1e-3] * 6)))]
    list(train_members("mnist_mlp", members, Options(), "a test", sizes=sizes))
    assert list(sizes.values()) == [4, 6]
    assert not any(paces.values())


def test_members_at_once_are_measured_once_for_a_structure(tmp_path, monkeypatch):
    """Whichever members are left; but again if all were trained at once, and now there are more."""
    asked, size = [], 2
    monkeypatch.setattr(trainer, "choose_size", lambda _, chunk: asked.append(len(chunk)) or size)
    sizes, number = {}, 0
    for count, expected in ((2, [2]), (2, [2]), (3, [2, 3]), (2, [2, 3]), (4, [2, 3])):
        values = [10.0 ** -(number + i) for i in range(count)]
        members = [Member(c, tmp_path / str(number)) for c in vary(*rates(*values))]
        members = [one._replace(run=one.run / str(i)) for i, one in enumerate(members)]
        list(train_members("mnist_mlp", members, Options(), "a test", sizes=sizes))
        number += count
        assert asked == expected


def test_the_pace_is_measured_by_training(tmp_path):
    """Of any number of members, and it leaves nothing behind."""
    members = [Member(config, tmp_path / str(number)) for number, config in enumerate(THREE)]
    (one,) = group(EXPERIMENT, THREE)
    settled = Options(devices=1, parallel="jit", feed="memory")
    training = trainer.GroupTrainer(one, members, settled, runs.describe("mnist_mlp", BASE, {}, ""))
    size = chunks.choose_size(training, [0, 1, 2])
    assert size in (2, 4)
    assert all(files(member.run) == {"config.json"} for member in members)

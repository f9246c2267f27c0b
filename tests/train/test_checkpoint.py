"""Checkpoints come back whole; damage is detected and named, and the one before is used."""

import jax
import numpy as np
import pytest

from dlfun.errors import UserError
from dlfun.metrics import Ratio
from dlfun.train import checkpoint
from dlfun.train.loop import Position
from tests.works import assert_equal


def position(step, scale=1.0, stage=0):
    state = {"kernel": np.full((3, 2), scale, np.float32), "count": np.int32(step)}
    return Position(state, step, {"loss": Ratio(np.ones(1), np.full(1, 2.0))}, stage)


def save(folder, step, loss=1.0, stage=0):
    at = position(step, step / 7, stage)
    checkpoint.save(folder, at, float(step), {"train": {"loss": loss}}, loss)


def names(folder):
    return [int(path.name) for path in sorted(folder.iterdir())]


@pytest.fixture
def warnings():
    return []


def test_round_trip(tmp_path, warnings):
    save(tmp_path, 3, loss=0.5, stage=2)
    saved = checkpoint.latest(tmp_path, warnings.append)
    restored = checkpoint.restore(saved, position(0))
    assert (saved.step, saved.stage, saved.seconds, saved.score) == (3, 2, 3.0, 0.5)
    assert saved.metrics == {"train": {"loss": 0.5}}
    assert_equal(restored, position(3, 3 / 7, stage=2))
    shapes = jax.eval_shape(lambda: position(0))
    assert_equal(checkpoint.restore(saved, shapes), restored)
    assert not warnings


def test_keeps_two_last_and_the_best(tmp_path, warnings):
    for step, loss in [(1, 3.0), (2, 0.5), (3, 2.0), (4, 1.0), (5, 4.0)]:
        save(tmp_path, step, loss)
    assert names(tmp_path) == [2, 4, 5]
    assert checkpoint.latest(tmp_path, warnings.append).step == 5
    assert checkpoint.best(tmp_path, warnings.append).step == 2
    checkpoint.keep(tmp_path, "all")
    assert names(tmp_path) == [2, 5]
    checkpoint.keep(tmp_path, "best")
    assert names(tmp_path) == [2]
    checkpoint.keep(tmp_path, "none")
    assert not tmp_path.exists()


def test_the_best_is_of_the_last_stage(tmp_path, warnings):
    for step, loss, stage in [(1, 0.1, 0), (2, 3.0, 1), (3, 5.0, 1), (4, 4.0, 1)]:
        save(tmp_path, step, loss, stage)
    assert checkpoint.best(tmp_path, warnings.append).step == 2
    assert names(tmp_path) == [2, 3, 4]


def test_a_checkpoint_within_an_epoch_is_not_the_best(tmp_path, warnings):
    save(tmp_path, 1, loss=9.0)
    checkpoint.save(tmp_path, position(2), 2.0, {})
    assert checkpoint.latest(tmp_path, warnings.append).score == np.inf
    assert checkpoint.best(tmp_path, warnings.append).step == 1


def flip(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (flip, "another checksum"),
        (lambda file: file.write_bytes(file.read_bytes()[:-1]), "another checksum"),
        (lambda file: file.unlink(), "is missing"),
    ],
)
def test_damage_is_named_and_the_one_before_used(tmp_path, warnings, damage, words):
    save(tmp_path, 1)
    save(tmp_path, 2)
    arrays = (tmp_path / "00000002" / checkpoint.ARRAYS).rglob("*")
    damage(max((f for f in arrays if f.is_file()), key=lambda f: f.stat().st_size))
    assert checkpoint.latest(tmp_path, warnings.append).step == 1
    assert "00000002" in warnings[0]
    assert words in warnings[0]


def test_unreadable_manifest_and_unfinished_write(tmp_path, warnings):
    save(tmp_path, 1)
    save(tmp_path, 2)
    (tmp_path / "00000002" / checkpoint.MANIFEST).write_text("{")
    (tmp_path / ".part").mkdir()
    assert checkpoint.latest(tmp_path, warnings.append).step == 1
    assert "is damaged: manifest.json" in warnings[0]


def test_other_model_is_refused(tmp_path, warnings):
    save(tmp_path, 1)
    saved = checkpoint.latest(tmp_path, warnings.append)
    with pytest.raises(UserError, match="does not fit the model"):
        checkpoint.restore(saved, Position({"other": np.ones(1)}, 0, {}))


def test_no_checkpoint(tmp_path, warnings):
    assert checkpoint.latest(tmp_path / "none", warnings.append) is None
    assert checkpoint.best(tmp_path / "none", warnings.append) is None


def test_checkpoints_are_in_order_of_steps_not_of_names(tmp_path, warnings):
    for step in (99_999_998, 99_999_999, 100_000_000):
        save(tmp_path, step, loss=1 / step)
    assert checkpoint.latest(tmp_path, warnings.append).step == 100_000_000
    assert not (tmp_path / "99999998").exists()
    assert not warnings

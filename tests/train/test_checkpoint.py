"""Checkpoints come back whole; damage is detected and named, and the one before is used."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dlfun.errors import UserError
from dlfun.metrics import Ratio
from dlfun.train import checkpoint
from dlfun.train.loop import Position


def position(step, scale=1.0):
    state = {"kernel": jnp.full((3, 2), scale), "count": jnp.int32(step)}
    return Position(state, step, {"loss": Ratio(jnp.ones(1), jnp.full(1, 2.0))})


def save(folder, step, loss=1.0):
    checkpoint.save(folder, position(step, step / 7), float(step), {"train": {"loss": loss}})


@pytest.fixture
def warnings():
    return []


def test_round_trip(tmp_path, warnings):
    save(tmp_path, 3)
    saved = checkpoint.latest(tmp_path, warnings.append)
    found = checkpoint.restore(saved, position(0))
    assert (found.step, saved.seconds, saved.metrics) == (3, 3.0, {"train": {"loss": 1.0}})
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(position(3, 3 / 7)), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not warnings


def test_keeps_two_last_and_the_best(tmp_path, warnings):
    for step, loss in [(1, 3.0), (2, 0.5), (3, 2.0), (4, 1.0), (5, 4.0)]:
        save(tmp_path, step, loss)
    assert [path.name for path in sorted(tmp_path.iterdir())] == [
        "00000002",
        "00000004",
        "00000005",
    ]
    assert checkpoint.latest(tmp_path, warnings.append).step == 5
    assert checkpoint.best(tmp_path, warnings.append).step == 2


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
    assert "no readable manifest.json" in warnings[0]


def test_other_model_is_refused(tmp_path, warnings):
    save(tmp_path, 1)
    saved = checkpoint.latest(tmp_path, warnings.append)
    with pytest.raises(UserError, match="does not fit the model"):
        checkpoint.restore(saved, Position({"other": jnp.ones(1)}, 0, {}))


def test_no_checkpoint(tmp_path, warnings):
    assert checkpoint.latest(tmp_path / "none", warnings.append) is None
    assert checkpoint.best(tmp_path / "none", warnings.append) is None

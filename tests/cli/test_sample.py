"""Samples of a trained run: texts are printed, images are written, the same from the same seed."""

import jax
import numpy as np
import pytest
from PIL import Image

from dlfun.cli.main import main
from tests import toy


def sample(trained, key, count):
    """Texts and images in turn, of the learned numbers and the key."""
    for number, one in enumerate(jax.random.split(key, count)):
        value = float(jax.random.uniform(one)) + float(trained.state["second"][0])
        yield f"{value:.6f}" if number % 2 == 0 else Image.new("L", (3, 2), int(100 * value) % 256)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "toy"
    with pytest.MonkeyPatch.context() as patch:
        toy.register(patch)
        assert (
            main(["train", "toy", "--epochs", "1", "--tuning", "1", "--run-dir", str(folder)]) == 0
        )
    return folder


def test_samples(capsys, monkeypatch, trained):
    toy.register(monkeypatch, sample=sample)
    outputs = []
    for seed in (0, 0, 1):
        assert main(["sample", str(trained), "--count", "3", "--seed", str(seed)]) == 0
        outputs.append(capsys.readouterr().out.splitlines())
        assert len(outputs[-1]) == 3
    assert outputs[0] == outputs[1]
    assert not set(outputs[0]) & set(outputs[2])
    images = sorted((trained / "samples").iterdir())
    assert [path.name for path in images] == ["seed0-1.png", "seed1-1.png"]
    assert str(images[0]) == outputs[0][1]
    assert np.asarray(Image.open(images[0])).shape == (2, 3)


def test_images_of_one_size_are_written_as_one_too(capsys, monkeypatch, trained):
    def images(trained, key, count):
        return (Image.new("L", (3, 2), 10 * number) for number in range(count))

    toy.register(monkeypatch, sample=images)
    assert main(["sample", str(trained), "--count", "5", "--seed", "7"]) == 0
    path = capsys.readouterr().out.splitlines()[-1]
    assert path.endswith("seed7-grid.png")
    grid = np.asarray(Image.open(path))
    assert grid.shape == (2 * 4 + 2, 3 * 5 + 2)
    for number in range(5):
        top, left = 2 + 4 * (number // 3), 2 + 5 * (number % 3)
        assert (grid[top : top + 2, left : left + 3] == 10 * number).all()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [([], "experiment 'toy' draws no samples"), (["--count", "0"], "--count must be at least 1")],
)
def test_bad_input_is_one_line(capsys, monkeypatch, trained, arguments, words):
    toy.register(monkeypatch)
    assert main(["sample", str(trained), *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line

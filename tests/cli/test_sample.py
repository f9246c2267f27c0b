"""Samples of a trained run: texts are printed, images are written, the same from the same seed."""

import jax
import numpy as np
import pytest
from PIL import Image

import dlfun
from dlfun.cli.main import main
from dlfun.errors import UserError
from dlfun.experiment import Animation
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


def test_images_of_one_size_are_written_as_an_array_if_asked(capsys, monkeypatch, trained):
    def images(trained, key, count):
        return (Image.new("RGB", (3, 2), (number, 0, 9)) for number in range(count))

    toy.register(monkeypatch, sample=images)
    assert main(["sample", str(trained), "--count", "2", "--seed", "8", "--arrays"]) == 0
    path = capsys.readouterr().out.splitlines()[-1]
    assert path.endswith("seed8.npz")
    image = np.load(path)["image"]
    assert (image.shape, image.dtype) == ((2, 2, 3, 3), np.uint8)
    np.testing.assert_array_equal(image[:, 0, 0], [[0, 0, 9], [1, 0, 9]])
    toy.register(monkeypatch, sample=sample)
    assert main(["sample", str(trained), "--arrays"]) == 2
    assert "error: --arrays: the samples are no images of one size" in capsys.readouterr().err


def test_an_animation_is_written_as_a_gif(capsys, monkeypatch, trained):
    def moving(trained, key, count):
        frames = [Image.new("L", (3, 2), 60 * number) for number in range(4)]
        return [Animation(frames, 20)] * count

    toy.register(monkeypatch, sample=moving)
    assert main(["sample", str(trained), "--count", "2", "--seed", "9"]) == 0
    paths = capsys.readouterr().out.splitlines()
    assert [path.rpartition("/")[2] for path in paths] == ["seed9-0.gif", "seed9-1.gif"]
    with Image.open(paths[1]) as image:
        assert (image.n_frames, image.size, image.info["duration"]) == (4, (3, 2), 20)
        for number in range(image.n_frames):
            image.seek(number)
            assert (np.asarray(image.convert("L")) == 60 * number).all()


def test_a_prime_and_a_temperature_come_to_the_experiment(capsys, monkeypatch, trained):
    def texts(trained, key, count, prime="once", temperature=0.8):
        return [f"{prime} {temperature} {number}" for number in range(count)]

    toy.register(monkeypatch, sample=texts)
    for options, words in (
        ({}, "once 0.8"),
        ({"prime": "O, ", "temperature": 2.0}, "O,  2.0"),
    ):
        flags = [part for name, value in options.items() for part in (f"--{name}", str(value))]
        assert main(["sample", str(trained), "--count", "2", *flags]) == 0
        expected = [f"{words} 0", f"{words} 1"]
        assert capsys.readouterr().out.splitlines() == expected
        assert dlfun.load(trained).sample(2, **options) == expected


def test_a_class_comes_to_the_experiment(capsys, monkeypatch, trained):
    toy.register(monkeypatch, sample=lambda trained, key, count, label="any": [label] * count)
    for flags, options, word in (([], {}, "any"), (["--class", "7"], {"label": "7"}, "7")):
        assert main(["sample", str(trained), "--count", "2", *flags]) == 0
        assert capsys.readouterr().out.splitlines() == [word, word]
        assert dlfun.load(trained).sample(2, **options) == [word, word]


@pytest.mark.parametrize(
    ("arguments", "words", "draws"),
    [
        ([], "experiment 'toy' draws no samples", None),
        (["--count", "0"], "--count must be at least 1", None),
        (["--temperature", "0"], "--temperature must be greater than 0", sample),
        (["--temperature", "nan"], "--temperature must be", sample),
        (["--temperature", "1"], "the samples of experiment 'toy' take no temperature", sample),
        (["--prime", "O"], "the samples of experiment 'toy' take no prime", sample),
        (["--prime", ""], "prime is empty", sample),
        (["--class", "7"], "the samples of experiment 'toy' take no class", sample),
    ],
)
def test_bad_input_is_one_line(capsys, monkeypatch, trained, arguments, words, draws):
    toy.register(monkeypatch, **({"sample": draws} if draws else {}))
    assert main(["sample", str(trained), *arguments]) == 2
    printed = capsys.readouterr()
    (line,) = printed.err.splitlines()
    assert words in line
    assert printed.out == ""


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"count": 0}, "count must be at least 1"),
        ({"temperature": -1.0}, "temperature must be greater than 0"),
        ({"prime": "O"}, "take no prime"),
    ],
)
def test_bad_arguments_in_python(monkeypatch, trained, options, words):
    toy.register(monkeypatch, sample=sample)
    with pytest.raises(UserError, match=words):
        dlfun.load(trained).sample(**options)

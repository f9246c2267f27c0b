"""Generative models on images of one's own: those that they cannot have are refused in a line."""

import dataclasses

import numpy as np
import pytest

from dlfun import config as configs
from dlfun import experiment as experiments
from dlfun.data.dataset import Dataset
from dlfun.data.encoded_images import EncodedImages
from dlfun.errors import UserError
from experiments.generative import gaussians_gan, mnist_gan, mnist_made

LIKELIHOODS = ["mnist_vae", "mnist_made", "mnist_fvsbn", "mnist_nade", "mnist_pixelcnn"]
GAMES = ["mnist_gan", "mnist_wgan", "mnist_wgan_gp", "mnist_cgan"]


def split(*shape):
    return {"image": np.zeros(shape, np.uint8), "label": np.arange(shape[0], dtype=np.int32) % 2}


def serve(monkeypatch, train, test):
    """Have all experiments load these splits."""
    dataset = Dataset("mine", {"train": train, "test": test}, ("cat", "dog"))
    for owner in (mnist_gan, mnist_made):
        monkeypatch.setattr(owner.sources, "load", lambda *_, **__: dataset)


def refuse(name, words, **fields):
    experiment = experiments.load(name)
    config = dataclasses.replace(experiment.default, **fields)
    with pytest.raises(UserError, match=words):
        experiment.stages(config, experiment.data(config))


@pytest.mark.parametrize("name", LIKELIHOODS + GAMES)
def test_images_in_colour_and_in_files(monkeypatch, name):
    serve(monkeypatch, split(12, 8, 8, 3), split(6, 8, 8, 3))
    refuse(name, "mine: expected grey images, got 3 channels")
    files = {"image": EncodedImages(["1.jpg"] * 6), "label": np.arange(6) % 2}
    serve(monkeypatch, files, files)
    refuse(name, "mine: expected images that are arrays, got files")


@pytest.mark.parametrize("name", GAMES)
def test_games_of_too_few_or_too_small_images(monkeypatch, name):
    serve(monkeypatch, split(12, 7, 9, 1), split(6, 7, 9, 1))
    refuse(name, "expected images of 8 pixels a side .* 3 times, got 7×9", channels=(2, 2, 2))
    serve(monkeypatch, split(12, 3, 9, 1), split(6, 3, 9, 1))
    refuse(name, "expected images of 4 pixels a side .* 2 times, got 3×9", channels=(2,))
    serve(monkeypatch, split(12, 8, 8, 1), split(3, 8, 8, 1))
    refuse(name, "expected 4 test images or more, .* got 3")


@pytest.mark.parametrize("name", GAMES)
def test_a_generator_has_channels(name):
    config = dataclasses.replace(experiments.load(name).default, channels=())
    with pytest.raises(UserError, match="--channels must have at least one value"):
        configs.check(config)


def test_a_game_has_as_many_updates_as_the_generator_waits_for(monkeypatch):
    serve(monkeypatch, split(12, 8, 8, 1), split(6, 8, 8, 1))
    words = "--critic-steps must be at most the 4 updates of the training, got 5"
    refuse("mnist_wgan", words, batch_size=3, epochs=1)
    refuse("mnist_gan", "expected 2 updates or more, got 1", batch_size=12, epochs=1)
    config = gaussians_gan.Config(steps=2, epochs=2)
    with pytest.raises(UserError, match=words):
        gaussians_gan.learner(config, gaussians_gan.data(config))

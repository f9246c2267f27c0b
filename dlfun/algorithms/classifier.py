"""The experiment that most image classifiers are: a model under cross entropy on a dataset."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
from jax import Array

from dlfun import data, optimizers
from dlfun.algorithms.supervised import supervised
from dlfun.data.augmentation import Augmentation, compose, flip, shift
from dlfun.data.dataset import subset
from dlfun.data.images import normalize
from dlfun.experiment import Experiment
from dlfun.nn import losses
from dlfun.transforms import augmented


def classifier(
    config: Any,
    model: Callable[[int], nn.Module],
    inputs: Callable[[Array], Array],
    cpu_devices: int = 1,
    augmentation: Augmentation | None = None,
    examples: int | None = None,
) -> Experiment:
    """Experiment that trains `model(number of classes)` on `config.dataset` under cross entropy.

    Of `config` it reads dataset, validation, epochs, batch_size, optimizer and seed. `inputs` turns
    stored pixels into what the model reads; `cpu_devices` is as in `Experiment`; `augmentation` is
    what the training images undergo, `examples` how many of them are drawn at random, all by
    default.
    """
    dataset = data.load(config.dataset, validation=config.validation, seed=config.seed)
    if examples is not None:
        dataset = subset(dataset, config.seed, train=examples)
    steps = dataset.steps_per_epoch(config.batch_size)
    optimizer = optimizers.make_optimizer(config.optimizer, steps, config.epochs)
    network = model(len(dataset.classes))
    learner = supervised(network, losses.cross_entropy, optimizer, inputs=inputs)
    return Experiment(
        learner=augmented(learner, augmentation) if augmentation else learner,
        dataset=dataset,
        epochs=config.epochs,
        batch_size=config.batch_size,
        seed=config.seed,
        model=network,
        inputs=inputs,
        cpu_devices=cpu_devices,
    )


def fashion_classifier(config: Any, model: Callable[[int], nn.Module]) -> Experiment:
    """`classifier` on Fashion-MNIST, images mirrored and shifted while training.

    Of `config` it also reads flip (a probability), shift (in pixels) and examples. Made for
    networks of many small products: on a CPU each batch is split over two devices.
    """
    augmentation = compose(shift(config.shift), flip(config.flip))
    inputs = normalize(0.2860, 0.3530)
    return classifier(config, model, inputs, 2, augmentation, config.examples)

"""The experiment that most image classifiers are: a model under cross entropy on a dataset."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
from jax import Array

from dlfun import data, losses, optimizers
from dlfun.data.augmentation import Augmentation
from dlfun.experiment import Experiment
from dlfun.learners.supervised import supervised
from dlfun.learners.transform import augmented


def classifier(
    config: Any,
    model: Callable[[int], nn.Module],
    inputs: Callable[[Array], Array],
    cpu_devices: int = 1,
    augmentation: Augmentation | None = None,
) -> Experiment:
    """Experiment that trains `model(number of classes)` on `config.dataset` under cross entropy.

    Of `config` it reads dataset, validation, epochs, batch_size, optimizer and seed. `inputs` turns
    stored pixels into what the model reads; `cpu_devices` is as in `Experiment`; `augmentation` is
    what the training images undergo.
    """
    dataset = data.load(config.dataset, validation=config.validation, seed=config.seed)
    steps_per_epoch = -(-dataset.size("train") // config.batch_size)
    optimizer = optimizers.make(config.optimizer, steps_per_epoch, config.epochs)
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

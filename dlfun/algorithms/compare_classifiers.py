"""The experiment that compares networks: several models under cross entropy, side by side."""

from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
from jax import Array

from dlfun import data, metrics, optimizers
from dlfun.algorithms.supervised import supervised
from dlfun.data.dataset import subset
from dlfun.experiment import Experiment
from dlfun.learner import Learner
from dlfun.nn import losses
from dlfun.transforms import compare


def compare_classifiers(
    config: Any,
    models: Mapping[str, nn.Module],
    inputs: Callable[[Array], Array],
    also: Callable[[nn.Module, Learner], Learner] = lambda model, learner: learner,
) -> Experiment:
    """Experiment that trains each model on the same images in the same order.

    Of `config` it reads dataset, examples (how many training images, drawn at random), epochs,
    batch_size, optimizer and seed. `inputs` turns stored pixels into what the models read; `also`
    may make of a model's learner one that tells more than its loss and accuracy.
    """
    dataset = subset(data.load(config.dataset), config.seed, train=config.examples)
    steps = dataset.steps_per_epoch(config.batch_size)
    optimizer = optimizers.make_optimizer(config.optimizer, steps, config.epochs)

    def learner(model: nn.Module) -> Learner:
        loss, measure = losses.cross_entropy, metrics.accuracy
        one = supervised(model, loss, optimizer, inputs=inputs, measure=measure)
        return also(model, one)

    together = compare({name: learner(model) for name, model in models.items()})
    return Experiment(together, dataset, config.epochs, config.batch_size, config.seed)

"""Several classifiers under cross entropy as one learner, to be compared."""

from collections.abc import Callable, Mapping

import flax.linen as nn
import optax
from jax import Array

from dlfun import metrics
from dlfun.algorithms.supervised import supervised
from dlfun.learner import Learner
from dlfun.nn import losses
from dlfun.transforms import compare


def compare_classifiers(
    models: Mapping[str, nn.Module],
    optimizer: optax.GradientTransformation,
    inputs: Callable[[Array], Array],
    wrap: Callable[[Learner], Learner] = lambda learner: learner,
    columns: tuple[str, str] = ("image", "label"),
) -> Learner:
    """Learner that trains all models on the same images in the same order, as `compare` does.

    Args:
        models: networks from images to logits, by name.
        optimizer: gradient transformation of every one of them.
        inputs: from stored pixels to what the models read.
        wrap: transformation of each model's learner, such as one that adds metrics.
        columns: the names of images and labels in a batch.
    """
    return compare(
        {
            name: wrap(
                supervised(
                    model,
                    losses.cross_entropy,
                    optimizer,
                    inputs=inputs,
                    eval_metrics=metrics.accuracy,
                    columns=columns,
                )
            )
            for name, model in models.items()
        }
    )

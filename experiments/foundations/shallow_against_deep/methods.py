"""Classifiers of the same images, shallow and deep, as learners."""

from collections.abc import Callable

import flax.linen as nn
import jax.numpy as jnp
import optax
from jax import Array

from dlfun import metrics
from dlfun.algorithms.supervised import supervised
from dlfun.data.images import normalize
from dlfun.learner import Learner
from dlfun.nn import losses
from dlfun.nn.models.cnn import CNN
from dlfun.nn.models.mlp import MLP


def methods(classes: int, optimizer: optax.GradientTransformation) -> dict[str, Learner]:
    """A linear classifier of visual words and one of pixels, an MLP and a CNN.

    Batches hold "image", "label" and "words", as `with_words` makes them.
    """

    def classifier(column: str, inputs: Callable[[Array], Array], model: nn.Module) -> Learner:
        return supervised(
            model,
            losses.cross_entropy,
            optimizer,
            inputs=inputs,
            eval_metrics=metrics.accuracy,
            columns=(column, "label"),
        )

    return {
        "words": classifier("words", rooted, MLP((), classes)),
        "logistic": classifier("image", normalize(), MLP((), classes)),
        "mlp": classifier("image", normalize(), MLP((128,), classes)),
        "cnn": classifier("image", normalize(), CNN(classes=classes)),
    }


def rooted(counts: Array) -> Array:
    """Histograms as √count / 4, whose products compare them by Hellinger's distance.

    (Arandjelović & Zisserman, 2012.)
    """
    return jnp.sqrt(counts.astype(jnp.float32)) / 4

"""Metrics as sums and counts, so that any number of batches and devices combine exactly."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int


class Ratio(NamedTuple):
    """A mean, kept as a sum and a count; they may be arrays of one shape."""

    total: Array
    count: Array  # type: ignore[assignment]  # Hides tuple.count, which is not used.


Metrics = dict[str, Ratio]


def add(a: Metrics, b: Metrics) -> Metrics:
    """Metrics of two sets of examples taken together."""
    return jax.tree.map(jnp.add, a, b)


def values(metrics: Metrics) -> dict[str, Any]:
    """`total / count` of each metric as Python numbers; nan where nothing was counted."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            name: (np.asarray(m.total, np.float64) / np.asarray(m.count, np.float64)).tolist()
            for name, m in metrics.items()
        }


def mean(value: Float[Array, " batch"], weight: Float[Array, " batch"]) -> Ratio:
    """Weighted mean over the batch: Σ wᵢ vᵢ / Σ wᵢ."""
    return Ratio(jnp.sum(value * weight), jnp.sum(weight))


def scalar(value: Float[Array, ""], weight: Float[Array, " batch"]) -> Ratio:
    """A number that the examples share, such as a norm of the parameters."""
    return Ratio(value * jnp.sum(weight), jnp.sum(weight))


def difference(a: Ratio, b: Ratio) -> Ratio:
    """The difference of two means over the same examples."""
    return Ratio(a.total - b.total, a.count)


def gains(accuracies: Mapping[str, Ratio]) -> Metrics:
    """The gain of each name over the one before it, as "gain_of_NAME": all but the first."""
    return {
        f"gain_of_{name}": difference(accuracies[name], accuracies[before])
        for before, name in pairwise(accuracies)
    }


def top_k(
    logits: Float[Array, "batch classes"],
    label: Int[Array, " batch"],
    weight: Float[Array, " batch"],
    k: int = 1,
) -> Ratio:
    """Share of examples whose label is among the k largest logits.

    Of equal logits the first counts as the largest, as in `argmax`. A logit of nan is no hit.
    """
    label_logit = jnp.take_along_axis(logits, label[:, None], axis=1)
    earlier = jnp.arange(logits.shape[1]) < label[:, None]
    rank = jnp.sum((logits > label_logit) | ((logits == label_logit) & earlier), axis=1)
    # Comparisons with nan are false, so a label with logit nan would have rank 0.
    hit = (rank < k) & ~jnp.isnan(label_logit[:, 0])
    return mean(hit.astype(weight.dtype), weight)


def accuracy(
    logits: Float[Array, "batch classes"],
    label: Int[Array, " batch"],
    weight: Float[Array, " batch"],
) -> Metrics:
    """Share of examples whose label has the largest logit, as the metric "accuracy"."""
    return {"accuracy": top_k(logits, label, weight)}


def no_metrics(prediction: Array, target: Array, weight: Float[Array, " batch"]) -> Metrics:
    """No metrics, so that only the loss is reported, as for regression."""
    return {}


def confusion(
    logits: Float[Array, "batch classes"],
    label: Int[Array, " batch"],
    weight: Float[Array, " batch"],
) -> Ratio:
    """Confusion matrix: row = label, column = prediction, in shares of the label's examples."""
    classes = logits.shape[-1]
    truth = jax.nn.one_hot(label, classes, dtype=weight.dtype) * weight[:, None]
    guess = jax.nn.one_hot(jnp.argmax(logits, axis=1), classes, dtype=weight.dtype)
    matrix = jnp.matmul(truth.T, guess, precision="highest")
    return Ratio(matrix, jnp.broadcast_to(truth.sum(axis=0)[:, None], matrix.shape))


def classification(
    logits: Float[Array, "batch classes"],
    label: Int[Array, " batch"],
    weight: Float[Array, " batch"],
) -> Metrics:
    """Accuracy, top-5 accuracy of more than 5 classes, accuracy by class, and confusion matrix."""
    matrix = confusion(logits, label, weight)
    top_5 = {"top_5": top_k(logits, label, weight, k=5)} if logits.shape[-1] > 5 else {}
    return {
        "accuracy": top_k(logits, label, weight),
        **top_5,
        "class_accuracy": Ratio(jnp.diagonal(matrix.total), matrix.count[:, 0]),
        "confusion": matrix,
    }

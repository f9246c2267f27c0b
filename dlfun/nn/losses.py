"""Losses: each maps predictions and targets to one loss per example, in nats or squares."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int


class Heads(NamedTuple):
    """Output of a model with auxiliary heads while training (Szegedy et al., 2015, sec. 5).

    Its loss is ℓ(main) + weight · Σ ℓ(auxiliary); in evaluation the model returns `main` alone.
    """

    main: Array
    auxiliary: tuple[Array, ...]
    weight: float | Array = 0.3


def cross_entropy(
    logits: Float[Array, "batch classes"], label: Int[Array, " batch"]
) -> Float[Array, " batch"]:
    """Softmax cross entropy of integer labels: -log softmax(z)_y. Its gradient is p - onehot(y)."""
    return optax.softmax_cross_entropy_with_integer_labels(logits, label)


def sequence_cross_entropy(
    logits: Float[Array, "batch time classes"], label: Int[Array, "batch time"]
) -> Float[Array, " batch"]:
    """Softmax cross entropy of sequences of labels: the mean over the steps of each."""
    return (
        cross_entropy(logits.reshape(-1, logits.shape[-1]), label.reshape(-1))
        .reshape(label.shape)
        .mean(axis=1)
    )


def smoothed_cross_entropy(
    logits: Float[Array, "batch classes"],
    label: Int[Array, " batch"],
    smoothing: float | Float[Array, ""] = 0.1,
) -> Float[Array, " batch"]:
    """Cross entropy with labels mixed with a uniform distribution (Szegedy et al., 2016, sec. 7).

    With smoothing ε of K classes: (1 - ε)(-log softmax(z)_y) + ε/K Σ_k -log softmax(z)_k.
    """
    # That is -log softmax(z)_y + ε (z_y - mean z): of many classes, one softmax in place of two.
    label_logit = jnp.take_along_axis(logits, label[:, None], axis=-1)[:, 0]
    return cross_entropy(logits, label) + smoothing * (label_logit - logits.mean(axis=-1))


def cross_entropy_of_distributions(
    logits: Float[Array, "batch classes"], target: Float[Array, "batch classes"]
) -> Float[Array, " batch"]:
    """Softmax cross entropy with a distribution q: -Σ_k q_k log softmax(z)_k = H(q) + KL(q ‖ p)."""
    return optax.softmax_cross_entropy(logits, target)


def binary_cross_entropy(
    logits: Float[Array, "batch *features"], target: Float[Array, "batch *features"]
) -> Float[Array, " batch"]:
    """Sigmoid cross entropy: -Σ t log σ(z) + (1 - t) log σ(-z), summed over features."""
    return _per_example(optax.sigmoid_binary_cross_entropy(logits, target), jnp.sum)


def mse(
    prediction: Float[Array, "batch *features"], target: Float[Array, "batch *features"]
) -> Float[Array, " batch"]:
    """Mean squared error: the mean over features of (prediction - target)²."""
    return _per_example(jnp.square(prediction - target), jnp.mean)


def mse_of_labels(
    logits: Float[Array, "batch classes"], label: Int[Array, " batch"]
) -> Float[Array, " batch"]:
    """Mean squared error between softmax(z) and the one-hot label."""
    return mse(jax.nn.softmax(logits), jax.nn.one_hot(label, logits.shape[-1], dtype=logits.dtype))


def entropy(target: Float[Array, "batch classes"]) -> Float[Array, " batch"]:
    """H(q) = -Σ_k q_k log q_k of a distribution, where 0 log 0 = 0."""
    return jax.scipy.special.entr(target).sum(axis=-1)


def kl_divergence(
    logits: Float[Array, "batch classes"], target: Float[Array, "batch classes"]
) -> Float[Array, " batch"]:
    """KL(q ‖ p) = Σ_k q_k (log q_k - log softmax(z)_k), at least 0, and 0 where p = q."""
    return cross_entropy_of_distributions(logits, target) - entropy(target)


def l1_penalty(params: Any) -> Float[Array, ""]:
    """‖W‖₁, the sum of |w| over all weights; biases and scales (one axis or none) left out."""
    return sum((jnp.abs(w).sum() for w in _weights(params)), jnp.zeros(()))


def l2_penalty(params: Any) -> Float[Array, ""]:
    """½ ‖W‖², half the sum of w² over the weights of `l1_penalty`; its gradient is W."""
    return sum((jnp.square(w).sum() / 2 for w in _weights(params)), jnp.zeros(()))


def _weights(params: Any) -> list[Array]:
    return [leaf for leaf in jax.tree.leaves(params) if jnp.ndim(leaf) > 1]


def _per_example(loss: Array, reduce: Callable[..., Array]) -> Float[Array, " batch"]:
    return reduce(loss.reshape(loss.shape[0], -1), axis=1)

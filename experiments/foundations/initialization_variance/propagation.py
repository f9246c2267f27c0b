"""Variances of signals and gradients in the layers of a deep network before it is trained."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from dlfun import metrics
from dlfun.learner import Batch, Key, Learner
from dlfun.metrics import Metrics
from dlfun.nn.activations import ACTIVATIONS
from dlfun.nn.initializers import SCHEMES
from dlfun.nn.losses import cross_entropy

SCALE = 2.0**100
"""Factor of the loss in the backward pass: a gradient after fifty sigmoids, 1e-42, is less than the
smallest normal float32."""


def propagation(
    schemes: Sequence[str],
    activations: Sequence[str],
    depth: int,
    width: int,
    classes: int,
    inputs: Callable[[Array], Array],
) -> Learner:
    """Learner that measures networks of `depth` layers as they were drawn; updates change nothing.

    For each scheme and activation, over the layers h_l = σ(h_{l-1} W_l) of `width` units, the
    metrics are log₁₀ of the variance over a layer's units, averaged over examples:

    - SCHEME_ACTIVATION_forward [depth], of the activations h_l;
    - SCHEME_ACTIVATION_backward [depth], of the gradients ∂loss/∂(h_{l-1} W_l);
    - SCHEME_ACTIVATION_activations and …_gradients, the decades that each gains (or, negative,
      loses) through all layers, the gradients from last to first.

    The weights of a scheme are the same under every activation, and there are no biases.
    """

    def init(key: Key, batch: Batch) -> dict[str, Any]:
        features = inputs(batch["image"])[0].size

        def weights(scheme: str) -> dict[str, Array]:
            draw, (first, last, middle) = SCHEMES[scheme], jax.random.split(key, 3)
            hidden = jax.random.split(middle, depth - 1)
            return {
                "first": draw(first, (features, width)),
                "hidden": jax.vmap(lambda key: draw(key, (width, width)))(hidden),
                "last": draw(last, (width, classes)),
            }

        return {scheme: weights(scheme) for scheme in schemes}

    def update(state: dict[str, Any], batch: Batch, key: Key) -> tuple[dict[str, Any], Metrics]:
        return state, evaluate(state, batch, key)

    def evaluate(state: dict[str, Any], batch: Batch, key: Key) -> Metrics:
        image, label, weight = inputs(batch["image"]), batch["label"], batch["weight"]
        x = image.reshape(len(image), -1)
        weights = jax.tree.map(lambda *arrays: jnp.stack(arrays), *(state[n] for n in schemes))
        measured: Metrics = {}
        total = jnp.zeros(len(x))
        for activation in activations:
            function = ACTIVATIONS[activation].function
            losses, *profiles = jax.vmap(lambda w, f=function: variances(w, f, x, label))(weights)
            total += losses.sum(axis=0) / (len(schemes) * len(activations))
            for scheme, forward, backward in zip(schemes, *profiles, strict=True):
                profile = {
                    "forward": forward,
                    "backward": backward,
                    "activations": forward[-1] - forward[0],
                    "gradients": backward[0] - backward[-1],
                }
                measured |= {
                    f"{scheme}_{activation}_{name}": _mean(value, weight)
                    for name, value in profile.items()
                }
        return {"loss": metrics.mean(total, weight)} | measured

    return Learner(init, update, evaluate, averages=True)


@partial(jax.jit, static_argnames="activation")
def variances(
    weights: dict[str, Array],
    activation: Callable[[Array], Array],
    x: Float[Array, "batch features"],
    label: Array,
) -> tuple[Float[Array, " batch"], Float[Array, "depth batch"], Float[Array, "depth batch"]]:
    """Losses, and log₁₀ of the variance over each layer's units of activations and of gradients.

    Adds a zero array to each pre-activation z = hW; its gradient is ∂loss/∂z.
    """
    hidden = weights["hidden"]
    zeros = jnp.zeros((len(hidden) + 1, len(x), hidden.shape[1]))

    def network(zeros: Array) -> tuple[Array, Array]:
        h = activation(x @ weights["first"] + zeros[0])

        def layer(h: Array, scanned: tuple[Array, Array]) -> tuple[Array, Array]:
            w, zero = scanned
            h = activation(h @ w + zero)
            return h, h

        last, hs = jax.lax.scan(layer, h, (hidden, zeros[1:]))
        loss = cross_entropy(last @ weights["last"], label)
        return loss, jnp.concatenate([h[None], hs])

    loss, pull, signals = jax.vjp(network, zeros, has_aux=True)
    (gradients,) = pull(jnp.full_like(loss, SCALE))
    return loss, log_variance(signals), log_variance(gradients) - 2 * jnp.log10(SCALE)


def log_variance(x: Float[Array, "*shape units"]) -> Float[Array, "*shape"]:
    """Logarithm, log₁₀, of the variance over the last axis, also where squares would overflow."""
    scale = jnp.maximum(jnp.abs(x).max(-1, keepdims=True), jnp.finfo(x.dtype).tiny)
    variance = jnp.var(x / scale, axis=-1)
    return jnp.log10(jnp.maximum(variance, 1e-30)) + 2 * jnp.log10(scale[..., 0])


def _mean(value: Float[Array, "*layers batch"], weight: Float[Array, " batch"]) -> metrics.Ratio:
    total = (value * weight).sum(-1)
    return metrics.Ratio(total, jnp.broadcast_to(weight.sum(), total.shape))

"""Adversarial examples: changes of an image, too small to matter to a person, that raise the loss.

An attack takes ℓ, the losses of a batch as a function of its images alone. Images are numbers in
[0, 1]; x′ stays there, and within ε of x in the maximum norm.
"""

from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from dlfun import metrics
from dlfun.algorithms.minimize import LossAndMetrics, minimize
from dlfun.data.images import normalize
from dlfun.learner import Batch, Key, Learner, example_keys

Images = Float[Array, "batch *shape"]
LossOfImages = Callable[[Images], Float[Array, " batch"]]
Epsilon = float | Float[Array, ""]


def fgsm(loss: LossOfImages, x: Images, epsilon: Epsilon) -> Images:
    """Fast gradient sign method: x′ = clip(x + ε sign ∂ℓ/∂x, 0, 1) (Goodfellow et al. 2015).

    Of all changes within ε it is the one that raises a linear loss most.
    """
    return jnp.clip(x + epsilon * _direction(loss, x), 0, 1)


def pgd(
    loss: LossOfImages, x: Images, epsilon: Epsilon, steps: int, start: Images | None = None
) -> Images:
    """Projected gradient descent: x′ ← Π(x′ + α sign ∂ℓ/∂x′) several times (Madry et al. 2018).

    Π clips to [x − ε, x + ε] and to [0, 1]. α = 2.5 ε / steps, which reaches the bound from any
    `start` within it, and can move along it (sec. 5.1 there). From x itself one step is `fgsm`.
    """
    lower, upper = jnp.maximum(x - epsilon, 0), jnp.minimum(x + epsilon, 1)

    def step(_: Array, moved: Images) -> Images:
        return jnp.clip(moved + 2.5 * epsilon / steps * _direction(loss, moved), lower, upper)

    return jax.lax.fori_loop(0, steps, step, x if start is None else start)


def random_start(key: Key, x: Images, epsilon: Epsilon) -> Images:
    """Images drawn uniformly from those within ε of x and within [0, 1], for `pgd`."""
    lower, upper = jnp.maximum(x - epsilon, 0), jnp.minimum(x + epsilon, 1)

    def draw(key: Key) -> Float[Array, "*shape"]:
        return jax.random.uniform(key, x.shape[1:])

    return lower + (upper - lower) * jax.vmap(draw)(example_keys(key, len(x)))


def fgsm_training(
    model: nn.Module,
    loss: Callable[[Array, Array], Float[Array, " batch"]],
    optimizer: optax.GradientTransformation,
    epsilon: Epsilon,
    *,
    inputs: Callable[[Array], Array] = lambda x: x,
) -> Learner:
    """Learner that minimizes the mean of ½ (ℓ(x) + ℓ(x′)), x′ made by `fgsm` in each update.

    This is adversarial training with α = ½ (Goodfellow et al. 2015, sec. 6). "accuracy" is that
    on the images x, "fgsm_accuracy" that on x′.

    Args:
        model: from `inputs(x)`, x in [0, 1], to logits.
        loss: one loss for each example, from logits and labels.
        optimizer: gradient transformation.
        epsilon: ε of the changes.
        inputs: from pixels in [0, 1] to what the model reads.
    """
    unit = normalize()

    def logits(variables: Mapping[str, Any], x: Images) -> Any:
        return model.apply(variables, inputs(x))

    def init(key: Key, batch: Batch) -> Mapping[str, Any]:
        return model.init(key, inputs(unit(batch["image"])))

    def objective(
        variables: Mapping[str, Any], batch: Batch, key: Key, training: bool
    ) -> LossAndMetrics:
        x, label, weight = unit(batch["image"]), batch["label"], batch["weight"]
        changed = fgsm(lambda x: loss(logits(variables, x), label), x, epsilon)
        # The sign does not depend on the parameters: its gradient is 0, and is not computed.
        clean, attacked = logits(variables, x), logits(variables, jax.lax.stop_gradient(changed))
        value = (loss(clean, label) + loss(attacked, label)) / 2
        measured = {"fgsm_accuracy": metrics.top_k(attacked, label, weight)}
        measured |= metrics.accuracy(clean, label, weight)
        return LossAndMetrics(metrics.mean(value, weight), measured)

    def predict(variables: Mapping[str, Any], batch: Batch) -> Any:
        return logits(variables, unit(batch["image"]))

    return minimize(init, objective, optimizer, predict)


def _direction(loss: LossOfImages, x: Images) -> Images:
    """sign ∂ℓ/∂x. No example's loss depends on another's image, so the sum has all gradients."""
    return jnp.sign(jax.grad(lambda x: loss(x).sum())(x))

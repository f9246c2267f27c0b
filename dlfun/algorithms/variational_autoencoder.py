"""The variational autoencoder: a latent-variable model, trained on a bound of its likelihood."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.scipy.special import logsumexp
from jaxtyping import Array, Float

from dlfun import metrics
from dlfun.algorithms.minimize import LossAndMetrics, minimize
from dlfun.data.images import pixels
from dlfun.learner import Batch, Key, Learner, batch_noise
from dlfun.nn.losses import binary_cross_entropy
from dlfun.nn.models.variational import VariationalAutoencoder


def variational_autoencoder(
    model: VariationalAutoencoder, optimizer: optax.GradientTransformation
) -> Learner:
    """Learner that minimizes the negative evidence lower bound of binary images (Kingma, Welling).

    −ELBO = E_q[−log p(x | z)] + KL(q(z | x) ‖ N(0, I)) ≥ −log p(x), in nats, the expectation by
    one draw z = μ + σε. Metrics are the loss, "reconstruction", the first term, and "divergence",
    the second. Predictions are the means of the pixels for the code μ.
    """

    def init(key: Key, batch: Batch) -> Mapping[str, Any]:
        x = pixels(batch["image"])
        return model.init(key, x, jnp.zeros((len(x), model.code)))

    def objective(
        variables: Mapping[str, Any], batch: Batch, key: Key, training: bool
    ) -> LossAndMetrics:
        x, weight = pixels(batch["image"]), batch["weight"]
        shape = len(x), model.code
        noise = batch_noise(lambda shape: jax.random.normal(key, shape), shape)
        output: Any = model.apply(variables, x, noise)
        mean, log_variance, logits = output
        reconstruction = binary_cross_entropy(logits, x)
        divergence = divergence_from_prior(mean, log_variance)
        parts = {"reconstruction": reconstruction, "divergence": divergence}
        return LossAndMetrics(
            metrics.mean(reconstruction + divergence, weight),
            {name: metrics.mean(part, weight) for name, part in parts.items()},
        )

    def predict(variables: Mapping[str, Any], batch: Batch) -> Float[Array, "batch pixels"]:
        x = pixels(batch["image"])
        output: Any = model.apply(variables, x, jnp.zeros((len(x), model.code)))
        return jax.nn.sigmoid(output[2])

    return minimize(init, objective, optimizer, predict)


def divergence_from_prior(
    mean: Float[Array, "batch code"], log_variance: Float[Array, "batch code"]
) -> Float[Array, " batch"]:
    """KL(N(μ, diag σ²) ‖ N(0, I)) = ½ Σ (μ² + σ² − 1 − log σ²), in nats."""
    return (jnp.square(mean) + jnp.exp(log_variance) - 1 - log_variance).sum(axis=1) / 2


def importance_bounds(
    model: VariationalAutoencoder,
    variables: Mapping[str, Any],
    x: Float[Array, "batch pixels"],
    key: Key,
    counts: Sequence[int],
) -> Float[Array, "counts batch"]:
    """Upper bounds on −log p(x) of each row, tighter with more draws (Burda et al. 2016, eq. 8).

    −log 1/k Σ_j p(x, z_j) / q(z_j | x) for z_j from q, in nats. Each k of `counts` divides the
    last: its bound is the mean over as many groups of the same draws as there are.
    """
    draws = counts[-1]
    mean, log_variance = _apply(model, variables, x, "encode")

    def log_weight(number: Array) -> Float[Array, " batch"]:
        noise = jax.random.normal(jax.random.fold_in(key, number), mean.shape)
        code = mean + jnp.exp(log_variance / 2) * noise
        # log p(z) − log q(z | x); the constants cancel.
        prior_over_q = (jnp.square(noise) + log_variance - jnp.square(code)).sum(axis=1) / 2
        logits = _apply(model, variables, code, "decode")
        return prior_over_q - binary_cross_entropy(logits, x)

    log_weights = jax.lax.map(log_weight, jnp.arange(draws))
    bounds = []
    for count in counts:
        grouped = log_weights.reshape(draws // count, count, -1)
        bounds.append((jnp.log(count) - logsumexp(grouped, axis=1)).mean(axis=0))
    return jnp.stack(bounds)


def _apply(model: VariationalAutoencoder, variables: Any, x: Array, method: str) -> Any:
    return model.apply(variables, x, method=method)

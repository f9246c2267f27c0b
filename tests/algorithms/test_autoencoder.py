"""Autoencoders: what is minimized, and that without activations they end in PCA's plane."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from dlfun.algorithms.autoencoder import autoencoder
from dlfun.algorithms.principal_components import principal_angles, principal_components
from dlfun.metrics import values
from dlfun.nn.losses import binary_cross_entropy
from dlfun.nn.models.autoencoder import Autoencoder

KEY, SIZE, CODE = jax.random.key(0), 6, 2
RNG = np.random.default_rng(0)
# Images of 3×2 pixels that vary along two directions far more than along the others.
SPREAD = RNG.normal(size=(300, SIZE)) * [40, 25, 3, 3, 3, 3]
IMAGES = np.clip(128 + SPREAD @ np.linalg.qr(RNG.normal(size=(SIZE, SIZE)))[0], 0, 255)
IMAGES = IMAGES.round().astype(np.uint8).reshape(300, 3, 2, 1)
X = IMAGES.reshape(300, SIZE) / np.float32(255)
BATCH = {"image": jnp.asarray(IMAGES), "weight": jnp.ones(300)}


def linear():
    return autoencoder(Autoencoder((SIZE, CODE)), optax.sgd(0.1))


def optimum():
    """The linear autoencoder's state at PCA's solution."""
    pca = principal_components(X)
    axes = pca.axes[:, :CODE].astype(np.float32)
    mean = pca.mean.astype(np.float32)
    params = {
        "encoder_0": {"kernel": axes, "bias": -mean @ axes},
        "decoder_0": {"kernel": axes.T, "bias": mean},
    }
    state = linear().init(KEY, BATCH)
    return state._replace(params=jax.tree.map(jnp.asarray, params)), pca


def test_pca_is_stationary_with_the_variance_left_out_as_its_error():
    state, pca = optimum()
    after, measured = linear().update(state, BATCH, KEY)
    for before, now in zip(
        jax.tree.leaves(state.params), jax.tree.leaves(after.params), strict=True
    ):
        np.testing.assert_allclose(now, before, atol=1e-5)
    np.testing.assert_allclose(
        values(measured)["squared_error"], pca.variances[CODE:].sum(), rtol=1e-4
    )


def test_descent_ends_in_the_plane_of_pca():
    learner = linear()

    @jax.jit
    def descend(state):
        return jax.lax.fori_loop(0, 20_000, lambda _, s: learner.update(s, BATCH, KEY)[0], state)

    start = learner.init(KEY, BATCH)
    axes = principal_components(X).axes[:, :CODE]
    angles = [
        principal_angles(np.asarray(state.params["decoder_0"]["kernel"]).T, axes)[-1]
        for state in (start, descend(start))
    ]
    assert angles[1] < 1 < 10 < angles[0]


def test_the_clean_image_is_the_target_of_the_noisy_one():
    model = Autoencoder((SIZE, 3), code_activation="relu")
    learner = autoencoder(
        model,
        optax.sgd(0.1),
        loss=binary_cross_entropy,
        output=jax.nn.sigmoid,
        corrupt=lambda key, x: x + jax.random.normal(key, x.shape),
    )
    state = learner.init(KEY, BATCH)
    noisy = X + jax.random.normal(KEY, X.shape)
    p = np.asarray(jax.nn.sigmoid(model.apply(state.variables, noisy)))
    for measured in (learner.evaluate(state, BATCH, KEY), learner.update(state, BATCH, KEY)[1]):
        found = values(measured)
        loss = -(X * np.log(p) + (1 - X) * np.log(1 - p)).sum(axis=1).mean()
        np.testing.assert_allclose(found["loss"], loss, rtol=1e-4)
        np.testing.assert_allclose(
            found["squared_error"], np.square(p - X).sum(axis=1).mean(), rtol=1e-4
        )
    clean = jax.nn.sigmoid(model.apply(state.variables, jnp.asarray(X)))
    np.testing.assert_allclose(learner.predict(state, BATCH), clean, rtol=1e-5)

"""Descents on surfaces, and the surfaces' minima."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.foundations.optimizer_paths.surfaces import (
    minimize_function,
    quadratic,
    rosenbrock,
)

KEY = jax.random.key(0)


def test_minima():
    for surface, minimum in ((quadratic, [0.0, 0.0]), (rosenbrock, [1.0, 1.0])):
        point = jnp.asarray(minimum)
        assert float(surface(point)) == 0
        np.testing.assert_array_equal(jax.grad(surface)(point), [0, 0])
        hessian = jax.hessian(surface)(point)
        assert float(jnp.linalg.eigvalsh(hessian)[0]) > 0


def test_sgd_contracts_each_axis_of_the_quadratic():
    learner = minimize_function(quadratic, (3.0, 1.0), optax.sgd(0.01), deviation=0.0)
    tick = {"tick": jnp.zeros(1), "weight": jnp.ones(1)}
    state = learner.init(KEY, tick)
    for _ in range(5):
        state, measured = learner.update(state, tick, KEY)
    np.testing.assert_allclose(state.params, [3 * 0.99**5, 0.5**5], rtol=1e-5)
    assert float(measured["loss"].total) > float(quadratic(state.params))

"""The measures of smoothing on images whose answer is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dlfun.metrics import values
from experiments.convolutional.gaussian_smoothing.smoothing import smoothing

KEY = jax.random.key(0)
DOT = jnp.zeros((2, 9, 9, 1)).at[0, 4, 4].set(1.0)


@pytest.mark.parametrize(("sigmas", "grows"), [((0.5, 1.0), 1.0), ((1.0, 0.5), 0.0)])
def test_blur_of_a_dot_grows_with_sigma_and_only_so(sigmas, grows):
    """The second image has weight 0 and does not count."""
    learner = smoothing(sigmas, 2, lambda x: x)
    batch = {"image": DOT, "weight": jnp.array([1.0, 0.0])}
    state = learner.init(KEY, batch)
    _, measured = jax.jit(learner.update)(state, batch, KEY)
    found = values(measured)
    assert found["blur_grows"] == grows
    assert found["separable_error"] == 0
    assert found["kernel_error"] < 1e-6
    assert found["variation"][0] == 4  # One step up and one down, along either axis.
    assert (np.diff(found["variation"])[:1] < 0).all()

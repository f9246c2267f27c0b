"""Normalization inside the step."""

import jax
import jax.numpy as jnp
import numpy as np

from dlfun.data.images import normalize

PIXELS = np.random.default_rng(0).integers(0, 256, (2, 5, 4, 3), dtype=np.uint8)


def test_normalize_is_its_formula_and_float32():
    mean, deviation = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)
    for given in ((0.1307, 0.3081), (mean, deviation)):
        result = jax.jit(normalize(*given))(PIXELS)
        assert result.dtype == jnp.float32
        expected = (PIXELS / 255 - np.array(given[0])) / np.array(given[1])
        np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6)


def test_the_default_scales_to_the_unit_range():
    result = normalize()(jnp.array([[0], [255]], jnp.uint8))
    np.testing.assert_array_equal(result, [[0.0], [1.0]])

"""Normalization inside the step, and pixels as probabilities."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dlfun.data.dataset import Dataset
from dlfun.data.images import binarized, normalize, unit_scale
from dlfun.errors import UserError

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


def test_what_binary_units_can_take_is_scaled_only_if_asked():
    assert unit_scale(PIXELS, "mine", True) == 255
    assert unit_scale(PIXELS // 255, "mine", False) == 1
    assert unit_scale(PIXELS / 255, "mine", False) == 1
    with pytest.raises(UserError, match=rf"mine: .* --scale .*; got 0 to {PIXELS.max()}"):
        unit_scale(PIXELS, "mine", False)
    for scale in (True, False):
        with pytest.raises(UserError, match="got -1 to 3"):
            unit_scale(np.array([-1.0, 3.0]), "mine", scale)


def test_pixels_to_test_on_are_on_as_often_as_their_grey_says():
    grey = np.tile(np.r_[0, 255, 51, 102].astype(np.uint8), (4000, 1))
    dataset = Dataset("mine", {"train": {"image": grey}, "test": {"image": grey}})
    first, second = (binarized(dataset).splits for _ in range(2))
    assert first["train"]["image"] is grey
    np.testing.assert_array_equal(first["test"]["image"], second["test"]["image"])
    assert set(np.unique(first["test"]["image"])) == {0, 255}
    share = first["test"]["image"].mean(axis=0) / 255
    np.testing.assert_allclose(share, [0, 1, 0.2, 0.4], atol=0.04)

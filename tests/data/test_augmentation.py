"""Each augmentation does what it says to an image, at random, and keeps its dtype."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dlfun.data.augmentation import compose, crop, cut_out, flip, shift

KEYS = jax.random.split(jax.random.key(0), 500)
IMAGE = np.arange(1, 41, dtype=np.uint8).reshape(5, 4, 2)


def draw(augmentation, image=IMAGE):
    return np.asarray(jax.jit(jax.vmap(augmentation, (0, None)))(KEYS, jnp.asarray(image)))


def windows(image, padding, height, width):
    """Every window of the padded image, by its corner."""
    padded = np.pad(image, [(padding, padding), (padding, padding), (0, 0)])
    down, right = padded.shape[0] - height + 1, padded.shape[1] - width + 1
    return [padded[i : i + height, j : j + width] for i in range(down) for j in range(right)]


@pytest.mark.parametrize(("padding", "size"), [(1, None), (0, (3, 2)), (2, (4, 3))])
def test_a_crop_is_a_window_and_every_window_as_likely(padding, size):
    found = draw(crop(padding, size))
    assert found.dtype == np.uint8
    possible = windows(IMAGE, padding, *(size or IMAGE.shape[:2]))
    counts = [int((found == window).all((1, 2, 3)).sum()) for window in possible]
    assert sum(counts) == len(KEYS)  # No two windows are the same: each found is one, and one only.
    expected = len(KEYS) / len(possible)
    assert max(abs(count - expected) for count in counts) < 5 * expected**0.5


def test_a_shift_moves_by_whole_pixels_and_zeros_enter():
    for moved in draw(shift(2)):
        (top, left), (bottom, right) = np.argwhere(moved[..., 0])[[0, -1]]
        down = 5 - (bottom - top + 1) if top else bottom - 4
        sideways = 4 - (right - left + 1) if left else right - 3
        assert max(abs(down), abs(sideways)) <= 2
        expected = np.zeros_like(IMAGE)
        for i in range(max(down, 0), min(5, 5 + down)):
            for j in range(max(sideways, 0), min(4, 4 + sideways)):
                expected[i, j] = IMAGE[i - down, j - sideways]
        np.testing.assert_array_equal(moved, expected)


def test_nothing_to_draw_is_the_identity():
    for augmentation in (crop(0), shift(0), flip(0.0), cut_out(0), cut_out(9, 0.0), compose()):
        np.testing.assert_array_equal(draw(augmentation), np.broadcast_to(IMAGE, (500, 5, 4, 2)))


def test_a_flip_mirrors_left_and_right_and_undoes_itself():
    np.testing.assert_array_equal(draw(flip(1.0))[0], IMAGE[:, ::-1])
    found = draw(flip(0.3))
    mirrored = (found == IMAGE[:, ::-1]).all((1, 2, 3))
    assert ((found == IMAGE).all((1, 2, 3)) != mirrored).all()
    assert mirrored.mean() == pytest.approx(0.3, abs=0.1)
    twice = jax.vmap(flip(0.5))(KEYS, jnp.asarray(found))
    again = jax.vmap(flip(0.5))(KEYS, twice)
    np.testing.assert_array_equal(again, found)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_cut_out_is_a_square_clipped_at_the_border(size):
    found = draw(cut_out(size)) == 0
    assert (found[..., 0] == found[..., 1]).all()
    centres = set()
    for cut in found[..., 0]:
        rows, columns = np.flatnonzero(cut.any(1)), np.flatnonzero(cut.any(0))
        assert cut[rows[:, None], columns].all()  # A rectangle,
        assert max(np.ptp(rows), np.ptp(columns)) < size  # within the square,
        assert 0 in rows or 4 in rows or len(rows) == size  # shorter at a border only,
        assert 0 in columns or 3 in columns or len(columns) == size
        assert cut.sum() >= ((size + 1) // 2) ** 2  # never without its centre's quarter.
        centres.add((rows[0], columns[0], rows[-1], columns[-1]))
    assert len(centres) == 20  # One for each pixel of the image.


def test_a_cut_out_fills_as_asked_and_as_often():
    found = draw(cut_out(3, 0.4, 99.0))
    assert found.dtype == np.uint8
    assert ((found == IMAGE) | (found == 99)).all()
    assert (found == 99).any((1, 2, 3)).mean() == pytest.approx(0.4, abs=0.1)


def test_floats_stay_floats_and_steps_follow_one_another():
    image = IMAGE / np.float32(7)
    found = draw(compose(flip(1.0), crop(0, (3, 2)), cut_out(1, 1.0, -1.0)), image)
    assert found.dtype == np.float32
    assert ((found == -1).all(-1).sum((1, 2)) == 1).all()
    possible = windows(image[:, ::-1], 0, 3, 2)
    for one in found:
        assert any(((one == window) | (one == -1)).all() for window in possible)


def test_probabilities_may_be_traced():
    def changed(probability):
        step = compose(flip(probability), cut_out(2, probability))
        return jax.vmap(step, (0, None))(KEYS, jnp.asarray(IMAGE))

    together = jax.jit(jax.vmap(changed))(jnp.array([0.0, 0.5, 1.0]))
    for found, alone in zip(together, (0.0, 0.5, 1.0), strict=True):
        np.testing.assert_array_equal(found, changed(alone))


def test_what_is_no_size_is_refused():
    with pytest.raises(ValueError, match="crop: a window of .8, 8. from an image of .7, 6."):
        crop(1, (8, 8))(KEYS[0], jnp.asarray(IMAGE))
    for make in (crop, shift, cut_out):
        with pytest.raises(ValueError, match="is at least 0, not -1"):
            make(-1)

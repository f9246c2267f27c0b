"""Localization: overlap of boxes, the box of a digit on a canvas, what fragments do, bad input."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from dlfun.cli.main import main
from dlfun.data.images import normalize
from dlfun.errors import UserError
from dlfun.metrics import values
from dlfun.nn.losses import cross_entropy
from experiments.convolutional import localization
from experiments.convolutional.localization.clutter import (
    bright_boxes,
    check,
    cluttered,
    extent,
    held_out_canvases,
)
from experiments.convolutional.localization.detector import detector, iou, smooth_l1
from experiments.convolutional.localization.network import Detector
from tests.works import compiled

KEY = jax.random.key(0)
SIZE = 64


def some(digits, count=20):
    return jnp.asarray(digits.splits["train"]["image"][:count])


def canvases(images, fragments):
    """A canvas for each image, and the digit alone on it, which the same key places alike."""
    keys = jax.random.split(KEY, len(images))

    def draw(others):
        def one(key, image):
            return cluttered(key, image, others, SIZE, fragments)

        return jax.jit(jax.vmap(one))(keys, images)

    return draw(images), draw(jnp.zeros_like(images))


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ((0, 0, 4, 4), (0, 0, 4, 4), 1),
        ((0, 0, 4, 4), (2, 2, 6, 6), 4 / 28),
        ((0, 0, 4, 4), (1, 1, 3, 3), 4 / 16),
        ((0, 0, 4, 4), (0, 4, 4, 8), 0),
        ((0, 0, 4, 4), (5, 5, 8, 8), 0),
        ((3, 3, 1, 1), (0, 0, 4, 4), 0),
        ((2, 2, 2, 2), (0, 0, 4, 4), 0),
    ],
    ids=["same", "corner", "inside", "side by side", "apart", "upside down", "no area"],
)
def test_iou_by_hand(a, b, expected):
    a, b = (jnp.array(box, jnp.float32) for box in (a, b))
    assert float(iou(a, b)) == pytest.approx(expected)
    assert float(iou(b, a)) == pytest.approx(expected)


def test_smooth_l1_by_hand():
    box, target = jnp.array([[0.5, 0.0, 3.0, -2.0]]), jnp.zeros((1, 4))
    assert float(smooth_l1(box, target)[0]) == pytest.approx(0.125 + 0 + 2.5 + 1.5)


def test_extent_by_hand():
    image = jnp.zeros((6, 7, 1), jnp.uint8).at[2, 3].set(1).at[4, 1].set(255)
    np.testing.assert_array_equal(extent(image), [2, 1, 5, 4])


def test_a_box_is_the_extent_of_the_digits_ink(digits):
    """What lies in the box of a canvas without clutter is the digit, cut to its ink."""
    images = some(digits)
    _, alone = canvases(images, 8)
    for canvas, box, image in zip(alone["image"], alone["box"], images, strict=True):
        top, left, bottom, right = np.asarray(box, int)
        inside = np.asarray(canvas)[top:bottom, left:right]
        rows, columns, _ = np.nonzero(np.asarray(image))
        ink = np.asarray(image)[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        np.testing.assert_array_equal(inside, ink)
        assert int(canvas.astype(jnp.int32).sum()) == ink.sum()
    np.testing.assert_array_equal(bright_boxes(np.asarray(alone["image"])), alone["box"])


def test_fragments_darken_no_ink_and_spoil_the_threshold(digits):
    clutter, alone = canvases(some(digits), 4)
    np.testing.assert_array_equal(clutter["box"], alone["box"])
    assert (clutter["image"] >= alone["image"]).all()
    boxes = jnp.asarray(bright_boxes(np.asarray(clutter["image"])))
    assert float(iou(boxes, clutter["box"]).mean()) < 0.4


def test_canvases_depend_on_the_key_alone(digits):
    image, others = some(digits)[0], some(digits)
    first, again, other = (cluttered(jax.random.key(n), image, others, SIZE, 8) for n in (0, 0, 1))
    jax.tree.map(np.testing.assert_array_equal, first, again)
    assert not np.array_equal(first["image"], other["image"])


def test_digits_come_to_every_place(digits):
    """The corner of a digit of 28 pixels is uniform over 37 × 37 places."""
    image = some(digits)[3]
    keys = jax.random.split(KEY, 3000)
    boxes = jax.vmap(lambda key: cluttered(key, image, image[None], SIZE, 0)["box"])(keys)
    corner = boxes[:, :2] - extent(image)[:2]
    assert (float(corner.min()), float(corner.max())) == (0, SIZE - 28)
    np.testing.assert_allclose(corner.mean(axis=0), (SIZE - 28) / 2, atol=1)


def test_those_held_out_are_drawn_once_and_have_their_size(digits):
    first, again = (held_out_canvases(digits, 40, 3).splits for _ in range(2))
    jax.tree.map(np.testing.assert_array_equal, first, again)
    assert first["test"]["image"].shape == (120, 40, 40, 1)
    assert first["train"] is digits.splits["train"]
    alone = held_out_canvases(digits, 28, 0).splits["test"]
    np.testing.assert_array_equal(alone["image"], digits.splits["test"]["image"])


def test_the_learner_scores_what_it_predicts(digits):
    """Of two examples one has weight 0: metrics are those of the other, by its logits and box."""
    test = held_out_canvases(digits, SIZE, 4).splits["test"]
    model, weight = Detector((4, 4), 8, 10), jnp.array([1.0, 0.0])
    learner = compiled(detector(model, optax.sgd(0.1), 0.5, localization.INPUTS))
    batch = {name: jnp.asarray(column[:2]) for name, column in test.items()} | {"weight": weight}
    state = learner.init(KEY, batch)
    logits, box = (learner.predict(state, batch)[name] for name in ("logits", "box"))
    overlap = float(iou(box, batch["box"])[0])
    right = bool(logits[0].argmax() == batch["label"][0])
    loss = cross_entropy(logits, batch["label"]) + 0.5 * smooth_l1(box, batch["box"])
    assert values(learner.evaluate(state, batch, KEY)) == pytest.approx(
        {
            "loss": float(loss[0]),
            "iou": overlap,
            "found": float(overlap >= 0.5),
            "localized": float(overlap >= 0.5 and right),
            "accuracy": float(right),
        },
        rel=1e-4,
    )


def test_the_class_does_not_depend_on_the_place(digits, xla_convolutions):
    """Moved by a stride of the last maps, away from the borders, a digit has the same logits."""
    model = Detector((4, 4, 8), 8, 10)
    digit = normalize()(some(digits)[0, 4:24, 4:24])
    x = jnp.zeros((2, SIZE, SIZE, 1)).at[0, 20:40, 20:40].set(digit).at[1, 24:44, 16:36].set(digit)
    logits, _ = model.apply(model.init(KEY, x), x)
    np.testing.assert_allclose(logits[0], logits[1], atol=1e-4)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--canvas", "27"], "--canvas must be at least 28, the size of the images of mnist"),
        (["--canvas", "0"], "--canvas must be at least 1"),
        (["--fragments", "-1"], "--fragments must be at least 0"),
    ],
)
def test_bad_sizes_get_one_line(flags, words, small_mnist, capsys, tmp_path):
    assert main(["train", "localization", *flags, "--run-dir", str(tmp_path / "run")]) == 2
    err = capsys.readouterr().err
    assert words in err
    assert len(err.splitlines()) == 1


def test_a_box_of_no_area_is_refused(digits):
    image = digits.splits["test"]["image"].copy()
    image[7] = 0
    splits = digits.splits | {"test": digits.splits["test"] | {"image": image}}
    with pytest.raises(UserError, match="image 7 of split 'test' is black .* has no area"):
        check(digits._replace(splits=splits), SIZE)

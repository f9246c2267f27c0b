"""Captions of rows of digits: the network's steps, the baseline and `predict`."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from dlfun import config
from dlfun.errors import UserError
from dlfun.experiment import Trained
from experiments.sequence_to_sequence import captioning
from experiments.sequence_to_sequence.captioning.baseline import nearest_captions, pieces
from experiments.sequence_to_sequence.captioning.network import Captioner

RANDOM = np.random.default_rng(0)
SMALL = captioning.Config(channels=(2, 3), hidden=4, examples=8, test=6)
IMAGES = jnp.asarray(RANDOM.integers(0, 256, (3, 8, 12, 1)), jnp.uint8)
BEFORE = jnp.asarray(RANDOM.integers(0, 5, (3, 4)), jnp.int32)
MODEL = Captioner(5, (2, 3), 4)


@pytest.fixture(scope="module")
def variables():
    fresh = jax.jit(MODEL.init)(jax.random.key(0), IMAGES, BEFORE)
    return jax.tree.map(lambda p: 2 * p, fresh)


def test_steps_give_the_logits_of_all_words_at_once(variables, xla_convolutions):
    @jax.jit
    def in_steps():
        apply = partial(MODEL.apply, variables)
        memory = apply(IMAGES, method="encode")
        carry, logits = apply(memory, 4, method="begin"), []
        for at in range(4):
            new, carry = apply(memory, carry, BEFORE[:, at], jnp.asarray(at), method="step")
            logits.append(new)
        return jnp.stack(logits, axis=1)

    whole = MODEL.apply(variables, IMAGES, BEFORE)
    np.testing.assert_allclose(in_steps(), whole, rtol=1e-4, atol=1e-5)
    assert whole.std() > 0.1


def test_attention_is_a_distribution_over_the_places_of_the_image(variables, xla_convolutions):
    weights = MODEL.apply(variables, IMAGES, BEFORE, method="weights")
    assert weights.shape == (3, 4, np.prod(MODEL.places(8, 12)))
    np.testing.assert_allclose(weights.sum(-1), 1, rtol=1e-5)
    # Where the network looks depends on the words so far.
    other = MODEL.apply(variables, IMAGES, BEFORE.at[:, 1].add(1) % 5, method="weights")
    np.testing.assert_array_equal(weights[:, :2], other[:, :2])
    assert not np.allclose(weights[:, 2:], other[:, 2:])


def test_the_pipeline_reads_digits_that_stand_apart(digits):
    train = digits.splits["train"]
    images, labels = train["image"][:60], train["label"][:60]
    row = np.concatenate([images[3], images[5], images[8]], axis=1)
    blank = np.zeros_like(row)
    read = nearest_captions(np.stack([row, blank, row[:, ::-1] * 0]), images, labels)
    whole = [len(pieces(images[n, :, :, 0])) for n in (3, 5, 8)]
    assert whole == [1, 1, 1]
    assert read == [[int(labels[n]) for n in (3, 5, 8)], [], []]


def test_an_image_is_cut_at_its_empty_columns():
    image = np.zeros((3, 7), np.uint8)
    image[1, [0, 1, 3, 6]] = 9
    assert [part.shape for part in pieces(image)] == [(3, 2), (3, 1), (3, 1)]
    assert pieces(np.zeros((3, 4), np.uint8)) == []


def test_a_network_without_convolutions_is_refused():
    with pytest.raises(UserError, match="--channels must have at least one value"):
        config.check(captioning.Config(channels=()))


def test_image_files_get_captions(small_mnist, tmp_path):
    dataset = captioning.data(SMALL)
    trained = Trained(SMALL, dataset, None, None, 0)
    image = dataset.splits["test"]["image"][0]
    Image.fromarray(image[..., 0]).save(tmp_path / "row.png")
    names, columns = captioning.inputs(trained, [str(tmp_path / "row.png")])
    np.testing.assert_array_equal(columns["image"], image[None])
    rows = list(captioning.outputs(trained, names, np.array([[3, 0, 7, 10, 10]])))
    assert rows == [{"caption": "three zero seven"}]
    with pytest.raises(UserError, match="none.png"):
        captioning.inputs(trained, [str(tmp_path / "none.png")])

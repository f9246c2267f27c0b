"""Kim's network: its filters by hand, padding, and its channels of word vectors."""

from functools import partial

import jax
import numpy as np
import pytest

from dlfun.nn.models.text_cnn import VECTORS, TextCNN

WORDS = np.array([[2, 5, 3, 4, 0, 0], [6, 1, 0, 0, 0, 0]], np.int32)
LENGTHS = np.array([4, 2], np.int32)


def made(**options):
    model = TextCNN(7, 3, size=4, widths=(2, 3), features=5, **options)
    return model, jax.jit(model.init)(jax.random.key(0), WORDS, LENGTHS)


def apply(model, variables, words, lengths, **options):
    return jax.jit(partial(model.apply, **options))(variables, words, lengths)


def test_filters_answer_to_windows_of_words_and_beyond_both_ends_to_zeros():
    model, variables = made()
    params = jax.tree.map(np.asarray, variables["params"])
    answers = apply(model, variables, WORDS, LENGTHS, method=TextCNN.answers)
    for width, answer, name in zip((2, 3), answers, ("filters_0", "filters_1"), strict=True):
        kernel, bias = params[name]["kernel"], params[name]["bias"]
        for row, length in enumerate(LENGTHS):
            x = np.zeros((length + 2 * (width - 1), 4), np.float32)
            x[width - 1 : width - 1 + length] = params[VECTORS][WORDS[row, :length]]
            by_hand = np.zeros_like(answer[row])
            for start in range(length + width - 1):
                by_hand[start] = np.maximum(
                    np.tensordot(x[start : start + width], kernel, 2) + bias, 0
                )
            np.testing.assert_allclose(answer[row], by_hand, atol=1e-6)


def test_a_padded_sentence_is_classified_as_alone():
    model, variables = made()
    together = apply(model, variables, WORDS, LENGTHS)
    alone = apply(model, variables, WORDS[1:, :2], LENGTHS[1:])
    np.testing.assert_allclose(together[1:], alone, atol=1e-6)


def test_each_filter_is_applied_to_both_channels():
    model, variables = made(fixed=True)
    params, fixed = variables["params"], variables[VECTORS][VECTORS]
    assert jax.tree.leaves(made(tuned=False, fixed=True)[1]["params"])[0].shape != fixed.shape
    total = {"params": {**params, VECTORS: params[VECTORS] + fixed}}
    one, _ = made()
    np.testing.assert_allclose(
        apply(model, variables, WORDS, LENGTHS), apply(one, total, WORDS, LENGTHS), atol=1e-6
    )


@pytest.mark.parametrize("tuned", [True, False])
def test_fixed_vectors_get_no_gradient(tuned):
    model, variables = made(tuned=tuned, fixed=True)

    def total(variables, words, lengths):
        return (model.apply(variables, words, lengths) ** 2).sum()

    gradient = jax.jit(jax.grad(total))(variables, WORDS, LENGTHS)
    assert not np.asarray(gradient[VECTORS][VECTORS]).any()
    assert (VECTORS in gradient["params"]) is tuned
    if tuned:
        assert np.asarray(gradient["params"][VECTORS][2:]).any()
        assert not np.asarray(gradient["params"][VECTORS][0]).any()

"""GPT reads the past alone, and the window of decoding shows it the last tokens."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dlfun.nn.decoding import generate
from dlfun.nn.models.gpt import GPT, sliding_window

CONTEXT = 5
MODEL = GPT(7, CONTEXT, 8, 2, 1)
TOKENS = jnp.asarray(np.random.default_rng(0).integers(0, 7, (2, CONTEXT)), jnp.int32)


@pytest.fixture(scope="module")
def read():
    """Logits of a network with parameters larger than at the start of a training."""
    variables = jax.tree.map(lambda p: 4 * p, jax.jit(MODEL.init)(jax.random.key(0), TOKENS))
    return jax.jit(lambda tokens: MODEL.apply(variables, tokens))


def test_logits_depend_on_the_past_alone(read):
    changed = read(TOKENS.at[:, 3].set((TOKENS[:, 3] + 1) % 7))
    np.testing.assert_allclose(changed[:, :3], read(TOKENS)[:, :3], rtol=1e-5, atol=1e-6)
    assert (jnp.abs(changed - read(TOKENS))[:, 3:].max(-1) > 1e-3).all()


@pytest.mark.parametrize("primed", [1, 3, CONTEXT + 2])
def test_each_token_is_the_likeliest_after_the_last_ones(read, primed):
    prime = jnp.asarray(np.random.default_rng(1).integers(0, 7, (2, primed)), jnp.int32)
    step, window, position = sliding_window(read, CONTEXT, prime)
    text = jax.jit(lambda: generate(step, window, prime[:, -1], 8, position=position))()
    whole = np.concatenate([prime, text], axis=1)
    for at in range(primed, whole.shape[1]):
        last = whole[:, max(0, at - CONTEXT) : at]
        filled = np.pad(last, ((0, 0), (0, CONTEXT - last.shape[1])))
        expected = read(jnp.asarray(filled))[:, last.shape[1] - 1].argmax(-1)
        np.testing.assert_array_equal(whole[:, at], expected)


def test_a_text_longer_than_the_context_is_refused():
    with pytest.raises(ValueError, match="a text of 6 tokens, longer than the context of 5"):
        jax.eval_shape(MODEL.init, jax.random.key(0), jnp.zeros((1, 6), jnp.int32))

"""Attention equals the papers' formulas, Flax and PyTorch, in outputs and gradients."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dlfun.nn.layers.attention import (
    AdditiveAttention,
    Cache,
    MultiHeadAttention,
    MultiplicativeAttention,
    causal_mask,
    padding_mask,
    write,
)
from tests.nn.layers.from_torch import attention_from_torch
from tests.works import assert_close

BATCH, QUERIES, KEYS, FEATURES, HEADS = 2, 3, 5, 8, 2
LENGTHS = jnp.array([5, 2])
RANDOM = np.random.default_rng(0)
X = jnp.asarray(RANDOM.normal(size=(BATCH, QUERIES, FEATURES)), jnp.float32)
MEMORY = jnp.asarray(RANDOM.normal(size=(BATCH, KEYS, FEATURES)), jnp.float32)


def drawn(layer, *arguments):
    """Parameters drawn anew, biases too."""
    like = jax.eval_shape(layer.init, jax.random.key(0), *arguments)["params"]
    return jax.tree.map(lambda a: jnp.asarray(RANDOM.normal(size=a.shape), jnp.float32), like)


def test_masks():
    np.testing.assert_array_equal(padding_mask(LENGTHS, 3)[:, 0, 0], [[1, 1, 1], [1, 1, 0]])
    np.testing.assert_array_equal(causal_mask(3, 3)[0, 0], np.tril(np.ones((3, 3))))
    np.testing.assert_array_equal(causal_mask(2, 4, 1)[0, 0], [[1, 1, 0, 0], [1, 1, 1, 0]])


@pytest.mark.parametrize("layer", [AdditiveAttention(6), MultiplicativeAttention()])
def test_written_out_attention_is_a_loop_over_scores(layer):
    mask = padding_mask(LENGTHS, KEYS)[:, 0, 0]
    params = drawn(layer, X, MEMORY, mask)
    read, weights = jax.jit(layer.apply)({"params": params}, X, MEMORY, mask)
    params = jax.tree.map(np.asarray, params)
    kernel = {name: part["kernel"] for name, part in params.items()}
    for b in range(BATCH):
        memory = np.asarray(MEMORY[b, : LENGTHS[b]])
        for t in range(QUERIES):
            q = np.asarray(X[b, t])
            if isinstance(layer, AdditiveAttention):
                hidden = q @ kernel["query"] + memory @ kernel["memory"] + params["memory"]["bias"]
                score = (np.tanh(hidden) @ kernel["score"])[:, 0]
            else:
                score = np.stack([q @ kernel["query"] @ m for m in memory])
            alpha = np.exp(score) / np.exp(score).sum()
            assert_close(weights[b, t, : LENGTHS[b]], alpha)
            assert not weights[b, t, LENGTHS[b] :].any()
            assert_close(read[b, t], (alpha[:, None] * memory).sum(0))


def test_heads_equal_flax():
    ours = MultiHeadAttention(FEATURES, HEADS)
    mask = padding_mask(LENGTHS, KEYS)
    params = drawn(ours, X, MEMORY)
    theirs = nn.MultiHeadDotProductAttention(HEADS)
    expected = jax.jit(theirs.apply)({"params": params}, X, MEMORY, mask=mask)
    assert_close(jax.jit(ours.apply)({"params": params}, X, MEMORY, mask), expected)


def test_heads_equal_torch():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    network = torch.nn.MultiheadAttention(FEATURES, HEADS, batch_first=True)
    tx, tmemory = (torch.tensor(np.asarray(a), requires_grad=True) for a in (X, MEMORY))
    ignored = torch.tensor(~np.asarray(padding_mask(LENGTHS, KEYS)[:, 0, 0]))
    ty, tweights = network(
        tx, tmemory, tmemory, key_padding_mask=ignored, average_attn_weights=False
    )
    (ty**3).sum().backward()
    layer, mask = MultiHeadAttention(FEATURES, HEADS), padding_mask(LENGTHS, KEYS)

    def cubes(params, x, memory):
        y, kept = layer.apply({"params": params}, x, memory, mask, mutable=["intermediates"])
        return (y**3).sum(), (y, kept["intermediates"]["attention_weights"][0])

    gradient = jax.jit(jax.grad(cubes, (0, 1, 2), has_aux=True))
    (dparams, dx, dmemory), (y, weights) = gradient(attention_from_torch(network, HEADS), X, MEMORY)
    assert_close(y, ty.detach().numpy())
    assert_close(weights, tweights.detach().numpy())
    assert_close((dx, dmemory), (tx.grad.numpy(), tmemory.grad.numpy()), 1e-4)
    with torch.no_grad():  # The gradients take the place of the weights.
        for parameter in network.parameters():
            parameter.copy_(parameter.grad)
    assert_close(dparams, attention_from_torch(network, HEADS), 1e-4)


def test_a_cache_is_written_from_a_position_on():
    zeros, ones = jnp.zeros((1, 1, 4, 1)), jnp.ones((1, 1, 2, 1))
    cache = write(Cache(zeros, zeros), Cache(ones, 2 * ones), jnp.asarray(1))
    np.testing.assert_array_equal(cache.keys[0, 0, :, 0], [0, 1, 1, 0])
    np.testing.assert_array_equal(cache.values[0, 0, :, 0], [0, 2, 2, 0])


def test_heads_must_divide_the_features():
    with pytest.raises(ValueError, match="8 features do not divide by 3 heads"):
        MultiHeadAttention(8, 3).init(jax.random.key(0), X, MEMORY)

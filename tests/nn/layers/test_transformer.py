"""Blocks of the Transformer equal PyTorch's; step by step they give what they give at once."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dlfun.nn.layers.attention import causal_mask, padding_mask
from dlfun.nn.layers.transformer import Memory, TransformerBlock, sinusoids
from tests.nn.layers.from_torch import array, attention_from_torch
from tests.works import assert_close

BATCH, TIME, KEYS, FEATURES, HEADS, HIDDEN = 2, 5, 4, 8, 2, 12
LENGTHS = jnp.array([4, 2])
RANDOM = np.random.default_rng(0)
X = jnp.asarray(RANDOM.normal(size=(BATCH, TIME, FEATURES)), jnp.float32)
MEMORY = jnp.asarray(RANDOM.normal(size=(BATCH, KEYS, FEATURES)), jnp.float32)


class Block(nn.Module):
    """A block with what it reads of a memory, at once or in two steps."""

    block: TransformerBlock
    cut: int = 0

    def __call__(self, x, mask, memory=None):
        read = None
        if memory is not None:
            read = Memory(self.block.reading.project(memory), padding_mask(LENGTHS, KEYS))
        if not self.cut:
            return self.block(x, mask, read)
        cache = self.block.empty_cache(len(x), TIME)
        first, cache = self.block.step(x[:, : self.cut], cache, 0, read)
        second, _ = self.block.step(x[:, self.cut :], cache, self.cut, read)
        return jnp.concatenate([first, second], axis=1)


def from_torch(network):
    def dense(layer):
        return {"kernel": array(layer.weight).T, "bias": array(layer.bias)}

    def norm(layer):
        return {"scale": array(layer.weight), "bias": array(layer.bias)}

    params = {
        "attention": attention_from_torch(network.self_attn, HEADS),
        "attention_norm": norm(network.norm1),
        "first": dense(network.linear1),
        "second": dense(network.linear2),
    }
    if not hasattr(network, "multihead_attn"):
        return {"block": params | {"dense_norm": norm(network.norm2)}}
    reading = {
        "reading": attention_from_torch(network.multihead_attn, HEADS),
        "reading_norm": norm(network.norm2),
        "dense_norm": norm(network.norm3),
    }
    return {"block": params | reading}


@pytest.mark.parametrize("pre_norm", [False, True])
@pytest.mark.parametrize("reads", [False, True])
def test_blocks_equal_torch(reads, pre_norm):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    kind = torch.nn.TransformerDecoderLayer if reads else torch.nn.TransformerEncoderLayer
    network = kind(FEATURES, HEADS, HIDDEN, 0.0, batch_first=True, norm_first=pre_norm)
    with torch.no_grad():
        for parameter in network.parameters():  # Biases and scales start alike.
            parameter.add_(0.3 * torch.randn_like(parameter))
    tx, tmemory = (torch.tensor(np.asarray(a), requires_grad=True) for a in (X, MEMORY))
    forbidden = torch.tensor(~np.asarray(causal_mask(TIME, TIME)[0, 0]))
    ignored = torch.tensor(~np.asarray(padding_mask(LENGTHS, KEYS)[:, 0, 0]))
    if reads:
        ty = network(tx, tmemory, tgt_mask=forbidden, memory_key_padding_mask=ignored)
    else:
        ty = network(tx, src_mask=forbidden)
    (ty**3).sum().backward()
    layer = Block(TransformerBlock(FEATURES, HEADS, HIDDEN, reads, pre_norm))
    memory = MEMORY if reads else None

    def cubes(params, x, memory):
        y = layer.apply({"params": params}, x, causal_mask(TIME, TIME), memory)
        return (y**3).sum(), y

    argnums = (0, 1, 2) if reads else (0, 1)
    gradient = jax.jit(jax.grad(cubes, argnums, has_aux=True))
    (dparams, *dinputs), y = gradient(from_torch(network), X, memory)
    assert_close(y, ty.detach().numpy(), 1e-4)
    for ours, theirs in zip(dinputs, (tx, tmemory), strict=False):
        assert_close(ours, theirs.grad.numpy(), 1e-3)
    with torch.no_grad():  # The gradients take the place of the weights.
        for parameter in network.parameters():
            parameter.copy_(parameter.grad)
    assert_close(dparams, from_torch(network), 1e-3)


@pytest.mark.parametrize("pre_norm", [False, True])
@pytest.mark.parametrize("cut", [1, 3])
def test_steps_with_a_cache_give_what_the_whole_gives(cut, pre_norm):
    block = TransformerBlock(FEATURES, HEADS, HIDDEN, True, pre_norm)
    arguments = X, causal_mask(TIME, TIME), MEMORY
    variables = jax.jit(Block(block).init)(jax.random.key(0), *arguments)
    whole, steps = (jax.jit(Block(block, at).apply)(variables, *arguments) for at in (0, cut))
    assert_close(steps, whole)


def test_a_rate_of_dropout_may_be_traced_and_is_none_in_evaluation():
    block = TransformerBlock(FEATURES, HEADS, HIDDEN)
    variables = jax.jit(block.init)(jax.random.key(0), X)

    @jax.jit
    def trained(rate):
        rngs = {"dropout": jax.random.key(1)}
        return block.clone(dropout=rate).apply(variables, X, training=jnp.ones(BATCH), rngs=rngs)

    alone = jax.jit(block.apply)(variables, X)
    assert_close(trained(0.0), alone)
    assert not np.allclose(trained(0.5), alone, atol=0.1)
    assert_close(jax.jit(block.clone(dropout=0.5).apply)(variables, X), alone)


def test_a_sinusoid_further_on_is_a_rotation():
    table = sinusoids(40, 6)
    np.testing.assert_allclose(table[:, 0], np.sin(np.arange(40)), atol=1e-6)
    np.testing.assert_allclose(table[:, 3], np.cos(np.arange(40) / 10_000 ** (1 / 3)), atol=1e-6)
    pairs = table[:, ::2] + 1j * table[:, 1::2]
    turns = pairs[7:] / pairs[:-7]
    np.testing.assert_allclose(turns, np.broadcast_to(turns[:1], turns.shape), atol=1e-5)
    assert sinusoids(3, 5).shape == (3, 5)

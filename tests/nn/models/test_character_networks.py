"""Networks of characters: exact numbers of parameters, shapes, and shortcuts by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dlfun.data.characters import CONNEAU, ZHANG
from dlfun.nn.models.character_cnn import SIZES, CharacterCNN
from dlfun.nn.models.vdcnn import BLOCKS, VDCNN

CLASSES = 4


def parameters(model, length):
    x = jax.ShapeDtypeStruct((1, length), jnp.uint8)
    shapes = jax.eval_shape(model.init, jax.random.key(0), x)
    return {
        "/".join(step.key for step in path): int(np.prod(leaf.shape))
        for path, leaf in jax.tree_util.tree_leaves_with_path(shapes["params"])
    }


@pytest.mark.parametrize(("size", "number"), [("small", 11_339_780), ("large", 95_940_612)])
def test_character_networks_of_the_paper(size, number):
    """Tables 1 and 2 of Zhang et al. (2015): windows 7, 7, 3, 3, 3, 3; 34 positions are left."""
    channels, hidden, deviation = SIZES[size]
    convolutions = 7 * len(ZHANG) * channels + 7 * channels**2 + 4 * 3 * channels**2 + 6 * channels
    left = (1014 - 96) // 27
    dense = (left * channels + 1) * hidden + (hidden + 1) * hidden + (hidden + 1) * CLASSES
    model = CharacterCNN(CLASSES, len(ZHANG), channels, hidden, deviation)
    assert sum(parameters(model, 1014).values()) == convolutions + dense == number


def convolutions(depth, shortcuts):
    """The parameters of blocks, first layer and character vectors, by the paper's Table 2."""
    total, inputs = 69 * 16 + 3 * 16 * 64, 64
    for stage, blocks in enumerate(BLOCKS[depth]):
        width = 64 * 2**stage
        for _ in range(blocks):
            total += 3 * inputs * width + 3 * width**2 + 4 * width
            if shortcuts and inputs != width:
                total += inputs * width + 2 * width
            inputs = width
    return total


@pytest.mark.parametrize(
    ("depth", "without", "with_shortcuts"),
    [
        (9, 1_580_880, 1_754_704),
        (17, 3_673_680, 3_847_504),
        (29, 4_044_624, 4_218_448),
        (49, 7_173_200, 7_347_024),
    ],
)
@pytest.mark.parametrize("pooling", ["convolution", "k_max", "max"])
def test_vdcnn_of_the_paper(depth, without, with_shortcuts, pooling):
    for shortcuts, number in ((False, without), (True, with_shortcuts)):
        model = VDCNN(CLASSES, len(CONNEAU) + 2, depth, shortcuts, pooling)
        sizes = parameters(model, 1024)
        dense = sum(size for name, size in sizes.items() if name.startswith("Dense"))
        assert dense == (512 * 8 + 1) * 2048 + (2048 + 1) * 2048 + (2048 + 1) * CLASSES
        assert sum(sizes.values()) - dense == convolutions(depth, shortcuts) == number
        kernels = [name for name in sizes if "Block" in name or name.startswith("Conv")]
        plain = [name for name in kernels if name.endswith("kernel")]
        assert len(plain) - 3 * shortcuts == depth


def test_depths_differ_as_in_the_papers_table():
    """It prints 2.2, 4.3, 4.6 and 7.8 million: 0.6 million more than these layers hold."""
    printed = {9: 2.2, 17: 4.3, 29: 4.6, 49: 7.8}
    more = [printed[depth] - convolutions(depth, False) / 1e6 for depth in printed]
    np.testing.assert_allclose(more, 0.6, atol=0.05)


@pytest.mark.parametrize("pooling", ["convolution", "k_max", "max"])
def test_logits_of_texts_of_an_odd_length(pooling):
    model = VDCNN(3, 9, 9, True, pooling, width=2, hidden=4, embedding=2)
    x = np.random.default_rng(0).integers(0, 9, (2, 67)).astype(np.uint8)
    variables = jax.jit(model.init)(jax.random.key(0), x)
    assert jax.jit(model.apply)(variables, x).shape == (2, 3)


def test_an_unknown_depth():
    with pytest.raises(ValueError, match="VDCNN has 9, 17, 29, 49 layers, not 10"):
        VDCNN(2, 9, 10).init(jax.random.key(0), jnp.zeros((1, 64), jnp.uint8))

from functools import partial

import jax
import numpy as np
import pytest

from dlfun.nn.models.resnet import ResNet, resnet, resnet_small

pytestmark = pytest.mark.usefixtures("xla_convolutions")

quick = partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
COUNTS = {18: 11_689_512, 34: 21_797_672, 50: 25_557_032, 101: 44_549_160, 152: 60_192_808}
SMALL = {20: 269_722, 32: 464_154}


@pytest.mark.parametrize("depth", COUNTS)
def test_parameter_counts(depth, parameters):
    assert parameters(resnet(depth), (224, 224, 3)) == COUNTS[depth]


def test_parameter_counts_of_the_small_ones(parameters):
    assert {depth: parameters(resnet_small(depth), (32, 32, 3)) for depth in SMALL} == SMALL
    assert parameters(resnet_small(20, shortcut="B"), (32, 32, 3)) == 272_474


def peer(bottleneck, small, shortcut, preactivation):
    """In PyTorch: two stages of two blocks, of 4 and 8 channels."""
    torch = pytest.importorskip("torch")
    nn = torch.nn

    def conv(cin, cout, window, stride=1):
        return nn.Conv2d(cin, cout, window, stride, window // 2, bias=False)

    class Block(nn.Module):
        def __init__(self, cin, width, stride, first):
            super().__init__()
            layers = [(width, 3, stride), (width, 3, 1)]
            if bottleneck:
                layers = [(width, 1, 1), (width, 3, stride), (4 * width, 1, 1)]
            self.before, self.stride, inner = nn.Sequential(), stride, []
            if preactivation and not first:
                self.before = nn.Sequential(nn.BatchNorm2d(cin), nn.ReLU())
            last, channels = layers[-1][0], cin
            for i, (features, window, step) in enumerate(layers):
                if preactivation and i:
                    inner += [nn.BatchNorm2d(channels), nn.ReLU()]
                inner.append(conv(channels, features, window, step))
                if not preactivation:
                    inner.append(nn.BatchNorm2d(features))
                    inner += [nn.ReLU()][: len(layers) - 1 - i]
                channels = features
            self.layers = nn.Sequential(*inner)
            self.extra, self.project = last - cin, None
            if (stride > 1 or last != cin) and shortcut == "B":
                norm = nn.Identity() if preactivation else nn.BatchNorm2d(last)
                self.project = nn.Sequential(conv(cin, last, 1, stride), norm)

        def forward(self, x):
            start = self.before(x)
            y = self.layers(start)
            if self.project is not None:
                x = self.project(start)
            elif self.extra:
                x = start[:, :, :: self.stride, :: self.stride]
                sides = (self.extra // 2, self.extra - self.extra // 2)
                x = nn.functional.pad(x, (0, 0, 0, 0, *sides))
            return x + y if preactivation else torch.relu(x + y)

    layers = [conv(3, 4, 3) if small else conv(3, 4, 7, 2), nn.BatchNorm2d(4), nn.ReLU()]
    layers += [] if small else [nn.MaxPool2d(3, 2, 1)]
    channels = 4
    for stage, width in enumerate((4, 8)):
        for block in range(2):
            stride = 2 if stage and not block else 1
            layers.append(Block(channels, width, stride, not stage and not block))
            channels = 4 * width if bottleneck else width
    layers += [nn.BatchNorm2d(channels), nn.ReLU()] if preactivation else []
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 5)]
    return nn.Sequential(*layers)


@pytest.mark.parametrize(
    ("bottleneck", "small", "shortcut", "preactivation"),
    [
        (False, False, "B", False),
        (True, False, "B", False),
        (False, True, "A", False),
        (True, True, "B", True),
        (False, True, "A", True),
    ],
)
def test_logits_equal_torch(bottleneck, small, shortcut, preactivation, assert_equals_torch):
    options = {"shortcut": shortcut, "preactivation": preactivation}
    model = ResNet(5, (2, 2), (4, 8), bottleneck, small, **options)
    torch_peer = peer(bottleneck, small, shortcut, preactivation)
    assert_equals_torch(model, torch_peer, (2, 24, 20, 3))


@pytest.mark.parametrize(
    "model",
    [
        ResNet(4, (1, 1), (4, 8), bottleneck=True, zero_last=True),
        ResNet(4, (1, 1), (4, 8), small=True, shortcut="A", preactivation=True),
    ],
    ids=["bottleneck", "small and pre-activated"],
)
def test_it_learns(model, assert_learns):
    assert_learns(model, (16, 16, 3))


@pytest.mark.parametrize("preactivation", [False, True])
def test_a_block_whose_last_layer_starts_at_zero_adds_nothing(preactivation):
    """So the logits of the network with more blocks are those of the one with fewer."""
    x = jax.random.normal(jax.random.key(1), (2, 8, 8, 3))
    options = {"small": True, "zero_last": True, "preactivation": preactivation}
    logits = []
    for blocks in (1, 2):
        model = ResNet(5, (blocks,), (4,), **options)
        logits.append(quick(model.init_with_output)(jax.random.key(0), x)[0])
    np.testing.assert_allclose(*logits, atol=1e-6)


def test_unknown_depths_are_refused():
    with pytest.raises(ValueError, match="ResNet has 18, 34, 50, 101, 152 layers, not 20"):
        resnet(20)
    with pytest.raises(ValueError, match="6n \\+ 2 layers .* not 18"):
        resnet_small(18)

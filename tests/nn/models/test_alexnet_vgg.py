"""AlexNet and VGG: chains of convolutions, poolings and dense layers."""

import pytest

from dlfun.nn.models.alexnet import AlexNet, alexnet_small
from dlfun.nn.models.vgg import VGG, vgg, vgg_small

pytestmark = pytest.mark.usefixtures("xla_convolutions")

IMAGENET = (224, 224, 3)
PLAIN = {11: 132_863_336, 13: 133_047_848, 16: 138_357_544, 19: 143_667_240}
NORMED = {11: 132_868_840, 13: 133_053_736, 16: 138_365_992, 19: 143_678_248}


def test_parameter_counts(parameters):
    assert parameters(AlexNet(), IMAGENET) == 61_100_840
    assert {depth: parameters(vgg(depth), IMAGENET) for depth in PLAIN} == PLAIN
    assert {depth: parameters(vgg(depth, norm=True), IMAGENET) for depth in NORMED} == NORMED


def chain(maps, dense):
    """A network in PyTorch of layers that make maps, flattened as ours are, and dense ones."""
    torch = pytest.importorskip("torch")

    class Peer(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.maps, self.dense = torch.nn.Sequential(*maps), torch.nn.Sequential(*dense)

        def forward(self, x):
            return self.dense(self.maps(x).permute(0, 2, 3, 1).flatten(1))

    return Peer()


def test_alexnet_equals_torch(assert_equals_torch):
    nn = pytest.importorskip("torch").nn
    maps = [
        *(nn.Conv2d(3, 4, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(4, 6, 5, 1, 2), nn.ReLU(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(6, 8, 3, 1, 1), nn.ReLU()),
        *(nn.Conv2d(8, 6, 3, 1, 1), nn.ReLU()),
        *(nn.Conv2d(6, 6, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(3, 2)),
    ]
    dense = [
        *(nn.Dropout(), nn.Linear(2 * 2 * 6, 16), nn.ReLU()),
        *(nn.Dropout(), nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, 5)),
    ]
    model = AlexNet(5, channels=(4, 6, 8, 6, 6), hidden=(16, 12))
    assert_equals_torch(model, chain(maps, dense), (2, 95, 95, 3))


@pytest.mark.parametrize("norm", [False, True])
def test_vgg_equals_torch(norm, assert_equals_torch):
    nn = pytest.importorskip("torch").nn
    maps, channels = [], 3
    blocks, widths = (1, 2, 2), (4, 8, 12)
    for layers, width in zip(blocks, widths, strict=True):
        for _ in range(layers):
            maps.append(nn.Conv2d(channels, width, 3, padding=1))
            maps += [nn.BatchNorm2d(width)] if norm else []
            maps.append(nn.ReLU())
            channels = width
        maps.append(nn.MaxPool2d(2))
    dense = [nn.Linear(2 * 3 * 12, 10), nn.ReLU(), nn.Dropout(), nn.Linear(10, 5)]
    model = VGG(5, blocks, widths, (10,), norm)
    assert_equals_torch(model, chain(maps, dense), (2, 16, 24, 3))


@pytest.mark.parametrize(
    "model",
    [
        alexnet_small(4, width=4, rate=0.1),
        vgg_small(4, width=4),
        VGG(4, (1, 1), (4, 8), (8,), rate=0.1),
    ],
    ids=["alexnet_small", "vgg_small", "vgg"],
)
def test_it_learns(model, assert_learns):
    assert_learns(model, (16, 16, 1), rate=0.02, steps=6)


def test_what_does_not_exist_or_fit_is_refused(parameters):
    with pytest.raises(ValueError, match="VGG has 11, 13, 16, 19 layers, not 12"):
        vgg(12)
    with pytest.raises(ValueError, match="Pool_4: a 1x1 image leaves no output under a 2x2"):
        parameters(vgg(11), (16, 16, 3))

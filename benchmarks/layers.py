"""Convolutions and networks that `benchmarks.convolution` times."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

PARTS = ("forward", "all")
"""Parts of a layer to time: its output, or the output and the gradients of training."""

LOWERINGS = ("native", "slices", "columns", "F(2×2)", "F(4×4)", "F(5×5)")
"""Lowerings: two for all convolutions, one for those in one group, three for 3×3 at stride 1."""


class Layer(NamedTuple):
    """Convolution of a batch of square images."""

    name: str
    batch: int
    size: int
    channels: int
    features: int
    window: int = 3
    stride: int = 1
    padding: int = 1
    groups: int = 1
    of_image: bool = False
    """True for the first layer, whose input needs no gradient."""

    @property
    def plain(self) -> bool:
        """True if the lowerings for 3×3 at stride 1 apply."""
        return (self.window, self.stride, self.groups) == (3, 1, 1)

    @property
    def ways(self) -> tuple[str, ...]:
        """Lowerings that apply; "chosen" is that of `dlfun.nn.layers.conv.conv`."""
        count = len(LOWERINGS) if self.plain else 3 if self.groups == 1 else 2
        return ("chosen", *LOWERINGS[:count])

    @property
    def out(self) -> int:
        """Height and width of the output."""
        return (self.size - self.window + 2 * self.padding) // self.stride + 1

    def flops(self, part: str) -> int:
        """Operations of a direct convolution: "forward", or "all" with the gradients."""
        products = self.out**2 * self.window**2 * self.channels * self.features // self.groups
        times = 1 if part == "forward" else 2 if self.of_image else 3
        return 2 * self.batch * products * times


class Network(NamedTuple):
    """Network by its name in the two workers, with the shape of its batches."""

    name: str
    batch: int
    size: int


LAYERS = (
    Layer("T3's CNN 1", 64, 28, 1, 32, of_image=True),
    Layer("T3's CNN 2", 64, 14, 32, 64),
    Layer("LeNet-5 C1", 64, 28, 1, 6, 5, padding=2, of_image=True),
    Layer("LeNet-5 C3", 64, 14, 6, 16, 5, padding=0),
    Layer("ResNet-20 first", 128, 28, 1, 16, of_image=True),
    Layer("ResNet-20 stage 1", 128, 28, 16, 16),
    Layer("ResNet-20 to stage 2", 128, 28, 16, 32, stride=2),
    Layer("ResNet-20 stage 2", 128, 14, 32, 32),
    Layer("ResNet-20 stage 3", 128, 7, 64, 64),
    Layer("1×1 projection", 128, 28, 16, 32, 1, 2, 0),
    Layer("VGG-small 2", 128, 28, 32, 32),
    Layer("VGG-small 4", 128, 14, 64, 64),
    Layer("VGG-small 5", 128, 7, 64, 128),
    Layer("VGG-small 6", 128, 7, 128, 128),
    Layer("ResNet's stem", 16, 112, 3, 64, 7, 2, 3, of_image=True),
    Layer("AlexNet's first", 16, 115, 3, 64, 11, 4, 2, of_image=True),
    Layer("depthwise", 64, 28, 32, 32, groups=32),
)
NETWORKS = (
    Network("T3's CNN", 64, 28),
    Network("LeNet-5", 64, 28),
    Network("ResNet-20", 128, 28),
    Network("VGG-small", 128, 28),
)
QUICK_LAYERS = (Layer("3×3", 4, 6, 2, 3),)
QUICK_NETWORKS = (Network("LeNet-5", 4, 28),)


def work(
    settings: Mapping[str, Any],
) -> tuple[tuple[Layer, ...], tuple[Network, ...], float, int]:
    """Layers, networks, seconds of a measurement of a layer, and steps of one of a network."""
    if settings["quick"]:
        return QUICK_LAYERS, QUICK_NETWORKS, 0.0, 3
    return LAYERS, NETWORKS, 0.1, 20


def lazily(make: Callable[[], Callable[[], float]]) -> Callable[[], float]:
    """Task that prepares its measurement at its first call."""
    made: list[Callable[[], float]] = []

    def task() -> float:
        if not made:
            made.append(make())
        return made[0]()

    return task


def repeated(seconds: Callable[[int], float], budget: float) -> Callable[[], float]:
    """Warm up `seconds(repeats)`; return a function that repeats as often as a budget allows."""
    seconds(1)
    times = max(1, round(budget / max(seconds(1), 1e-6)))
    return lambda: seconds(times)

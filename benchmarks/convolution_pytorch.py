"""Worker of `benchmarks.convolution` that computes in PyTorch, in two memory formats."""

import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise, product
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad

from benchmarks import pytorch
from benchmarks.layers import PARTS, Layer, Network, lazily, repeated, work
from benchmarks.pytorch import FORMATS, THREADS, Way, product_rate
from benchmarks.worker import serve

CLASSES = 10


def conv(cin: int, cout: int, stride: int = 1, bias: bool = False) -> nn.Conv2d:
    """Convolution by 3×3 that keeps the size at stride 1."""
    return nn.Conv2d(cin, cout, 3, stride, 1, bias=bias)


class Residual(nn.Module):
    """Residual block of two convolutions; its shortcut pads with zeros where the shape changes."""

    def __init__(self, cin: int, cout: int, stride: int) -> None:
        super().__init__()
        self.stride, self.missing = stride, (cout - cin) // 2
        self.layers = nn.Sequential(
            conv(cin, cout, stride),
            nn.BatchNorm2d(cout),
            nn.ReLU(),
            conv(cout, cout),
            nn.BatchNorm2d(cout),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Compute relu(x + F(x))."""
        y = self.layers(x)
        if self.missing:
            x = pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, *(self.missing,) * 2))
        return torch.relu(x + y)


def resnet20() -> nn.Module:
    """ResNet-20 with shortcuts A, equal to `dlfun.nn.models.resnet.resnet_small(20)`."""
    widths = (16,) * 4 + (32,) * 3 + (64,) * 3
    blocks = [Residual(a, b, 1 if a == b else 2) for a, b in pairwise(widths)]
    ends = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, CLASSES)]
    return nn.Sequential(conv(1, 16), nn.BatchNorm2d(16), nn.ReLU(), *blocks, *ends)


def vgg_small() -> nn.Module:
    """VGG equal to `dlfun.nn.models.vgg.vgg_small()`."""
    layers: list[nn.Module] = []
    for i, (a, b) in enumerate(pairwise((1, 32, 32, 64, 64, 128, 128))):
        layers += [conv(a, b, bias=True), nn.BatchNorm2d(b), nn.ReLU()]
        layers += [nn.MaxPool2d(2)] * (i % 2)
    ends = [nn.Linear(1152, 128), nn.ReLU(), nn.Dropout(0.3), nn.Linear(128, CLASSES)]
    return nn.Sequential(*layers, nn.Flatten(), *ends)


def lenet() -> nn.Module:
    """LeNet-5 equal to `dlfun.nn.models.lenet.LeNet()`."""
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU()),
        nn.Linear(84, CLASSES),
    )


MODELS: dict[str, Callable[[], nn.Module]] = {
    "T3's CNN": lambda: pytorch.network("mnist_cnn", {"channels": (32, 64), "hidden": (128,)}),
    "LeNet-5": lenet,
    "ResNet-20": resnet20,
    "VGG-small": vgg_small,
}


def timed(layer: Layer, way: str, part: str, budget: float) -> Callable[[], float]:
    """Warm up; return a function that runs for `budget` seconds or once, to seconds a run."""
    n, c, size, k = layer.batch, layer.channels, layer.size, layer.window
    x = torch.randn(n, c, size, size).contiguous(**FORMATS[way])
    kernel = torch.randn(layer.features, c // layer.groups, k, k).contiguous(**FORMATS[way])
    gradient = torch.randn(n, layer.features, layer.out, layer.out).contiguous(**FORMATS[way])
    learned = [kernel] if layer.of_image else [x, kernel]
    for tensor in learned:
        tensor.requires_grad_(part == "all")

    def seconds(times: int) -> float:
        began = time.perf_counter()
        for _ in range(times):
            y = conv2d(x, kernel, None, layer.stride, layer.padding, 1, layer.groups)
            if part == "all":
                torch.autograd.grad(y, learned, gradient)
        return (time.perf_counter() - began) / times

    return repeated(seconds, budget)


def training(network: Network, way: str, steps: int) -> Callable[[], float]:
    """Warm up; return a function that trains `steps` steps, to seconds a step."""
    images = torch.rand(network.batch * steps, 1, network.size, network.size)
    labels = torch.randint(CLASSES, (len(images),))
    model = MODELS[network.name]()
    train = pytorch.tuned_training(model, images, labels, Way(THREADS, way), network.batch)
    train(None)

    def measure() -> float:
        began = time.perf_counter()
        train(None)
        return (time.perf_counter() - began) / steps

    return measure


def prepare(settings: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Callable[[], Any]]]:
    """Tasks for each layer, part and memory format, and for each network and memory format."""
    torch.set_flush_denormal(True)  # As XLA does; before the first thread starts.
    layers, networks, budget, steps = work(settings)
    tasks: dict[str, Callable[[], Any]] = {"product": product_rate}
    for layer, part, way in product(layers, PARTS, FORMATS):
        tasks[f"{layer.name} {part} {way}"] = lazily(partial(timed, layer, way, part, budget))
    for network, way in product(networks, FORMATS):
        tasks[f"{network.name} {way}"] = lazily(partial(training, network, way, steps))
    return {"tasks": list(tasks)}, tasks


if __name__ == "__main__":
    serve(prepare)

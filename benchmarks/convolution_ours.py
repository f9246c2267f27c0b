"""Worker of `benchmarks.convolution` that computes in dlfun, with a CPU device for each core.

A batch is split over the devices as in training, and all tasks run inside a compiled loop.
"""

import time
from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.sharding import Mesh, PartitionSpec

from benchmarks.layers import PARTS, Layer, Network, lazily, repeated, work
from benchmarks.ours import compiled, epochs, only_training, product_rate
from benchmarks.worker import serve
from dlfun import optimizers
from dlfun.algorithms.supervised import supervised
from dlfun.data.dataset import Dataset
from dlfun.data.images import normalize
from dlfun.experiment import Stage
from dlfun.nn import losses
from dlfun.nn.kernels import lowerings
from dlfun.nn.kernels.winograd import winograd
from dlfun.nn.layers.conv import conv
from dlfun.nn.models.cnn import CNN
from dlfun.nn.models.lenet import LeNet
from dlfun.nn.models.resnet import resnet_small
from dlfun.nn.models.vgg import vgg_small
from dlfun.sweep.executors import cores
from dlfun.train.options import Options, configure_jax

MODELS: dict[str, Callable[[], Any]] = {
    "T3's CNN": CNN,
    "LeNet-5": LeNet,
    "ResNet-20": partial(resnet_small, 20),
    "VGG-small": vgg_small,
}
SPLIT, WHOLE = PartitionSpec("batch"), PartitionSpec()


def lowering(layer: Layer, way: str) -> Callable[[Array, Array], Array]:
    """Function of x and kernel: a convolution, computed in one of the `ways` of the layer."""
    pads = [(layer.padding, layer.padding)] * 2
    steps: dict[str, Any] = {
        "strides": (layer.stride,) * 2,
        "dilation": (1, 1),
        "groups": layer.groups,
    }
    by_way: dict[str, Callable[..., Array]] = {
        "chosen": partial(conv, strides=layer.stride, padding=layer.padding, groups=layer.groups),
        "native": partial(lowerings.xla_conv, pads=pads, **steps),
        "slices": partial(lowerings.im2col, pads=pads, **steps),
        "columns": partial(lowerings.by_columns, pads=pads, strides=steps["strides"], columns=2),
        "F(2×2)": partial(winograd, pads=pads, m=2),
        "F(4×4)": partial(winograd, pads=pads, m=4),
        "F(5×5)": partial(winograd, pads=pads, m=5),
    }
    return by_way[way]


def arrays(layer: Layer) -> tuple[Array, Array, Array]:
    """Arrays of a layer: images, a kernel, and a gradient of the output."""
    draw = np.random.default_rng(0).standard_normal
    shapes = (
        (layer.batch, layer.size, layer.size, layer.channels),
        (layer.window, layer.window, layer.channels // layer.groups, layer.features),
        (layer.batch, layer.out, layer.out, layer.features),
    )
    x, kernel, y = (jnp.asarray(draw(shape), jnp.float32) for shape in shapes)
    return x, kernel, y


def computation(layer: Layer, way: str, part: str) -> Callable[..., Any]:
    """Function of (x, kernel, y): the output, and for the part "all" the gradients of training."""
    f = lowering(layer, way)

    def compute(x: Array, kernel: Array, y: Array) -> Any:
        if part == "forward":
            return f(x, kernel)
        if layer.of_image:
            out, back = jax.vjp(partial(f, x), kernel)
            return out, lax.psum(back(y)[0], "batch")
        out, back = jax.vjp(f, x, kernel)
        of_input, of_kernel = back(y)
        return out, of_input, lax.psum(of_kernel, "batch")

    return compute


def timed(layer: Layer, way: str, part: str, budget: float) -> Callable[[], float]:
    """Compile; return a function that runs for `budget` seconds or once, to seconds a run."""
    compute, given = computation(layer, way, part), arrays(layer)
    devices = cores() if layer.batch % cores() == 0 else 1
    mesh = Mesh(np.array(jax.devices()[:devices]), ("batch",))

    def run(times: Array, *given: Array) -> Any:
        # The barriers hide from the compiler that all runs compute the same.
        def body(_: Array, carry: Any) -> Any:
            given, _ = lax.optimization_barrier(carry)
            return lax.optimization_barrier((given, compute(*given)))

        shapes = jax.eval_shape(compute, *given)
        start = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)
        return lax.fori_loop(0, times, body, (given, start))[1]

    gradients = (WHOLE,) if layer.of_image else (SPLIT, WHOLE)
    outs: Any = SPLIT if part == "forward" else (SPLIT, *gradients)
    spread = partial(jax.shard_map, mesh=mesh, check_vma=False)
    program = jax.jit(spread(run, in_specs=(WHOLE, SPLIT, WHOLE, SPLIT), out_specs=outs))

    def seconds(times: int) -> float:
        began = time.perf_counter()
        jax.block_until_ready(program(jnp.int32(times), *given))
        return (time.perf_counter() - began) / times

    return repeated(seconds, budget)


def training(network: Network, devices: int, steps: int) -> Callable[[], float]:
    """Compile and warm up; return a function that trains `steps` steps, to seconds a step."""
    draw = np.random.default_rng(0).integers
    size = network.batch * steps
    images = draw(0, 256, (size, network.size, network.size, 1), np.uint8)
    split = {"image": images, "label": draw(0, 10, size, np.int32)}
    model, inputs = MODELS[network.name](), normalize()
    learner = supervised(
        model,
        losses.cross_entropy,
        optimizers.make_optimizer(optimizers.Optimizer()),
        inputs=inputs,
    )
    dataset = Dataset("random", {"train": split}, tuple("0123456789"))
    stage = only_training(Stage(learner, dataset, 1, network.batch), None)
    options = Options(
        devices=devices, parallel="shard_map" if devices > 1 else "jit", feed="memory"
    )
    going = epochs(stage, compiled(stage, options))
    next(going)

    def measure() -> float:
        began = time.perf_counter()
        next(going)
        return (time.perf_counter() - began) / steps

    return measure


def prepare(settings: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Callable[[], Any]]]:
    """Tasks for each layer, way and part, and for each network and number of devices."""
    configure_jax(Options(), cpu_devices=max(cores(), 2))
    layers, networks, budget, steps = work(settings)
    tasks: dict[str, Callable[[], Any]] = {"product": product_rate}
    for layer, part in product(layers, PARTS):
        for way in layer.ways:
            tasks[f"{layer.name} {part} {way}"] = lazily(partial(timed, layer, way, part, budget))
    for network, devices in product(networks, range(1, max(cores(), 2) + 1)):
        if network.batch % devices == 0:
            make = partial(training, network, devices, steps)
            tasks[f"{network.name} {devices} devices"] = lazily(make)
    return {"tasks": list(tasks)}, tasks


if __name__ == "__main__":
    serve(prepare)

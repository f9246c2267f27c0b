"""Floating-point operations of a network, counted from its configuration."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, NamedTuple

SIDE, CLASSES = 28, 10
GATES = {"rnn": 1, "lstm": 4, "gru": 3}


class Product(NamedTuple):
    """Multiply-adds of one product of weights, per example."""

    multiply_adds: int
    of_input: bool = False
    """True for the first product, whose input needs no gradient."""


def products(network: str, config: Mapping[str, Any]) -> list[Product]:
    """Products of weights in `network`; biases, activations and pooling are not counted."""
    if network == "mnist_mlp":
        return _dense(SIDE**2, config["hidden"], of_input=True)
    if network == "mnist_cnn":
        return _convolutional(config["channels"], config["hidden"])
    return _recurrent(GATES[config["cell"]], config["hidden"], config["layers"])


def training_flops(network: str, config: Mapping[str, Any]) -> int:
    """Operations of training on one example.

    A product of n multiply-adds takes 2n forward, 2n for the gradient of its weights and 2n for
    that of its input, which the first product does not need. The optimizer is not counted.
    """
    layers = products(network, config)
    return sum(2 * p.multiply_adds * (2 if p.of_input else 3) for p in layers)


def _dense(inputs: int, hidden: tuple[int, ...], of_input: bool = False) -> list[Product]:
    sizes = pairwise((inputs, *hidden, CLASSES))
    return [Product(a * b, of_input and k == 0) for k, (a, b) in enumerate(sizes)]


def _convolutional(channels: tuple[int, ...], hidden: tuple[int, ...]) -> list[Product]:
    multiplications: list[Product] = []
    side = SIDE
    for before, after in pairwise((1, *channels)):
        multiplications.append(Product(side**2 * 9 * before * after, of_input=not multiplications))
        side //= 2
    return multiplications + _dense(side**2 * channels[-1], hidden)


def _recurrent(gates: int, hidden: int, layers: int) -> list[Product]:
    steps = SIDE
    multiplications: list[Product] = []
    for inputs in (SIDE, *[hidden] * (layers - 1)):
        multiplications.append(
            Product(steps * inputs * gates * hidden, of_input=not multiplications)
        )
        multiplications.append(Product(steps * hidden * gates * hidden))
    return [*multiplications, Product(hidden * CLASSES)]

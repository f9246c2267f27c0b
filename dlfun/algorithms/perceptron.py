"""The first neurons: McCulloch and Pitts' with fixed weights, Rosenblatt's, and Hebb's rule."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from dlfun import metrics
from dlfun.learner import Batch, Key, Learner, sum_over_devices
from dlfun.metrics import Metrics


class Layer(NamedTuple):
    """Threshold neurons that read the same inputs."""

    weights: Float[Array, "inputs neurons"] | np.ndarray
    thresholds: Float[Array, " neurons"] | np.ndarray


def layer(*neurons: tuple[Sequence[int], int]) -> Layer:
    """A layer from (weights, threshold) of each neuron."""
    weights, thresholds = zip(*neurons, strict=True)
    return Layer(np.array(weights, np.float32).T, np.array(thresholds, np.float32))


OR, NAND, AND = ([1, 1], 1), ([-1, -1], -1), ([1, 1], 2)
MCP_GATES: dict[str, tuple[Layer, ...]] = {
    "and": (layer(AND),),
    "or": (layer(OR),),
    "not": (layer(([-1], 0)),),
    "nand": (layer(NAND),),
    "nor": (layer(([-1, -1], 0)),),
    "xor": (layer(OR, NAND), layer(AND)),
}
"""Gates as layers of neurons with weights ±1: XOR is (a OR b) AND (a NAND b)."""


def threshold_output(
    x: Float[Array, "batch inputs"], layers: Sequence[Layer]
) -> Float[Array, "batch out"]:
    """Layer by layer y = 1 if Σᵢ wᵢ xᵢ ≥ θ, else 0."""
    for weights, thresholds in layers:
        x = (jnp.matmul(x, weights, precision="highest") >= thresholds).astype(x.dtype)
    return x


def all_neurons(inputs: int) -> Layer:
    """One layer of all neurons with weights in {−1, 0, 1}, each under every threshold.

    Of binary inputs Σ w x is an integer in −n … n, so the thresholds −n … n + 1 give every function
    that any θ can give.
    """
    weights = itertools.product([-1, 0, 1], repeat=inputs)
    thresholds = range(-inputs, inputs + 2)
    return layer(*itertools.product(weights, thresholds))


def best_neuron(x: Float[np.ndarray, "rows inputs"], target: Float[np.ndarray, " rows"]) -> Layer:
    """The neuron among `all_neurons` that is right on the most rows; the first of several."""
    every = all_neurons(x.shape[1])
    right = (np.asarray(threshold_output(jnp.asarray(x), [every])) == target[:, None]).sum(axis=0)
    best = int(right.argmax())
    return Layer(every.weights[:, best : best + 1], every.thresholds[best : best + 1])


def frozen(layers: Sequence[Layer], target: str) -> Learner:
    """McCulloch and Pitts' network: it learns nothing, its weights are given.

    Reads batch["x"] and says the output batch[target]; "loss" is the share of wrong outputs.
    """

    def init(key: Key, batch: Batch) -> tuple[Layer, ...]:
        return tuple(Layer(*(jnp.asarray(part) for part in each)) for each in layers)

    def evaluate(state: tuple[Layer, ...], batch: Batch, key: Key) -> Metrics:
        return _right_and_wrong(
            threshold_output(batch["x"], state)[:, 0], batch[target], batch["weight"]
        )

    def update(
        state: tuple[Layer, ...], batch: Batch, key: Key
    ) -> tuple[tuple[Layer, ...], Metrics]:
        return state, evaluate(state, batch, key)

    return Learner(init, update, evaluate)


class PerceptronState(NamedTuple):
    """Of one perceptron."""

    weights: Float[Array, " inputs"]
    bias: Float[Array, ""]
    mistakes: Int[Array, ""]
    """Examples that it got wrong since the start."""


def perceptron(learning_rate: float | Array, target: str) -> Learner:
    """Rosenblatt's rule: y = 1 if w·x + b ≥ 0, else 0; then w ← w + η Σ (t − y) x, b likewise.

    The sum goes over the batch: of one example at a time it is the rule of 1957. From w = 0 with
    one example at a time, examples that some unit vector separates with margin γ cost at most
    (R/γ)² mistakes, where x has 1 appended for the bias and R is the largest ‖(x, 1)‖ (Novikoff
    1962); the learning rate only scales w. Examples that no line separates cost mistakes for ever,
    while w stays bounded (Minsky, Papert 1969).
    """

    def init(key: Key, batch: Batch) -> PerceptronState:
        zeros = jnp.zeros(batch["x"].shape[1])
        return PerceptronState(zeros, jnp.zeros(()), jnp.zeros((), jnp.int32))

    def answer(state: PerceptronState, x: Float[Array, "batch inputs"]) -> Float[Array, " batch"]:
        activation = jnp.matmul(x, state.weights, precision="highest") + state.bias
        return (activation >= 0).astype(x.dtype)

    def update(state: PerceptronState, batch: Batch, key: Key) -> tuple[PerceptronState, Metrics]:
        x, weight = batch["x"], batch["weight"]
        said = answer(state, x)
        error = (batch[target] - said) * weight
        # Before the learning rate comes in: small integers, which add up exactly.
        step, bias, wrong = sum_over_devices((error @ x, error.sum(), jnp.abs(error).sum()))
        after = PerceptronState(
            state.weights + learning_rate * step,
            state.bias + learning_rate * bias,
            state.mistakes + wrong.astype(jnp.int32),
        )
        return after, _right_and_wrong(said, batch[target], weight)

    def evaluate(state: PerceptronState, batch: Batch, key: Key) -> Metrics:
        return _right_and_wrong(answer(state, batch["x"]), batch[target], batch["weight"])

    return Learner(init, update, evaluate)


def hebbian(learning_rate: float | Array, x: str = "x") -> Learner:
    """A linear associator under Hebb's rule Δw = η x yᵀ, that recalls sign(xW).

    After each pattern once, W = η Σ x yᵀ, and the recall of xₖ is η (‖xₖ‖² yₖ + Σ_{j≠k} (xⱼ·xₖ)
    yⱼ): exact for orthogonal x, where η = 1/‖x‖² gives y itself; else with crosstalk (Hebb 1949;
    Kohonen 1972). Reads batch[x] and batch["y"], both of ±1. "loss" is the mean of (xW − y)²,
    "accuracy" the share of signs recalled.
    """

    def init(key: Key, batch: Batch) -> Float[Array, "inputs outputs"]:
        return jnp.zeros((batch[x].shape[1], batch["y"].shape[1]))

    def update(weights: Array, batch: Batch, key: Key) -> tuple[Array, Metrics]:
        outer = (batch[x] * batch["weight"][:, None]).T @ batch["y"]
        return weights + learning_rate * sum_over_devices(outer), evaluate(weights, batch, key)

    def evaluate(weights: Array, batch: Batch, key: Key) -> Metrics:
        recalled, wanted = jnp.matmul(batch[x], weights, precision="highest"), batch["y"]
        right = (jnp.sign(recalled) == wanted).astype(wanted.dtype).mean(axis=1)
        return {
            "loss": metrics.mean(jnp.square(recalled - wanted).mean(axis=1), batch["weight"]),
            "accuracy": metrics.mean(right, batch["weight"]),
        }

    return Learner(init, update, evaluate)


def _right_and_wrong(
    said: Float[Array, " batch"], target: Float[Array, " batch"], weight: Float[Array, " batch"]
) -> Metrics:
    wrong = jnp.abs(target - said)
    return {"loss": metrics.mean(wrong, weight), "accuracy": metrics.mean(1 - wrong, weight)}

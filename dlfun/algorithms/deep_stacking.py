"""The deep stacking network: modules of one hidden layer, each solved by ridge regression.

Module k reads v = [x, y₁, …, y_{k−1}], the input beside the outputs of all modules below it, and
gives (Deng, Yu 2011)

    h = max(0, v W + b),    y = h U,    U = (λ I + Σ hᵀh)⁻¹ Σ hᵀt

where t is the label's unit vector. U is the one minimum of Σ ‖y − t‖² + λ ‖U‖². W and b stay as
they were drawn. (Deng and Yu use sigmoids, and start W from Boltzmann machines.)
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.custom_batching import sequential_vmap
from jax.scipy.linalg import cho_factor, cho_solve
from jaxtyping import Array, Float

from dlfun import metrics
from dlfun.data.images import pixels
from dlfun.learner import Batch, Key, Learner, if_counted, sum_over_devices
from dlfun.metrics import Metrics


class Module(NamedTuple):
    """The parameters of one module."""

    weights: Float[Array, "inputs hidden"]
    bias: Float[Array, " hidden"]
    outputs: Float[Array, "hidden classes"]


class DeepStack(NamedTuple):
    """Modules, lowest first, and the sums over the examples that the topmost one has seen."""

    modules: tuple[Module, ...]
    gram: Float[Array, "hidden hidden"]
    """λ I + Σ hᵀh."""
    cross: Float[Array, "hidden classes"]
    """Σ hᵀt."""


def hidden_units(module: Module, v: Float[Array, "batch inputs"]) -> Float[Array, "batch hidden"]:
    """h = max(0, v W + b)."""
    return jax.nn.relu(v @ module.weights + module.bias)


def with_outputs(
    modules: tuple[Module, ...], x: Float[Array, "batch features"]
) -> Float[Array, "batch inputs"]:
    """[x, y₁, y₂, …]: what a module on top of these reads."""
    v = x
    for module in modules:
        v = jnp.concatenate([v, hidden_units(module, v) @ module.outputs], axis=1)
    return v


def deep_stacking(
    number: int,
    hidden: int,
    classes: int,
    l2: float | Array = 1.0,
    scale: float | Array = 0.1,
    output_scale: float | Array = 0.5,
) -> Learner:
    """Learner of the topmost of `number` modules on the pixels of images; those below are frozen.

    Each update adds a batch to the sums and solves for U: after an epoch U is that of the whole
    training set, whatever the batches. Every module below is drawn at random too: a stage's `begin`
    puts those that have been solved in their place.

    "loss" is ‖y − t‖² and "accuracy" that of the topmost module: in an update on its batch, once
    that has been added. In evaluation "module_1_accuracy", … is that of each module, and
    "gain_of_module_2", … how much it is above the one below.

    Args:
        number: modules in all.
        hidden: hidden units of each.
        classes: number of labels.
        l2: λ, above 0.
        scale: standard deviation of the rows of W for x.
        output_scale: that of the rows for outputs, and of b.
    """

    def init(key: Key, batch: Batch) -> DeepStack:
        features = pixels(batch["image"]).shape[1]

        def module(index: int) -> Module:
            parts = jax.random.split(jax.random.fold_in(key, index), 3)
            shapes = (features, hidden), (index * classes, hidden), (hidden,)
            x, y, bias = (jax.random.normal(k, s) for k, s in zip(parts, shapes, strict=True))
            weights = jnp.concatenate([scale * x, output_scale * y])
            return Module(weights, output_scale * bias, jnp.zeros((hidden, classes)))

        modules = tuple(module(index) for index in range(number))
        return DeepStack(modules, l2 * jnp.eye(hidden), jnp.zeros((hidden, classes)))

    def update(state: DeepStack, batch: Batch, key: Key) -> tuple[DeepStack, Metrics]:
        *below, top = state.modules
        weight = batch["weight"][:, None]
        h = hidden_units(top, with_outputs(tuple(below), pixels(batch["image"])))
        target = weight * jax.nn.one_hot(batch["label"], classes)
        sums = jax.tree.map(
            lambda part: jnp.matmul(h.T, part, precision="highest"), (weight * h, target)
        )
        count, gram, cross = sum_over_devices((batch["weight"].sum(), *sums))
        gram, cross = state.gram + gram, state.cross + cross
        solved = _solve(gram, cross)
        new = DeepStack((*below, top._replace(outputs=solved)), gram, cross)
        return if_counted(batch, count, new, _measure(h @ solved, batch), state)

    def evaluate(state: DeepStack, batch: Batch, key: Key) -> Metrics:
        outputs = jnp.split(predict_all(state, batch), number, axis=1)
        each = {
            f"module_{index}": metrics.top_k(y, batch["label"], batch["weight"])
            for index, y in enumerate(outputs, start=1)
        }
        named = {f"{name}_accuracy": accuracy for name, accuracy in each.items()}
        return _measure(outputs[-1], batch) | named | metrics.gains(each)

    def predict_all(state: DeepStack, batch: Batch) -> Float[Array, "batch outputs"]:
        x = pixels(batch["image"])
        return with_outputs(state.modules, x)[:, x.shape[1] :]

    def predict(state: DeepStack, batch: Batch) -> Float[Array, "batch classes"]:
        return predict_all(state, batch)[:, -classes:]

    return Learner(init, update, evaluate, predict, averages=True)


@sequential_vmap
def _solve(
    gram: Float[Array, "hidden hidden"], cross: Float[Array, "hidden classes"]
) -> Float[Array, "hidden classes"]:
    """The solution U of `gram` U = `cross`.

    One member of a population after another: LAPACK's calls for several at once do not return
    where two virtual CPU devices make them together (jaxlib 0.10.2).
    """
    return cho_solve(cho_factor(gram), cross)


def _measure(y: Float[Array, "batch classes"], batch: Batch) -> Metrics:
    error = jnp.square(y - jax.nn.one_hot(batch["label"], y.shape[1])).sum(axis=1)
    measured = {"loss": metrics.mean(error, batch["weight"])}
    return measured | metrics.accuracy(y, batch["label"], batch["weight"])

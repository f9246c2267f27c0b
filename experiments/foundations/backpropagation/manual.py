r"""Backpropagation written out, for a network of one hidden layer [T2; T3, sec. 3.1.3].

**Forward.** A batch of N rows x, two layers of sigmoid units, σ(a) = 1/(1 + e⁻ᵃ):

    a₁ = x W₁ + b₁      h = σ(a₁)        hidden units   [N, H]
    a₂ = h W₂ + b₂      ŷ = σ(a₂)        outputs        [N, K]
    L = Σₙ wₙ/K Σₖ (ŷₙₖ − yₙₖ)²          mean squared error, each example's weight wₙ being 1/N
    J = L + λ/2 (‖W₁‖² + ‖W₂‖²)          with an L2 penalty, biases left out

**Backward.** The chain rule, from the end: each line needs only the line above it and values that
the forward pass has computed. δ is the derivative with respect to the sum a that enters a unit, and
σ'(a) = σ(a) (1 − σ(a)), so no exponential is computed twice; ⊙ multiplies element by element.

    ∂L/∂ŷ  = 2 wₙ/K (ŷ − y)
    δ₂     = ∂L/∂a₂ = ∂L/∂ŷ ⊙ ŷ ⊙ (1 − ŷ)
    ∂L/∂W₂ = hᵀ δ₂          since ∂a₂ₙₖ/∂W₂ⱼₖ = hₙⱼ, summed over the rows n
    ∂L/∂b₂ = Σₙ δ₂ₙ
    ∂L/∂h  = δ₂ W₂ᵀ         hidden unit j acts on every output k, by the weight W₂ⱼₖ
    δ₁     = ∂L/∂a₁ = ∂L/∂h ⊙ h ⊙ (1 − h)
    ∂L/∂W₁ = xᵀ δ₁
    ∂L/∂b₁ = Σₙ δ₁ₙ

The penalty is a second path of the computational graph into each W, and paths add [T3, fig. 3-6]:

    ∂J/∂W = ∂L/∂W + λ W

A saturated hidden unit (h near 0 or 1) passes almost no gradient on: h (1 − h) ≤ ¼. A deeper
network repeats the last four lines once a layer, with that factor each time.

`jax.grad` builds the same products from the forward pass; tests check that they agree to 1e-12.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from dlfun import metrics
from dlfun.learner import Batch, Key, Learner, if_counted, mean_over_devices
from dlfun.metrics import Metrics
from dlfun.nn.activations import sigmoid


class Network(NamedTuple):
    """Weights and biases of the two layers; their gradients have the same form."""

    w1: Float[Array, "inputs hidden"]
    b1: Float[Array, " hidden"]
    w2: Float[Array, "hidden outputs"]
    b2: Float[Array, " outputs"]


class Forward(NamedTuple):
    """Values of the forward pass that the backward pass needs."""

    hidden: Float[Array, "batch hidden"]
    output: Float[Array, "batch outputs"]


def forward(network: Network, x: Float[Array, "batch inputs"]) -> Forward:
    """Hidden values h and outputs ŷ of a batch."""
    hidden = sigmoid(x @ network.w1 + network.b1)
    return Forward(hidden, sigmoid(hidden @ network.w2 + network.b2))


def loss(
    network: Network,
    x: Float[Array, "batch inputs"],
    y: Float[Array, "batch outputs"],
    weight: Float[Array, " batch"],
    l2: float | Array = 0.0,
) -> Float[Array, ""]:
    """Loss J: the mean squared error, and λ/2 times the squares of the weights."""
    penalty = jnp.square(network.w1).sum() + jnp.square(network.w2).sum()
    errors = jnp.square(forward(network, x).output - y).mean(axis=1)
    return (weight * errors).sum() + l2 / 2 * penalty


def gradient(
    network: Network,
    x: Float[Array, "batch inputs"],
    y: Float[Array, "batch outputs"],
    weight: Float[Array, " batch"],
    l2: float | Array = 0.0,
) -> Network:
    """Partial derivatives of J by the chain rule, as the module's text derives them."""
    h, output = forward(network, x)
    by_output = 2 / y.shape[1] * weight[:, None] * (output - y)
    delta2 = by_output * output * (1 - output)
    by_hidden = delta2 @ network.w2.T
    delta1 = by_hidden * h * (1 - h)
    return Network(
        w1=x.T @ delta1 + l2 * network.w1,
        b1=delta1.sum(axis=0),
        w2=h.T @ delta2 + l2 * network.w2,
        b2=delta2.sum(axis=0),
    )


def start(key: Key, inputs: int, hidden: int, outputs: int) -> Network:
    """Weights from N(0, 1), biases 0: hidden units of equal weights would stay equal."""
    key1, key2 = jax.random.split(key)
    w1 = jax.random.normal(key1, (inputs, hidden))
    w2 = jax.random.normal(key2, (hidden, outputs))
    return Network(w1, jnp.zeros(hidden), w2, jnp.zeros(outputs))


def manual_backpropagation(
    learning_rate: float | Array, hidden: int = 2, l2: float | Array = 0.0
) -> Learner:
    """Gradient descent with `gradient`.

    Reads batch["x"] and batch["y"], one-hot. Predictions are the outputs ŷ, metrics the loss
    without the penalty and the accuracy.
    """

    def init(key: Key, batch: Batch) -> Network:
        return start(key, batch["x"].shape[1], hidden, batch["y"].shape[1])

    def predict(network: Network, batch: Batch) -> Float[Array, "batch outputs"]:
        return forward(network, batch["x"]).output

    def evaluate(network: Network, batch: Batch, key: Key) -> Metrics:
        output = predict(network, batch)
        right = jnp.argmax(output, axis=1) == jnp.argmax(batch["y"], axis=1)
        squares = jnp.square(output - batch["y"]).mean(axis=1)
        return {
            "loss": metrics.mean(squares, batch["weight"]),
            "accuracy": metrics.mean(right.astype(output.dtype), batch["weight"]),
        }

    def update(network: Network, batch: Batch, key: Key) -> tuple[Network, Metrics]:
        count = mean_over_devices(batch["weight"].sum())
        weight = batch["weight"] / count
        # The penalty is the same on each device, so that it is its own mean.
        slope = mean_over_devices(gradient(network, batch["x"], batch["y"], weight, l2))
        after = jax.tree.map(lambda w, g: w - learning_rate * g, network, slope)
        return if_counted(batch, count, after, evaluate(network, batch, key), network)

    return Learner(init, update, evaluate, predict, averages=True)


def disagreement(network: Network, split: Mapping[str, Any], l2: float = 0.0) -> float:
    """Largest difference between `gradient` and `jax.grad` on all examples of a split.

    As a share of the largest partial derivative.
    """
    x, y = jnp.asarray(split["x"]), jnp.asarray(split["y"])
    weight = jnp.full(len(x), 1 / len(x))
    manual = gradient(network, x, y, weight, l2)
    automatic = jax.grad(loss)(network, x, y, weight, l2)
    pairs = zip(manual, automatic, strict=True)
    difference = max(float(jnp.abs(a - b).max()) for a, b in pairs)
    return difference / max(float(jnp.abs(part).max()) for part in automatic)

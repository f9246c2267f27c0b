r"""Backpropagation written out, for a network of one hidden layer [T2; T3, sec. 3.1.3].

**Forward.** A batch of N rows x, two layers of sigmoid units, σ(a) = 1/(1 + e⁻ᵃ):

    a₁ = x W₁ + b₁      h = σ(a₁)        hidden units   [N, H]
    a₂ = h W₂ + b₂      ŷ = σ(a₂)        outputs        [N, K]
    L = Σₙ wₙ/K Σₖ (ŷₙₖ − yₙₖ)²          mean squared error, each example's weight wₙ being 1/N
    J = L + λ/2 (‖W₁‖² + ‖W₂‖²)          with an L2 penalty, biases left out

**Backward.** The chain rule, from the end: each line needs only the line above it and values that
the forward pass has left behind. δ is the derivative by the sum a that enters a unit, and
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

A hidden unit that is saturated (h near 0 or 1) passes next to nothing on: h (1 − h) ≤ ¼. A deeper
network repeats the last four lines once a layer, and each time that factor comes in.

`jax.grad` builds the same products from the forward pass alone; the tests hold them equal to 1e-12.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from dlfun import metrics
from dlfun.learner import Batch, Key, Learner, mean_over_devices
from dlfun.metrics import Metrics
from dlfun.nn.activations import sigmoid


class Network(NamedTuple):
    """Weights and biases of the two layers; their gradients have the same form."""

    w1: Float[Array, "inputs hidden"]
    b1: Float[Array, " hidden"]
    w2: Float[Array, "hidden outputs"]
    b2: Float[Array, " outputs"]


class Forward(NamedTuple):
    """What the forward pass leaves behind for the backward pass."""

    hidden: Float[Array, "batch hidden"]
    output: Float[Array, "batch outputs"]


def forward(network: Network, x: Float[Array, "batch inputs"]) -> Forward:
    """The values h and ŷ of a batch."""
    hidden = sigmoid(x @ network.w1 + network.b1)
    return Forward(hidden, sigmoid(hidden @ network.w2 + network.b2))


def loss(
    network: Network,
    x: Float[Array, "batch inputs"],
    y: Float[Array, "batch outputs"],
    weight: Float[Array, " batch"],
    l2: float | Array = 0.0,
) -> Float[Array, ""]:
    """J: the mean squared error, and λ/2 times the squares of the weights."""
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
    """Every partial derivative of J by the chain rule, as the module's text derives them."""
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
    """Weights from N(0, 1), biases 0: of equal weights the hidden units would stay equal."""
    first, second = jax.random.split(key)
    w1 = jax.random.normal(first, (inputs, hidden))
    w2 = jax.random.normal(second, (hidden, outputs))
    return Network(w1, jnp.zeros(hidden), w2, jnp.zeros(outputs))


def manual_backpropagation(
    learning_rate: float | Array, hidden: int = 2, l2: float | Array = 0.0
) -> Learner:
    """Gradient descent with `gradient`.

    Reads batch["x"] and batch["y"], one-hot. Evaluation tells, beside the loss and the accuracy,
    "disagreement": the largest difference between `gradient` and `jax.grad` on the batch, as a
    share of the largest partial derivative.
    """

    def init(key: Key, batch: Batch) -> Network:
        return start(key, batch["x"].shape[1], hidden, batch["y"].shape[1])

    def told(network: Network, batch: Batch) -> Metrics:
        output = forward(network, batch["x"]).output
        right = jnp.argmax(output, axis=1) == jnp.argmax(batch["y"], axis=1)
        squares = jnp.square(output - batch["y"]).mean(axis=1)
        return {
            "loss": metrics.mean(squares, batch["weight"]),
            "accuracy": metrics.mean(right.astype(output.dtype), batch["weight"]),
        }

    def update(network: Network, batch: Batch, key: Key) -> tuple[Network, Metrics]:
        weight = batch["weight"] / mean_over_devices(batch["weight"].sum())
        slope = mean_over_devices(gradient(network, batch["x"], batch["y"], weight, l2))
        after = jax.tree.map(lambda w, g: w - learning_rate * g, network, slope)
        return after, told(network, batch)

    def evaluate(network: Network, batch: Batch, key: Key) -> Metrics:
        weight = batch["weight"] / jnp.maximum(batch["weight"].sum(), 1)
        written = gradient(network, batch["x"], batch["y"], weight, l2)
        automatic = jax.grad(loss)(network, batch["x"], batch["y"], weight, l2)
        apart = jnp.stack([jnp.abs(a - b).max() for a, b in zip(written, automatic, strict=True)])
        size = jnp.stack([jnp.abs(a).max() for a in automatic])
        disagreement = metrics.scalar(apart.max() / size.max(), batch["weight"])
        return told(network, batch) | {"disagreement": disagreement}

    return Learner(init, update, evaluate)

"""Gradients of the last step's loss in the states of earlier steps, of networks as they start."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from dlfun import metrics
from dlfun.learner import Batch, Key, Learner
from dlfun.metrics import Metrics, Ratio
from dlfun.nn.kernels.recurrent_cells import find_cell
from dlfun.nn.layers.recurrent import Recurrent

SATURATED = 0.999


class Network(NamedTuple):
    """A recurrent layer before training."""

    cell: str
    gain: float | Array = 1.0
    """Factor of the orthogonal recurrent matrices: the modulus of all their eigenvalues."""
    forget_bias: float | Array | None = None
    """The first value of the LSTM's forget-gate bias."""


def layer(network: Network, hidden: int) -> Recurrent:
    """The layer of a network."""
    return Recurrent(hidden, network.cell, scheme="orthogonal")


def start(network: Network, hidden: int, key: Key, x: Array) -> dict[str, Any]:
    """First parameters: of the layer, and the vector "readout" from U(±1/√hidden)."""
    layer_key, readout_key = jax.random.split(key)
    params = layer(network, hidden).init(layer_key, x)["params"]
    params = {**params, "recurrent_kernel": params["recurrent_kernel"] * network.gain}
    if network.forget_bias is not None:
        bias = params["bias"].at[hidden : 2 * hidden].set(network.forget_bias)
        params = {**params, "bias": bias}
    bound = hidden**-0.5
    readout = jax.random.uniform(readout_key, (hidden,), minval=-bound, maxval=bound)
    return {"layer": params, "readout": readout}


def last_loss(
    network: Network,
    hidden: int,
    params: Mapping[str, Any],
    x: Float[Array, "batch time inputs"],
    y: Float[Array, "batch 1"],
    added: tuple[Float[Array, "time batch hidden"], ...],
) -> tuple[Float[Array, " batch"], Float[Array, "batch hidden"]]:
    """L_T = (v·h_T - y)² of each sequence, and h_T; `added` comes to the state after each step."""
    module = layer(network, hidden)

    def step(state: Any, inputs: Any) -> Any:
        now, more = inputs
        result: Any = module.apply({"params": params["layer"]}, now[:, None], state)
        return tuple(s + m for s, m in zip(result[1], more, strict=True)), None

    state, _ = jax.lax.scan(step, tuple(a[0] * 0 for a in added), (x.swapaxes(0, 1), added))
    return jnp.square(state[0] @ params["readout"] - y[:, 0]), state[0]


def decades(
    network: Network, hidden: int, params: Mapping[str, Any], x: Array, y: Array
) -> tuple[Float[Array, "batch time"], Float[Array, " batch"]]:
    """log₁₀ of ‖∂L_T/∂s_t‖ / ‖∂L_T/∂s_T‖ by the lag T - t, from 0 on, and the losses L_T.

    s_t is all that a step hands on: h_t, for the LSTM (h_t, c_t). The gradient in s_t is that in an
    array of zeros added to it.
    """
    states = find_cell(network.cell).states
    zeros = (jnp.zeros((x.shape[1], len(x), hidden)),) * states

    def total(added: tuple[Array, ...]) -> tuple[Array, Array]:
        losses, _ = last_loss(network, hidden, params, x, y, added)
        return losses.sum(), losses

    gradients, losses = jax.grad(total, has_aux=True)(zeros)
    log = _log_norm(jnp.concatenate(gradients, axis=-1))[::-1].T
    return log - log[:, :1], losses


def _log_norm(x: Float[Array, "*shape units"]) -> Float[Array, "*shape"]:
    """log₁₀ of the norm over the last axis, also where squares would leave float32's range."""
    scale = jnp.maximum(jnp.abs(x).max(-1, keepdims=True), jnp.finfo(x.dtype).tiny)
    norm = jnp.sqrt(jnp.square(x / scale).sum(-1))
    return jnp.log10(scale[..., 0]) + jnp.log10(jnp.maximum(norm, jnp.finfo(x.dtype).tiny))


def gradient_flow(networks: Mapping[str, Network], hidden: int) -> Learner:
    """Learner that measures networks as they start; updates change nothing.

    Metrics of each network, means over sequences:

    - NAME_flow [time], `decades` by lag;
    - NAME_decades, their value at the first step;
    - NAME_rate, the factor a step over the earlier half of the sequence.

    The loss is the mean of L_T over networks.
    """

    def init(key: Key, batch: Batch) -> dict[str, Any]:
        return {name: start(n, hidden, key, batch["x"]) for name, n in networks.items()}

    def update(state: dict[str, Any], batch: Batch, key: Key) -> tuple[dict[str, Any], Metrics]:
        return state, evaluate(state, batch, key)

    def evaluate(state: dict[str, Any], batch: Batch, key: Key) -> Metrics:
        weight = batch["weight"]
        measured: Metrics = {}
        total = jnp.zeros_like(weight)
        for name, network in networks.items():
            flow, losses = decades(network, hidden, state[name], batch["x"], batch["y"])
            total += losses / len(networks)
            middle, last = flow.shape[1] // 2, flow.shape[1] - 1
            rate = 10 ** ((flow[:, last] - flow[:, middle]) / (last - middle))
            count = jnp.full(flow.shape[1], weight.sum())
            measured[f"{name}_flow"] = Ratio((flow * weight[:, None]).sum(0), count)
            measured[f"{name}_decades"] = metrics.mean(flow[:, last], weight)
            measured[f"{name}_rate"] = metrics.mean(rate, weight)
        return {"loss": metrics.mean(total, weight)} | measured

    return Learner(init, update, evaluate, averages=True)


def saturation(
    network: Network,
    hidden: int,
    params: Any,
    batch: Batch,
    learning_rate: float | Array,
    clip_norm: float | Array,
) -> tuple[Array, Array, Array]:
    """The gradient's norm, and the shares of saturated units after a step of gradient descent.

    The shares are those after a step along the gradient g of the mean loss, and along g clipped,
    g · min(1, c/‖g‖) (Pascanu et al., 2013, sec. 3.2). A unit is saturated where |h_T| > 0.999:
    a gradient that passes it is multiplied by at most 0.002.
    """
    x, y = batch["x"], batch["y"]
    zeros = (jnp.zeros((x.shape[1], len(x), hidden)),) * find_cell(network.cell).states

    def mean_loss(params: Any) -> Array:
        return last_loss(network, hidden, params, x, y, zeros)[0].mean()

    gradient = jax.grad(mean_loss)(params)
    norm = 10 ** _log_norm(jnp.concatenate([g.ravel() for g in jax.tree.leaves(gradient)]))

    def saturated(rate: Array) -> Array:
        moved = jax.tree.map(lambda p, g: p - rate * g, params, gradient)
        h = last_loss(network, hidden, moved, x, y, zeros)[1]
        return (jnp.abs(h) > SATURATED).mean()

    rate = jnp.asarray(learning_rate, norm.dtype)
    return norm, saturated(rate), saturated(rate * jnp.minimum(1, clip_norm / norm))

"""Optimizers and learning-rate schedules: optax behind documented dataclasses.

Every float field may be a tracer. optax's own schedules branch in Python on their floats;
`rate_factor` does not.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
import optax
from annotated_types import Ge, Gt, Lt
from jaxtyping import Array, Float, Int

EPSILON = {"adagrad": 1e-10, "rmsprop": 1e-8, "adadelta": 1e-6, "adam": 1e-8, "adamw": 1e-8}


@dataclass(frozen=True)
class Schedule:
    """Learning-rate schedule: a factor by the epoch e (a real number: steps / steps per epoch)."""

    kind: Literal["constant", "exponential", "step", "cosine"] = "constant"
    """constant: 1; exponential: factor^(e/period); step: factor^⌊e/period⌋; cosine: from 1 to
    factor over the run of E epochs as factor + (1 - factor)(1 + cos πe/E)/2."""
    factor: Annotated[float, Ge(0)] = 0.1
    """Decay factor (exponential, step), or the final factor (cosine)."""
    period: Annotated[float, Gt(0)] = 10.0
    """Epochs per decay factor (exponential, step)."""
    warm_up: Annotated[float, Gt(0)] | None = None
    """Epochs over which the rate first rises linearly from 0; none by default."""


@dataclass(frozen=True)
class Optimizer:
    """A gradient method. With gradient g, parameters w and learning rate η:

    - sgd:       w ← w - η g
    - momentum:  v ← μ v + g;            w ← w - η v               (Polyak 1964)
    - nesterov:  v ← μ v + g;            w ← w - η (g + μ v)       (Nesterov 1983)
    - adagrad:   s ← s + g²;             w ← w - η g / √(s + ε)    (Duchi et al. 2011)
    - rmsprop:   s ← γ s + (1-γ) g²;     w ← w - η g / √(s + ε)    (Tieleman, Hinton 2012)
    - adadelta:  s ← γ s + (1-γ) g²;     u = g √(r + ε) / √(s + ε);
                 r ← γ r + (1-γ) u²;     w ← w - η u               (Zeiler 2012)
    - adam:      m ← β₁ m + (1-β₁) g;    s ← β₂ s + (1-β₂) g²;
                 w ← w - η m̂ / (√ŝ + ε), m̂ = m/(1-β₁ᵗ), ŝ = s/(1-β₂ᵗ)(Kingma, Ba 2015)
    - adamw:     adam, and w ← w - η λ w                           (Loshchilov, Hutter 2019)
    """

    name: Literal[
        "sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adadelta", "adam", "adamw"
    ] = "adam"
    """Update rule."""
    learning_rate: Annotated[float, Gt(0)] = 1e-3
    """η, the base learning rate (1 is adadelta's own)."""
    momentum: Annotated[float, Ge(0), Lt(1)] = 0.9
    """μ of momentum and nesterov."""
    decay: Annotated[float, Ge(0), Lt(1)] = 0.9
    """γ of rmsprop and adadelta."""
    beta1: Annotated[float, Ge(0), Lt(1)] = 0.9
    """β₁ of adam and adamw."""
    beta2: Annotated[float, Ge(0), Lt(1)] = 0.999
    """β₂ of adam and adamw."""
    epsilon: Annotated[float, Gt(0)] | None = None
    """ε; by default adagrad 1e-10, adadelta 1e-6, the others 1e-8."""
    weight_decay: Annotated[float, Ge(0)] | None = None
    """λ, decoupled: w ← w - η λ w beside the step, biases and norms left out (adamw: 0.01)."""
    l2: Annotated[float, Ge(0)] | None = None
    """λ of an L2 penalty λ/2 ‖w‖²: g ← g + λ w, biases and norms left out."""
    l1: Annotated[float, Ge(0)] | None = None
    """λ of an L1 penalty λ ‖w‖₁: g ← g + λ sign w, biases and norms left out."""
    clip_norm: Annotated[float, Gt(0)] | None = None
    """Largest global norm c of the gradient: g ← g · min(1, c/‖g‖)."""
    schedule: Schedule = Schedule()
    """Schedule of the learning rate."""


@dataclass(frozen=True)
class Rates:
    """A learning rate for each update rule, to compare them."""

    sgd: Annotated[float, Gt(0)] = 0.1
    momentum: Annotated[float, Gt(0)] = 0.02
    nesterov: Annotated[float, Gt(0)] = 0.02
    adagrad: Annotated[float, Gt(0)] = 0.02
    rmsprop: Annotated[float, Gt(0)] = 1e-3
    adadelta: Annotated[float, Gt(0)] = 1.0
    adam: Annotated[float, Gt(0)] = 1e-3
    adamw: Annotated[float, Gt(0)] = 1e-3

    def optimizers(self) -> dict[str, Optimizer]:
        """The update rules by name, each under its own rate."""
        names = (field.name for field in dataclasses.fields(self))
        return {name: Optimizer(name, getattr(self, name)) for name in names}  # type: ignore[arg-type]


def scaled(optimizer: Optimizer, factor: float | Array) -> Optimizer:
    """The optimizer with `factor` times its learning rate."""
    rate: Any = factor * optimizer.learning_rate
    return dataclasses.replace(optimizer, learning_rate=rate)


def make_optimizer(
    optimizer: Optimizer, steps_per_epoch: int = 1, epochs: int = 1
) -> optax.GradientTransformation:
    """The optax transformation of an `Optimizer`; the schedule counts in epochs of the run."""
    o = optimizer
    epsilon = EPSILON.get(o.name) if o.epsilon is None else o.epsilon
    weight_decay = 0.01 if o.name == "adamw" and o.weight_decay is None else o.weight_decay
    rule = {
        "sgd": lambda: optax.identity(),
        "momentum": lambda: optax.trace(o.momentum),
        "nesterov": lambda: optax.trace(o.momentum, nesterov=True),
        "adagrad": lambda: optax.scale_by_rss(0.0, epsilon),
        "rmsprop": lambda: optax.scale_by_rms(o.decay, epsilon),
        "adadelta": lambda: optax.scale_by_adadelta(o.decay, epsilon),
        "adam": lambda: optax.scale_by_adam(o.beta1, o.beta2, epsilon),
        "adamw": lambda: optax.scale_by_adam(o.beta1, o.beta2, epsilon),
    }[o.name]
    rate = rate_factor(o.schedule, steps_per_epoch, epochs)
    steps = [
        o.l2 is not None and optax.add_decayed_weights(o.l2, is_weight),
        o.l1 is not None and optax.masked(_add_signs(o.l1), is_weight),
        o.clip_norm is not None and optax.clip_by_global_norm(o.clip_norm),
        rule(),
        weight_decay is not None and optax.add_decayed_weights(weight_decay, is_weight),
        optax.scale_by_schedule(lambda step: -o.learning_rate * rate(step)),
    ]
    chain = optax.chain(*(step for step in steps if step))

    def update(gradient: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        # optax raises its floats to integer powers, which strict promotion forbids.
        with jax.numpy_dtype_promotion("standard"):
            return chain.update(gradient, state, params)

    return optax.GradientTransformation(chain.init, update)


def _add_signs(scale: float | jax.Array) -> optax.GradientTransformation:
    def add(gradient: Any, params: Any) -> Any:
        return jax.tree.map(lambda g, w: g + scale * jnp.sign(w), gradient, params)

    return optax.stateless(add)


def is_weight(params: optax.Params) -> optax.Params:
    """True for each kernel and embedding (two or more axes), False for biases and norms."""
    return jax.tree.map(lambda p: jnp.ndim(p) > 1, params)


def rate_factor(
    schedule: Schedule, steps_per_epoch: int, epochs: int
) -> Callable[[Array], Float[Array, ""]]:
    """The factor of the base learning rate as a function of the step, counted from 0."""

    def at(step: Array) -> Float[Array, ""]:
        # The step that ends at s + 1: warm-up must not waste its first step on a rate of 0.
        epoch = jnp.asarray(step, jnp.float32) / steps_per_epoch
        match schedule.kind:
            case "constant":
                value = jnp.ones_like(epoch)
            case "exponential":
                value = schedule.factor ** (epoch / schedule.period)
            case "step":
                value = schedule.factor ** _periods(step, schedule.period * steps_per_epoch)
            case "cosine":
                half = (1 + jnp.cos(jnp.pi * jnp.minimum(epoch / epochs, 1))) / 2
                value = schedule.factor + (1 - schedule.factor) * half
        if schedule.warm_up is not None:
            value = value * jnp.minimum((epoch + 1 / steps_per_epoch) / schedule.warm_up, 1)
        return value

    return at


def _periods(step: Int[Array, ""], length: float | Array) -> Float[Array, ""]:
    """Number of whole periods of `length` steps before a step: ⌊step / length⌋.

    XLA computes a quotient of floats as a product with the reciprocal, which may lie on the other
    side of the whole number at which a period begins.
    """
    length = jnp.asarray(length, jnp.float32)
    whole = jnp.maximum(jnp.round(length), 1)
    in_integers = step // whole.astype(jnp.int32)
    now = step.astype(jnp.float32)
    count = jnp.floor(now / length)
    count = jnp.where((count + 1) * length <= now, count + 1, count)
    count = jnp.where(count * length > now, count - 1, count)
    # A period of 0.3 epochs of 10 steps is 3.0000001 steps in float32.
    is_whole = jnp.abs(length - whole) <= 1e-6 * whole
    return jnp.where(is_whole, in_integers.astype(jnp.float32), count)

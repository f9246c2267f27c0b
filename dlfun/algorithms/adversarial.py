"""Adversarial training: a generator against a critic, each following its own gradient."""

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from dlfun import metrics
from dlfun.algorithms.minimize import LossAndMetrics, MinimizeState, minimize
from dlfun.config import is_zero
from dlfun.errors import UserError
from dlfun.learner import Batch, Key, Learner, batch_noise, if_counted, mean_over_devices
from dlfun.metrics import Metrics, Ratio
from dlfun.optimizers import Optimizer, make_optimizer, scaled


class Game(NamedTuple):
    """The losses of critic and generator: one for each example, from the critic's outputs."""

    critic: Callable[[Array, Array], Array]
    """(output for a real example, for a generated one) → loss."""
    generator: Callable[[Array], Array]
    """Output for a generated example → loss."""


def _tell_apart(real: Array, generated: Array) -> Array:
    """−log σ(real) − log(1 − σ(generated)): the critic is a classifier, real against generated."""
    return jax.nn.softplus(-real) + jax.nn.softplus(generated)


GAMES = {
    "minimax": Game(_tell_apart, lambda generated: -jax.nn.softplus(generated)),
    "non_saturating": Game(_tell_apart, lambda generated: jax.nn.softplus(-generated)),
    "wasserstein": Game(lambda real, generated: generated - real, lambda generated: -generated),
}
"""Games by name, in which D is the critic's output for an example:

- minimax (Goodfellow et al. 2014, eq. 1): the generator minimizes log(1 − σ(D)), which saturates
  where the critic is sure;
- non_saturating (sec. 3 there): it minimizes −log σ(D) instead, of the same fixed point;
- wasserstein (Arjovsky et al. 2017): the critic maximizes E D(real) − E D(generated), which over
  functions of slope at most 1 is the Wasserstein-1 distance; the generator maximizes E D.
"""


class Players(NamedTuple):
    """The two networks. Where examples have a condition, such as a label, both read it."""

    generator: nn.Module
    """Network from noise, followed by the condition, to an example. Where its call has an argument
    `training`, that is the weight of each example while training and None otherwise."""
    critic: nn.Module
    """Network from an example, followed by the condition, to a number for each, [batch, 1]. It may
    have a collection "batch_stats", which a step of the critic updates, as spectral norms do."""
    noise: int
    """Dimensions of the generator's noise, N(0, I)."""
    output: Callable[[Array], Array] = lambda x: x
    """Function from the generator's output to an example, such as the sigmoid for pixels."""

    def generate(
        self,
        variables: Mapping[str, Any],
        noise: Float[Array, "batch noise"],
        condition: Array | None = None,
    ) -> Array:
        """Examples for noise."""
        made: Any = self.generator.apply(variables, _with_condition(noise, condition))
        return self.output(made)

    def generate_in_training(
        self,
        variables: Mapping[str, Any],
        noise: Float[Array, "batch noise"],
        condition: Array | None,
        weight: Float[Array, " batch"],
    ) -> tuple[Array, Mapping[str, Any]]:
        """Examples for noise, under the batch's own statistics, and the updated running ones."""
        parameters = inspect.signature(self.generator.__call__).parameters
        mode: dict[str, Any] = {"training": weight} if "training" in parameters else {}
        x = _with_condition(noise, condition)
        made, updated = self.generator.apply(variables, x, mutable=["batch_stats"], **mode)
        return self.output(made), updated

    def judge(
        self,
        variables: Mapping[str, Any],
        x: Float[Array, "batch *shape"],
        condition: Array | None = None,
    ) -> Float[Array, " batch"]:
        """The critic's output for examples."""
        output: Any = self.critic.apply(variables, _with_condition(x, condition))
        return output[:, 0]


class AdversarialState(NamedTuple):
    """Both players' parameters and optimizers, and the number of updates."""

    generator: MinimizeState
    critic: MinimizeState
    step: Int[Array, ""]


def adversarial(
    players: Players,
    game: Game,
    optimizers: tuple[optax.GradientTransformation, optax.GradientTransformation],
    examples: Callable[[Batch], Array],
    condition: Callable[[Batch], Array | None] = lambda batch: None,
    *,
    critic_steps: int = 1,
    clip: float | Array | None = None,
    penalty: float | Array = 0.0,
) -> Learner:
    """Learner of which each update is a step of the critic, each `critic_steps`-th one of both.

    Metrics are "loss", the critic's without the penalty, "penalty" without its factor, if any, and
    "generator_loss", counted in the updates in which the generator takes a step.

    Args:
        players: generator and critic.
        game: their losses.
        optimizers: the generator's and the critic's.
        examples: real examples from a batch.
        condition: what both players read beside each example, [batch, features], or None.
        critic_steps: steps of the critic for one of the generator.
        clip: bound of the critic's parameters after each of its steps (Arjovsky et al. 2017).
        penalty: λ of λ (‖∇D(x̂)‖ − 1)² in the critic's loss, x̂ at random on the line between a real
            and a generated example (Gulrajani et al. 2017).
    """

    def noise(key: Key, batch: Batch) -> Array:
        shape = len(batch["weight"]), players.noise
        return batch_noise(lambda shape: jax.random.normal(key, shape), shape)

    def critic(generator: Any) -> Learner:
        """The critic's training against a generator's variables."""

        def init(key: Key, batch: Batch) -> Mapping[str, Any]:
            conditions = condition(batch)
            return players.critic.init(key, _with_condition(examples(batch), conditions))

        def objective(
            variables: Mapping[str, Any], batch: Batch, key: Key, training: bool
        ) -> LossAndMetrics:
            for_noise, for_line = jax.random.split(key)
            real, conditions, weight = examples(batch), condition(batch), batch["weight"]
            drawn = noise(for_noise, batch)
            updated: Mapping[str, Any] = {}
            if training:
                generated, _ = players.generate_in_training(generator, drawn, conditions, weight)
                # The output is not used: what spectral normalization keeps moves on.
                _, updated = players.critic.apply(
                    variables, _with_condition(real, conditions), mutable=["batch_stats"]
                )
            else:
                generated = players.generate(generator, drawn, conditions)
            judge = partial(players.judge, {**variables, **updated})
            loss = game.critic(judge(real, conditions), judge(generated, conditions))
            reported = {"loss": metrics.mean(loss, weight)}
            if not is_zero(penalty):
                shape = (len(real),) + (1,) * (real.ndim - 1)
                share = batch_noise(lambda shape: jax.random.uniform(for_line, shape), shape)
                between = share * real + (1 - share) * generated
                slope = jax.grad(lambda x: judge(x, conditions).sum())(between)
                square = jnp.square(slope).reshape(len(real), -1).sum(axis=1)
                excess = jnp.square(jnp.sqrt(square + 1e-12) - 1)
                reported |= {"penalty": metrics.mean(excess, weight)}
                loss = loss + penalty * excess
            return LossAndMetrics(metrics.mean(loss, weight), reported, updated)

        return minimize(init, objective, optimizers[1])

    def generator(critic: Any) -> Learner:
        """The generator's training against a critic's variables."""

        def init(key: Key, batch: Batch) -> Mapping[str, Any]:
            conditions = condition(batch)
            return players.generator.init(key, _with_condition(noise(key, batch), conditions))

        def objective(
            variables: Mapping[str, Any], batch: Batch, key: Key, training: bool
        ) -> LossAndMetrics:
            conditions, drawn, weight = condition(batch), noise(key, batch), batch["weight"]
            if training:
                made, updated = players.generate_in_training(variables, drawn, conditions, weight)
            else:
                made, updated = players.generate(variables, drawn, conditions), {}
            loss = game.generator(players.judge(critic, made, conditions))
            return LossAndMetrics(metrics.mean(loss, weight), collections=updated)

        return minimize(init, objective, optimizers[0])

    def start(key: Key, batch: Batch) -> AdversarialState:
        a, b = jax.random.split(key)
        return AdversarialState(
            generator(None).init(a, batch), critic(None).init(b, batch), jnp.zeros((), jnp.int32)
        )

    def update(state: AdversarialState, batch: Batch, key: Key) -> tuple[AdversarialState, Metrics]:
        a, b = jax.random.split(key)
        judge, measured = critic(state.generator.variables).update(state.critic, batch, b)
        if clip is not None:
            clipped = jax.tree.map(lambda p: jnp.clip(p, -clip, clip), judge.params)
            judge = judge._replace(params=clipped)

        def move() -> tuple[MinimizeState, Ratio]:
            made, its = generator(judge.variables).update(state.generator, batch, a)
            return made, its["loss"]

        def stay() -> tuple[MinimizeState, Ratio]:
            return state.generator, jax.tree.map(jnp.zeros_like, measured["loss"])

        step = state.step + 1
        made, loss = (
            move() if critic_steps == 1 else jax.lax.cond(step % critic_steps == 0, move, stay)
        )
        new = AdversarialState(made, judge, step)
        count = mean_over_devices(batch["weight"].sum())
        return if_counted(batch, count, new, measured | {"generator_loss": loss}, state)

    def evaluate(state: AdversarialState, batch: Batch, key: Key) -> Metrics:
        a, b = jax.random.split(key)
        measured = critic(state.generator.variables).evaluate(state.critic, batch, b)
        loss = generator(state.critic.variables).evaluate(state.generator, batch, a)["loss"]
        return measured | {"generator_loss": loss}

    return Learner(start, update, evaluate, averages=True)


def make_optimizers(
    optimizer: Optimizer, critic_rate: float | Array, steps_per_epoch: int, epochs: int
) -> tuple[optax.GradientTransformation, optax.GradientTransformation]:
    """The generator's, and the critic's with `critic_rate` times its learning rate."""
    generator, critic = (
        make_optimizer(scaled(optimizer, factor), steps_per_epoch, epochs)
        for factor in (1.0, critic_rate)
    )
    return generator, critic


def check_updates(updates: int, critic_steps: int) -> None:
    """Raise UserError where a training is too short for the generator to take a step."""
    if critic_steps > updates:
        raise UserError(
            f"--critic-steps must be at most the {updates} updates of the training, got"
            f" {critic_steps}: the generator takes a step after as many of the critic"
        )


def _with_condition(x: Array, condition: Array | None) -> Array:
    return x if condition is None else jnp.concatenate([x.reshape(len(x), -1), condition], axis=1)

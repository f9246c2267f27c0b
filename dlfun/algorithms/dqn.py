"""Deep Q-learning: a network of the value of each action, learned from replayed transitions.

Q(s, a) is the expected Σₖ γᵏ rₖ after action a in state s. The network θ follows the gradient of

    (y − Q(s, a; θ))²,    y = r + γ max_a' Q(s', a'; θ⁻)    (y = r where s' is terminal)

on transitions (s, a, r, s') drawn from a buffer. The target network θ⁻ is a copy of θ, renewed from
time to time (Mnih et al. 2015). Double Q-learning lets θ choose the action that θ⁻ values, which
does not overestimate as a maximum does (van Hasselt, Guez, Silver 2016):

    y = r + γ Q(s', argmax_a' Q(s', a'; θ); θ⁻)
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from dlfun import metrics
from dlfun.algorithms import replay
from dlfun.algorithms.minimize import LossAndMetrics, MinimizeState, minimize
from dlfun.algorithms.replay import Replay, Transition
from dlfun.environments import Environment, Latest, no_episodes, play, record, return_metrics
from dlfun.errors import UserError
from dlfun.learner import Batch, Key, Learner, example_keys
from dlfun.metrics import Metrics, Ratio


class Acting(NamedTuple):
    """The agent in its environment, and what it remembers."""

    state: Float[Array, " state"]
    length: Int[Array, ""]
    """Steps of the episode so far."""
    total: Float[Array, ""]
    """Σ r of the episode so far."""
    latest: Latest
    replay: Replay


class DQNState(NamedTuple):
    """θ with its optimizer, θ⁻, and the agent."""

    online: MinimizeState
    target: Any
    acting: Acting


class Steps(NamedTuple):
    """Steps that were made, [steps, …]."""

    transition: Transition
    ended: Bool[Array, " steps"]
    """True where the episode has ended, or was cut."""
    total: Float[Array, " steps"]
    """Σ r of the episode, this step's included."""


def linear(
    start: float | Array, end: float | Array, duration: int
) -> Callable[[Int[Array, " steps"]], Float[Array, " steps"]]:
    """The schedule from `start` to `end` over `duration` steps, and `end` from then on."""
    return lambda step: (
        start + (end - start) * jnp.minimum(step.astype(jnp.float32) / duration, 1.0)
    )


def td_targets(
    reward: Float[Array, " batch"],
    terminated: Bool[Array, " batch"],
    values: Float[Array, "batch actions"],
    choice: Float[Array, "batch actions"],
    discount: float | Array,
) -> Float[Array, " batch"]:
    """y = r + γ Q(s', a'), of terminal s' y = r.

    a' is the action of the largest `choice`: Q(s', ·; θ⁻) itself, which are the `values`, or in
    double Q-learning Q(s', ·; θ).
    """
    return reward + discount * jnp.where(terminated, 0, _of(values, choice.argmax(axis=1)))


def _of(values: Float[Array, "batch actions"], action: Int[Array, " batch"]) -> Array:
    return jnp.take_along_axis(values, action[:, None], axis=1)[:, 0]


def dqn(
    environment: Environment,
    network: nn.Module,
    optimizer: optax.GradientTransformation,
    epsilon: Callable[[Int[Array, " steps"]], Float[Array, " steps"]],
    *,
    discount: float | Array = 0.99,
    capacity: int = 10_000,
    replayed: int = 128,
    learning_starts: int = 10_000,
    target_every: int = 500,
    double: bool = False,
) -> Learner:
    """Learner of which each example is a step in the environment, and each update ends in learning.

    The steps of a batch are made one after another, at random with probability ε, else by the
    network; then follows one step of gradient descent. Columns of the batch are not read. Metrics
    of an update are "loss", counted where a step of descent is made, and "return", of the episodes
    that end. Evaluation plays an episode for each example, without random actions: "return"
    and "squared_return". Predictions are the values of actions in the states of a column "state".

    Args:
        environment: the agent acts in it.
        network: from states [batch, state] to values [batch, actions].
        optimizer: gradient transformation of the network.
        epsilon: number of steps made before → ε.
        discount: γ.
        capacity: transitions that the buffer holds.
        replayed: transitions drawn from it for a step of gradient descent.
        learning_starts: steps made before the first of them.
        target_every: steps after which θ⁻ ← θ.
        double: double Q-learning.

    Raises:
        UserError: the buffer is smaller than what is drawn from it.
    """
    if capacity < replayed:
        raise UserError(
            f"a buffer of {capacity:,} transitions is smaller than a batch of {replayed:,}"
        )

    def value(params: Any, states: Float[Array, "batch state"]) -> Any:
        return network.apply({"params": params}, states)

    def learning(target: Any) -> Learner:
        """The network's training against a target network's parameters."""

        def init(key: Key, batch: Batch) -> Mapping[str, Any]:
            return network.init(key, jnp.zeros((1, environment.state_size)))

        def objective(
            variables: Mapping[str, Any], batch: Batch, key: Key, training: bool
        ) -> LossAndMetrics:
            params, after = variables["params"], value(target, batch["after"])
            choice = value(params, batch["after"]) if double else after
            y = td_targets(batch["reward"], batch["terminated"], after, choice, discount)
            error = lax.stop_gradient(y) - _of(value(params, batch["state"]), batch["action"])
            return LossAndMetrics(metrics.mean(jnp.square(error), batch["weight"]))

        return minimize(init, objective, optimizer)

    def act(params: Any, acting: Acting, keys: Key, present: Array) -> tuple[Acting, Steps]:
        """A step for each key that is present."""
        # All that is random is drawn before the loop, in which each operation costs its overhead.
        first, explore, choose = jnp.moveaxis(
            jax.vmap(lambda k: jax.random.split(k, 3))(keys), 1, 0
        )
        number = acting.replay.added + jnp.cumsum(present) - 1
        random = jax.vmap(jax.random.uniform)(explore) < epsilon(number)
        guess = jax.vmap(lambda key: jax.random.randint(key, (), 0, environment.actions))(choose)
        starts = jax.vmap(environment.reset)(first)

        def step(carry: tuple[Array, ...], drawn: tuple[Array, ...]) -> tuple[Any, Steps]:
            state, length, total = carry
            random, guess, start, present = drawn
            best = value(params, state[None])[0].argmax().astype(guess.dtype)
            action = jnp.where(random, guess, best)
            after, reward, terminated = environment.step(state, action)
            ended = terminated | (length + 1 == environment.limit)
            made = Steps(
                Transition(state, action, reward, after, terminated), ended, total + reward
            )
            zeros = jnp.zeros_like(length), jnp.zeros_like(total)
            new = jax.tree.map(
                lambda a, b: jnp.where(ended, a, b),
                (start, *zeros),
                (after, length + 1, total + reward),
            )
            return jax.tree.map(lambda a, b: jnp.where(present, a, b), new, carry), made

        carry = acting.state, acting.length, acting.total
        carry, steps = lax.scan(step, carry, (random, guess, starts, present))
        steps = steps._replace(ended=steps.ended & present)
        stored = replay.add(acting.replay, steps.transition, present)
        latest = record(acting.latest, steps.total, steps.ended)
        return Acting(*carry, latest, stored), steps

    def init(key: Key, batch: Batch) -> DQNState:
        for_network, for_state = jax.random.split(key)
        online = learning(None).init(for_network, batch)
        buffer = replay.empty(capacity, environment.state_size)
        start = environment.reset(for_state)
        acting = Acting(start, jnp.int32(0), jnp.zeros(()), no_episodes(), buffer)
        return DQNState(online, online.params, acting)

    def update(state: DQNState, batch: Batch, key: Key) -> tuple[DQNState, Metrics]:
        if (size := len(batch["weight"])) > capacity:
            raise UserError(
                f"a buffer of {capacity:,} transitions is smaller than a batch of {size:,} steps"
            )
        for_steps, for_replay = jax.random.split(key)
        present = batch["weight"] > 0
        keys = example_keys(for_steps, len(present))
        acting, steps = act(state.online.params, state.acting, keys, present)
        before, now = state.acting.replay.added, acting.replay.added
        ready = (now >= learning_starts) & (now > before)
        drawn = replay.draw(acting.replay, for_replay, replayed)
        weight = jnp.broadcast_to(ready.astype(jnp.float32), (replayed,))
        online, measured = learning(state.target).update(
            state.online, {**drawn._asdict(), "weight": weight}, for_replay
        )
        renew = now // target_every > before // target_every
        target = jax.tree.map(lambda a, b: jnp.where(renew, a, b), online.params, state.target)
        ended = steps.ended.astype(jnp.float32)
        measured["return"] = Ratio((steps.total * ended).sum(), ended.sum())
        return DQNState(online, target, acting), measured

    def evaluate(state: DQNState, batch: Batch, key: Key) -> Metrics:
        keys = example_keys(key, len(batch["weight"]))
        played = play(environment, lambda s, _: value(state.online.params, s).argmax(axis=1), keys)
        return return_metrics(played, batch["weight"])

    def predict(state: DQNState, batch: Batch) -> Float[Array, "batch actions"]:
        return value(state.online.params, batch["state"])

    return Learner(init, update, evaluate, predict)

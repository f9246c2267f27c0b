"""Learners made from learners: side by side, in pieces, augmented, with more to tell."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from dlfun.data.augmentation import Augmentation
from dlfun.learner import Batch, Key, Learner, State, example_keys, sum_over_devices
from dlfun.metrics import Metrics, Ratio, scalar


def compare(learners: Mapping[str, Learner]) -> Learner:
    """Several learners as one, to be compared: each sees the same batches and the same keys.

    The state is a dict of theirs by name. The metric `loss` of the learner `adam` becomes
    `adam_loss`; "loss" itself is the sum over learners, not finite as soon as one of them is not.
    """

    def named(measured: dict[str, Metrics]) -> Metrics:
        losses = [metrics["loss"] for metrics in measured.values()]
        loss = Ratio(jnp.stack([loss.total for loss in losses]).sum(), losses[0].count)
        every = {f"{n}_{m}": ratio for n, ms in measured.items() for m, ratio in ms.items()}
        return {"loss": loss} | every

    def init(key: Key, batch: Batch) -> dict[str, State]:
        return {name: learner.init(key, batch) for name, learner in learners.items()}

    def update(state: dict[str, State], batch: Batch, key: Key) -> tuple[dict[str, State], Metrics]:
        both = {name: one.update(state[name], batch, key) for name, one in learners.items()}
        return {n: after for n, (after, _) in both.items()}, named(
            {n: m for n, (_, m) in both.items()}
        )

    def evaluate(state: dict[str, State], batch: Batch, key: Key) -> Metrics:
        return named({n: one.evaluate(state[n], batch, key) for n, one in learners.items()})

    return Learner(init, update, evaluate)


def in_minibatches(learner: Learner, size: int) -> Learner:
    """Learner that goes through each batch in pieces of `size` examples, with an update for each.

    Given the whole training set as its batch it makes an epoch of mini-batches out of it; given
    pieces of one example, an epoch of stochastic gradient descent. A piece without any example
    changes nothing. Over several devices each splits its own share.
    """

    def update(state: State, batch: Batch, key: Key) -> tuple[State, Metrics]:
        pad = -len(batch["weight"]) % size

        def split(array: Array) -> Array:
            filled = jnp.concatenate([array, jnp.zeros((pad, *array.shape[1:]), array.dtype)])
            return filled.reshape(-1, size, *array.shape[1:])

        def step(state: State, numbered: tuple[Array, Batch]) -> tuple[State, Metrics]:
            number, piece = numbered
            after, measured = learner.update(state, piece, jax.random.fold_in(key, number))
            some = sum_over_devices(piece["weight"].sum()) > 0
            return jax.tree.map(lambda new, old: jnp.where(some, new, old), after, state), measured

        pieces = jax.tree.map(split, dict(batch))
        state, measured = jax.lax.scan(step, state, (jnp.arange(len(pieces["weight"])), pieces))
        return state, jax.tree.map(lambda m: m.sum(axis=0), measured)

    return Learner(learner.init, update, learner.evaluate)


def repeat_update(learner: Learner, times: int) -> Learner:
    """Learner that makes `times` updates on each batch: full-batch steps without an epoch each.

    Its metrics are the mean over these updates.
    """

    def update(state: State, batch: Batch, key: Key) -> tuple[State, Metrics]:
        def step(state: State, number: Array) -> tuple[State, Metrics]:
            return learner.update(state, batch, jax.random.fold_in(key, number))

        state, measured = jax.lax.scan(step, state, jnp.arange(times))
        return state, jax.tree.map(lambda m: m.mean(axis=0), measured)

    return Learner(learner.init, update, learner.evaluate)


def augmented(learner: Learner, augmentation: Augmentation, name: str = "image") -> Learner:
    """Learner that is trained on randomly changed images and evaluated on them as they are.

    Each example is changed by its own draw, a new one in every step, the same however the batch is
    padded or split over devices. `name` is what the images are called in a batch.
    """

    def update(state: State, batch: Batch, key: Key) -> tuple[State, Metrics]:
        ours, theirs = jax.random.split(key)
        images = batch[name]
        changed = jax.vmap(augmentation)(example_keys(ours, len(images)), images)
        return learner.update(state, {**batch, name: changed}, theirs)

    return Learner(learner.init, update, learner.evaluate)


def with_state_metrics(
    learner: Learner, scalars: Callable[[State], Mapping[str, Array]]
) -> Learner:
    """Learner whose evaluation also tells some figures of its state, such as a norm."""

    def evaluate(state: State, batch: Batch, key: Key) -> Metrics:
        told = {n: scalar(value, batch["weight"]) for n, value in scalars(state).items()}
        return learner.evaluate(state, batch, key) | told

    return Learner(learner.init, learner.update, evaluate)


def with_gap(learner: Learner, seen: Mapping[str, Any]) -> Learner:
    """Learner whose evaluation adds "gap": the loss less that on the training examples `seen`."""
    examples = {name: jnp.asarray(array) for name, array in seen.items()}
    examples |= {"weight": jnp.ones(len(next(iter(examples.values()))))}

    def evaluate(state: State, batch: Batch, key: Key) -> Metrics:
        measured = learner.evaluate(state, batch, key)
        loss, known = measured["loss"], learner.evaluate(state, examples, key)["loss"]
        gap = Ratio(loss.total - known.total / known.count * loss.count, loss.count)
        return measured | {"gap": gap}

    return Learner(learner.init, learner.update, evaluate)

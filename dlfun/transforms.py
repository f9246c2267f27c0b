"""Functions from learners to learners: comparison, folds, mini-batches, repetition, metrics, ….

The result splits its batch over devices as its learners do (`Learner.averages`), and predicts what
they predict, unless its docstring says otherwise.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from dlfun.data.augmentation import Augmentation
from dlfun.learner import (
    Batch,
    Key,
    Learner,
    State,
    batch_noise,
    example_keys,
    if_counted,
    mean_over_devices,
    sum_over_devices,
)
from dlfun.metrics import Metrics, Ratio, scalar


def compare(learners: Mapping[str, Learner]) -> Learner:
    """Several learners as one, to be compared: all see the same batches and the same keys.

    The state is a dict of theirs by name, and so are the predictions, where all of them predict.
    The metric `loss` of the learner `adam` becomes `adam_loss`; "loss" itself is the sum over
    learners, not finite as soon as one of them is not.
    """

    def named(measured: Mapping[str, Metrics]) -> Metrics:
        losses = [metrics["loss"] for metrics in measured.values()]
        loss = Ratio(jnp.stack([loss.total for loss in losses]).sum(), losses[0].count)
        by_name = {f"{n}_{m}": ratio for n, ms in measured.items() for m, ratio in ms.items()}
        return {"loss": loss} | by_name

    def init(key: Key, batch: Batch) -> dict[str, State]:
        return {name: learner.init(key, batch) for name, learner in learners.items()}

    def update(state: dict[str, State], batch: Batch, key: Key) -> tuple[dict[str, State], Metrics]:
        results = {n: learner.update(state[n], batch, key) for n, learner in learners.items()}
        states = {name: after for name, (after, _) in results.items()}
        return states, named({name: measured for name, (_, measured) in results.items()})

    def evaluate(state: dict[str, State], batch: Batch, key: Key) -> Metrics:
        return named({n: learner.evaluate(state[n], batch, key) for n, learner in learners.items()})

    predictors = {n: learner.predict for n, learner in learners.items() if learner.predict}

    def predict(state: dict[str, State], batch: Batch) -> dict[str, Any]:
        return {name: predictor(state[name], batch) for name, predictor in predictors.items()}

    return Learner(
        init,
        update,
        evaluate,
        predict if len(predictors) == len(learners) else None,
        averages=all(learner.averages for learner in learners.values()),
    )


def cross_validated(learner: Learner, folds: int) -> Learner:
    """A learner for each fold, side by side: each is trained on the examples of the other folds.

    The column "fold" of a batch holds the number of each example's fold. An example is evaluated by
    the one learner that was not trained on it. A metric is that of all examples together; beside
    "accuracy" there is "fold_accuracy", [folds]. Folds are the first axis of the state's arrays,
    and the second, after the examples, of the predictions.
    """
    numbers = jnp.arange(folds)

    def weighted(batch: Batch, chosen: Array) -> Batch:
        return {**batch, "weight": jnp.where(chosen, batch["weight"], 0)}

    def pooled(metrics: Metrics) -> Metrics:
        by_fold = {"fold_accuracy": metrics["accuracy"]} if "accuracy" in metrics else {}
        return jax.tree.map(lambda m: m.sum(axis=0), metrics) | by_fold

    def init(key: Key, batch: Batch) -> State:
        return jax.vmap(learner.init, (0, None))(jax.random.split(key, folds), batch)

    def update(state: State, batch: Batch, key: Key) -> tuple[State, Metrics]:
        def one(state: State, fold: Array) -> tuple[State, Metrics]:
            others = weighted(batch, batch["fold"] != fold)
            return learner.update(state, others, jax.random.fold_in(key, fold))

        state, metrics = jax.vmap(one)(state, numbers)
        return state, pooled(metrics)

    def evaluate(state: State, batch: Batch, key: Key) -> Metrics:
        def one(numbered: tuple[State, Array]) -> Metrics:
            state, fold = numbered
            held_out = weighted(batch, batch["fold"] == fold)

            def measured() -> Metrics:
                return learner.evaluate(state, held_out, key)

            shapes = jax.eval_shape(measured)
            nothing = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
            # Where examples are stored by fold, most batches hold those of one or two folds.
            return jax.lax.cond(held_out["weight"].any(), measured, lambda: nothing)

        return pooled(jax.lax.map(one, (state, numbers)))

    def predict(state: State, batch: Batch) -> Any:
        assert learner.predict is not None
        return jax.vmap(learner.predict, (0, None), out_axes=1)(state, batch)

    return Learner(init, update, evaluate, predict if learner.predict else None, learner.averages)


def in_minibatches(learner: Learner, size: int) -> Learner:
    """Learner that cuts each batch into mini-batches of `size` examples, with an update for each.

    Given the whole training set as its batch it makes an epoch of mini-batches out of it; with
    `size` 1, an epoch of stochastic gradient descent. A mini-batch without examples changes
    nothing. A device that cut its share of a batch would make other mini-batches, so the compiler
    splits them (`averages` is False).
    """

    def update(state: State, batch: Batch, key: Key) -> tuple[State, Metrics]:
        pad = -len(batch["weight"]) % size

        def split(array: Array) -> Array:
            filled = jnp.concatenate([array, jnp.zeros((pad, *array.shape[1:]), array.dtype)])
            return filled.reshape(-1, size, *array.shape[1:])

        def step(state: State, numbered: tuple[Array, Batch]) -> tuple[State, Metrics]:
            number, minibatch = numbered
            return learner.update(state, minibatch, jax.random.fold_in(key, number))

        minibatches = jax.tree.map(split, dict(batch))
        numbers = jnp.arange(len(minibatches["weight"]))
        state, measured = jax.lax.scan(step, state, (numbers, minibatches))
        return state, jax.tree.map(lambda m: m.sum(axis=0), measured)

    return learner._replace(update=update, averages=False)


def repeat_update(learner: Learner, times: int) -> Learner:
    """Learner that makes `times` updates on each batch: full-batch steps without an epoch each.

    Its metrics are the mean over these updates.
    """

    def update(state: State, batch: Batch, key: Key) -> tuple[State, Metrics]:
        def step(state: State, number: Array) -> tuple[State, Metrics]:
            return learner.update(state, batch, jax.random.fold_in(key, number))

        state, measured = jax.lax.scan(step, state, jnp.arange(times))
        return state, jax.tree.map(lambda m: m.mean(axis=0), measured)

    return learner._replace(update=update)


def augmented(learner: Learner, augmentation: Augmentation, name: str = "image") -> Learner:
    """Learner that is trained on randomly changed images and evaluated on them as they are.

    Each example is changed by its own draw, a new one in every step, the same however the batch is
    padded or split over devices. `name` is the column of the images in a batch.
    """

    def update(state: State, batch: Batch, key: Key) -> tuple[State, Metrics]:
        image_key, update_key = jax.random.split(key)
        images = batch[name]
        changed = jax.vmap(augmentation)(example_keys(image_key, len(images)), images)
        return learner.update(state, {**batch, name: changed}, update_key)

    return learner._replace(update=update)


def with_drawn_pixels(learner: Learner, name: str = "image") -> Learner:
    """Learner that is trained on grey images drawn binary and evaluated on images as they are.

    In each update a pixel becomes 255 with probability pixel / 255, else 0, in draws that are the
    same however the batch is padded or split over devices. `name` is the column of the images,
    uint8 [batch, *shape], in a batch.
    """

    def update(state: State, batch: Batch, key: Key) -> tuple[State, Metrics]:
        draw_key, update_key = jax.random.split(key)
        images = batch[name]
        # XLA draws arrays of one axis for each image faster than those of more.
        size = len(images), math.prod(images.shape[1:])
        uniform = batch_noise(lambda size: jax.random.uniform(draw_key, size), size)
        on = uniform.reshape(images.shape) * 255 < images.astype(jnp.float32)
        drawn = on.astype(jnp.uint8) * jnp.uint8(255)
        return learner.update(state, {**batch, name: drawn}, update_key)

    return learner._replace(update=update)


def drawing(learner: Learner, draw: Callable[..., Mapping[str, Array]], *columns: str) -> Learner:
    """Learner that draws new examples in each update, in the place of the batch's.

    `draw` makes an example, columns by name, from a key, and from what the batch's example has in
    each of `columns`, such as a digit that is put on a canvas. Without them the batch only says how
    many examples there are and which have weight: a dataset of empty ones
    (`dlfun.data.dataset.ticks`) will do. Evaluation is on the batch's own examples.
    """

    def drawn(batch: Batch, key: Key) -> Batch:
        keys = example_keys(key, len(batch["weight"]))
        return {**batch, **jax.vmap(draw)(keys, *(batch[name] for name in columns))}

    def init(key: Key, batch: Batch) -> State:
        return learner.init(key, drawn(batch, key))

    def update(state: State, batch: Batch, key: Key) -> tuple[State, Metrics]:
        draw_key, update_key = jax.random.split(key)
        return learner.update(state, drawn(batch, draw_key), update_key)

    return learner._replace(init=init, update=update)


def cropped(learner: Learner, lengths: Mapping[str, str], widths: Sequence[int]) -> Learner:
    """Learner that reads, of sequences filled up to the longest of all, what a batch's longest has.

    The columns that are keys of `lengths` are cut to the smallest of `widths` in which the lengths
    of the batch, the columns that are values, have room: each width is a program of its own, chosen
    as it runs. Whole sequences are read where no width is enough. The compiler splits the batch
    over devices (`averages` is False): all of them have to choose alike.
    """

    def choose(function: Callable[..., Any]) -> Callable[..., Any]:
        def chosen(state: State, batch: Batch, key: Key) -> Any:
            time = max(batch[name].shape[1] for name in lengths)
            kept = [*(width for width in sorted(widths) if width < time), time]

            def cut(width: int) -> Callable[[State], Any]:
                columns = {name: batch[name][:, :width] for name in lengths}
                return lambda state: function(state, {**batch, **columns}, key)

            longest = jnp.stack([batch[name].max() for name in lengths.values()]).max()
            branch = jnp.searchsorted(jnp.array(kept), longest)
            return jax.lax.switch(branch, [cut(width) for width in kept], state)

        return chosen

    update, evaluate = choose(learner.update), choose(learner.evaluate)
    return learner._replace(update=update, evaluate=evaluate, averages=False)


class Recorded(NamedTuple):
    """The state of `recorded`."""

    state: State
    kept: Any
    """[parts, …]: `keep(state)` after the last update so far of each part."""
    measured: Metrics
    """Metrics of the updates of each part, [parts]; 0 over 0 where it has not begun."""
    step: Array
    """Updates done."""


def recorded(
    learner: Learner,
    keep: Callable[[State], Any],
    parts: int,
    updates: int,
    names: Sequence[str] = (),
) -> Learner:
    """Learner whose state remembers how it came to be, in equal parts of its `updates` updates.

    Of each part it has `keep(state)` at its end, such as the parameters of a generator, and the
    metrics `names` of its updates, numbers each. Updates beyond `updates` belong to the last part.
    """

    def init(key: Key, batch: Batch) -> Recorded:
        state = learner.init(key, batch)
        kept = jax.tree.map(lambda leaf: jnp.stack([leaf] * parts), keep(state))
        measured = {name: Ratio(jnp.zeros(parts), jnp.zeros(parts)) for name in names}
        return Recorded(state, kept, measured, jnp.zeros((), jnp.int32))

    def update(old: Recorded, batch: Batch, key: Key) -> tuple[Recorded, Metrics]:
        state, measured = learner.update(old.state, batch, key)
        part = jnp.minimum(old.step * parts // updates, parts - 1)
        # Written in each update, for that is cheaper than to ask whether a part has ended.
        kept = jax.tree.map(lambda all, leaf: all.at[part].set(leaf), old.kept, keep(state))
        whole = sum_over_devices({name: measured[name] for name in names})
        total = jax.tree.map(lambda all, leaf: all.at[part].add(leaf), old.measured, whole)
        count = mean_over_devices(batch["weight"].sum())
        new = Recorded(state, kept, total, old.step + 1)
        return if_counted(batch, count, new, measured, old)

    def evaluate(state: Recorded, batch: Batch, key: Key) -> Metrics:
        return learner.evaluate(state.state, batch, key)

    def predict(state: Recorded, batch: Batch) -> Any:
        assert learner.predict is not None
        return learner.predict(state.state, batch)

    return Learner(init, update, evaluate, learner.predict and predict, learner.averages)


def with_state_metrics(
    learner: Learner, scalars: Callable[[State], Mapping[str, Array]]
) -> Learner:
    """Learner whose evaluation adds numbers that are computed of the state, such as a norm."""

    def evaluate(state: State, batch: Batch, key: Key) -> Metrics:
        added = {n: scalar(value, batch["weight"]) for n, value in scalars(state).items()}
        return learner.evaluate(state, batch, key) | added

    return learner._replace(evaluate=evaluate)


def with_gap(learner: Learner, seen: Mapping[str, Any]) -> Learner:
    """Learner whose evaluation adds "gap": the loss less that on the training examples `seen`."""
    examples = {name: jnp.asarray(array) for name, array in seen.items()}
    examples |= {"weight": jnp.ones(len(next(iter(examples.values()))))}

    def evaluate(state: State, batch: Batch, key: Key) -> Metrics:
        measured = learner.evaluate(state, batch, key)
        loss, training = measured["loss"], learner.evaluate(state, examples, key)["loss"]
        gap = Ratio(loss.total - training.total / training.count * loss.count, loss.count)
        return measured | {"gap": gap}

    return learner._replace(evaluate=evaluate)


def leave_out(learner: Learner, column: str, groups: int) -> Learner:
    """`groups` members of a learner, each trained without one group of examples and tested on it.

    Member k ignores the examples whose `batch[column]` is k while it is trained, and is evaluated
    on them alone: over a split that holds all groups every example is measured once, by the member
    that never saw its group. All members see the same batches and keys. The predictions of an
    example are those of each member, [batch, members, …].
    """
    members = jnp.arange(groups)

    def weighted(batch: Batch, counts: Array) -> Batch:
        return {**batch, "weight": batch["weight"] * counts.astype(batch["weight"].dtype)}

    def init(key: Key, batch: Batch) -> State:
        keys = jax.vmap(lambda k: jax.random.fold_in(key, k))(members)
        return jax.vmap(lambda k: learner.init(k, batch))(keys)

    def update(state: State, batch: Batch, key: Key) -> tuple[State, Metrics]:
        def one(member: Array, state: State) -> tuple[State, Metrics]:
            return learner.update(state, weighted(batch, batch[column] != member), key)

        states, measured = jax.vmap(one)(members, state)
        return states, jax.tree.map(lambda m: m.sum(axis=0), measured)

    def evaluate(state: State, batch: Batch, key: Key) -> Metrics:
        def one(member: Array, state: State) -> Metrics:
            return learner.evaluate(state, weighted(batch, batch[column] == member), key)

        return jax.tree.map(lambda m: m.sum(axis=0), jax.vmap(one)(members, state))

    def predict(state: State, batch: Batch) -> Any:
        assert learner.predict is not None
        return jax.vmap(learner.predict, in_axes=(0, None), out_axes=1)(state, batch)

    return learner._replace(
        init=init,
        update=update,
        evaluate=evaluate,
        predict=predict if learner.predict is not None else None,
    )

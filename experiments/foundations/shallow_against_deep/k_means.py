"""k-means: a vocabulary of centres, learned from batches (Sculley, 2010)."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from dlfun import metrics
from dlfun.learner import Batch, Key, Learner, sum_over_devices
from dlfun.metrics import Metrics


class KMeansState(NamedTuple):
    """The centres, and how many examples each is the mean of."""

    centres: Float[Array, "k features"]
    count: Float[Array, " k"]  # type: ignore[assignment]  # Hides tuple.count.


def squared_distances(
    x: Float[Array, "*batch features"], centres: Float[Array, "k features"]
) -> Float[Array, "*batch k"]:
    """‖x - c‖² of every x and every centre c."""
    squares = jnp.square(x).sum(-1)[..., None] + jnp.square(centres).sum(-1)
    return jnp.maximum(squares - 2 * x @ centres.T, 0)


def k_means(start: Float[Array, "k features"]) -> Learner:
    """Learner that moves each centre to the mean of all examples it was ever nearest to.

    c ← c + Σ (x - c) / n over the batch's examples x nearest to c, where n counts those of all
    batches so far, these included. The loss is the mean squared distance to the nearest centre;
    predictions are the number of the nearest centre. Batches hold "x" [batch, features].
    """

    def init(key: Key, batch: Batch) -> KMeansState:
        return KMeansState(start, jnp.zeros(len(start), start.dtype))

    def predict(state: KMeansState, batch: Batch) -> Int[Array, " batch"]:
        return squared_distances(batch["x"], state.centres).argmin(axis=1)

    def evaluate(state: KMeansState, batch: Batch, key: Key) -> Metrics:
        nearest = squared_distances(batch["x"], state.centres).min(axis=1)
        return {"loss": metrics.mean(nearest, batch["weight"])}

    def update(state: KMeansState, batch: Batch, key: Key) -> tuple[KMeansState, Metrics]:
        distances = squared_distances(batch["x"], state.centres)
        member = jax.nn.one_hot(distances.argmin(axis=1), len(start), dtype=start.dtype)
        member = member * batch["weight"][:, None]
        new = sum_over_devices(member.sum(axis=0))
        pull = sum_over_devices(member.T @ batch["x"]) - new[:, None] * state.centres
        count = state.count + new
        centres = state.centres + pull / jnp.maximum(count, 1)[:, None]
        loss = metrics.mean(distances.min(axis=1), batch["weight"])
        return KMeansState(centres, count), {"loss": loss}

    return Learner(init, update, evaluate, predict, averages=True)

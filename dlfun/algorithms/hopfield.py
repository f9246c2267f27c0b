"""The Hopfield network: patterns stored in symmetric weights, recalled by lowering an energy.

N spins s of ±1 with symmetric weights W have the fields and the energy (Hopfield 1982)

    hᵢ = Σ_{j≠i} Wᵢⱼ sⱼ,    E(s) = −½ Σᵢ hᵢ sᵢ

A spin that turns from −sign(hᵢ) to sign(hᵢ) lowers E by 2 |hᵢ|, so spins that do so one after
another (asynchronously, at zero temperature) come to rest: a stored pattern is recalled if they
rest at it. If all turn at once (synchronously), they rest or alternate between two states (Goles,
Fogelman, Pellegrin 1985). The diagonal of W takes no part in any of this.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int, Real

from dlfun import metrics
from dlfun.errors import UserError
from dlfun.learner import Batch, Key, Learner
from dlfun.metrics import Metrics

Weights = Float[Array, "spins spins"]
Spins = Float[Array, "batch spins"]
Rule = Callable[[Weights, Spins, Float[Array, " batch"]], Weights]
"""(weights, patterns, 1 for each that counts and else 0) → weights with the patterns stored."""
FLIPS = 100
"""Recall ends after this many flips a spin at the latest, as rounding could keep one turning."""
RESIDUAL = 1e-5
"""A pattern is already stored where (1/N) ‖x − W x‖² is below this."""

_product = partial(jnp.matmul, precision="highest")


def hebb(weights: Weights, patterns: Spins, weight: Float[Array, " batch"]) -> Weights:
    """Hebb's rule, W ← W + Σ x xᵀ.

    The usual factor 1/N is left out: it moves no sign, and sums of ±1 are exact without it. Random
    patterns are kept up to 0.138 N of them (Amit, Gutfreund, Sompolinsky 1985).
    """
    return weights + _product((patterns * weight[:, None]).T, patterns)


def pseudo_inverse(weights: Weights, patterns: Spins, weight: Float[Array, " batch"]) -> Weights:
    """The pseudo-inverse rule: W becomes the projection on the span of all patterns so far.

    W ← W + Rᵀ (R Rᵀ)⁻¹ R with the part R = X − X W of the patterns that W does not project on
    itself. Then W x = x, so every stored pattern is at rest (Personnaz, Guyon, Dreyfus 1985). The
    patterns of a batch must be linearly independent (`check_independent`); those stored before are
    left out.
    """
    residual = patterns - _product(patterns, weights)
    size = jnp.square(residual).mean(axis=1)
    new = (weight > 0) & (size > RESIDUAL)
    residual = jnp.where(new[:, None], residual, 0)
    gram = _product(residual, residual.T) + jnp.diag((~new).astype(residual.dtype))
    factor = jax.scipy.linalg.cho_factor(gram)
    return weights + _product(residual.T, jax.scipy.linalg.cho_solve(factor, residual))


RULES: dict[str, Rule] = {"hebb": hebb, "pseudo_inverse": pseudo_inverse}


def check_independent(patterns: Real[np.ndarray, "patterns spins"]) -> None:
    """Raise UserError where patterns are dependent, which `pseudo_inverse` cannot store."""
    count, spins = patterns.shape
    if not np.isfinite(patterns).all():
        raise UserError("patterns must be ±1: some numbers are not finite")
    if count > spins:
        raise UserError(
            f"{count:,} patterns of {spins:,} spins: the pseudo-inverse rule needs linearly"
            f" independent patterns, so at most {spins:,}"
        )
    if (rank := np.linalg.matrix_rank(patterns.astype(np.float64))) < count:
        raise UserError(
            f"only {rank:,} of {count:,} patterns are linearly independent: the pseudo-inverse rule"
            " needs all of them to be"
        )


def fields(weights: Weights, spins: Spins) -> Spins:
    """hᵢ = Σ_{j≠i} Wᵢⱼ sⱼ."""
    return _product(spins, weights) - spins * jnp.diagonal(weights)


def without_diagonal(weights: Weights) -> Weights:
    """The weights between different spins, with 0 on the diagonal."""
    return jnp.fill_diagonal(weights, 0, inplace=False)


def energy(weights: Weights, spins: Spins) -> Float[Array, " batch"]:
    """E(s) = −½ Σᵢ hᵢ sᵢ."""
    return -(fields(weights, spins) * spins).sum(axis=1) / 2


def turn_all(weights: Weights, spins: Spins) -> Spins:
    """One synchronous update: every spin to the sign of its field, where that is not 0."""
    h = fields(weights, spins)
    return jnp.where(h == 0, spins, jnp.sign(h))


def synchronous(weights: Weights, spins: Spins, updates: int) -> Float[Array, "3 batch spins"]:
    """The states after `updates` synchronous updates, after one more and after two more.

    Where the third equals the first, the spins are at rest or alternate between two states.
    """
    end = lax.fori_loop(0, updates, lambda _, s: turn_all(weights, s), spins)
    after = turn_all(weights, end)
    return jnp.stack([end, after, turn_all(weights, after)])


_Settling = tuple[Float[Array, " spins"], Float[Array, " spins"], Int[Array, ""], Int[Array, ""]]
"""Spins and their fields, the last spin that had its turn, and how many turns the next one has to
wait that is against its field: 2N or more where there is none."""


def _wait(spins: Array, h: Array, last: Array) -> Int[Array, ""]:
    size, index = len(spins), jnp.arange(len(spins), dtype=jnp.int32)
    turns = jnp.where(index > last, index - last, index - last + size)
    return jnp.where(spins * h < 0, turns, 2 * size).min()


def _begin(spins: Float[Array, " spins"], h: Float[Array, " spins"]) -> _Settling:
    last = jnp.int32(-1)
    return spins, h, last, _wait(spins, h, last)


def _flip(weights: Weights, state: _Settling) -> _Settling:
    """Flip the next spin that is against its field, and let all others feel it."""
    spins, h, last, wait = state
    turn = (last + wait) % len(spins)
    change = -2 * spins[turn]
    h, spins = h + change * weights[turn], spins.at[turn].add(change)
    return spins, h, turn, _wait(spins, h, turn)


def recall(
    weights: Weights, spins: Spins, most: int | Int[Array, ""] | None = None
) -> tuple[Spins, Int[Array, " batch"]]:
    """Asynchronous recall: the spins at rest, and how many flips it took.

    Spins have their turns in order, first to last and again, until none is against its field. Those
    that are not against it stay and cost nothing: the fields of all spins are kept, and a flip adds
    a row of W to them. So N² multiply-adds at the start and N in each flip do what takes N² in each
    sweep otherwise.

    Args:
        weights: symmetric; the diagonal is not read.
        spins: where to begin, ±1.
        most: flips after which to stop; by default 100 N.
    """
    weights, size = without_diagonal(weights), spins.shape[1]
    limit = FLIPS * size if most is None else most

    def go_on(counted: tuple[_Settling, Array]) -> Array:
        (_, _, _, wait), flips = counted
        return (wait < 2 * size) & (flips < limit)

    def step(counted: tuple[_Settling, Array]) -> tuple[_Settling, Array]:
        return _flip(weights, counted[0]), counted[1] + 1

    def settle(start: tuple[Array, Array]) -> tuple[Array, Array]:
        (end, _, _, _), flips = lax.while_loop(go_on, step, (_begin(*start), jnp.int32(0)))
        return end, flips

    # Patterns need unequal numbers of flips. A CPU is as fast with one after another.
    together = None if jax.default_backend() == "cpu" else len(spins)
    return lax.map(settle, (spins, fields(weights, spins)), batch_size=together)


def energies(
    weights: Weights, spins: Float[Array, " spins"], flips: int
) -> Float[Array, " states"]:
    """The energy of one network before and after each of `flips` flips of its recall."""

    def step(state: _Settling, _: None) -> tuple[_Settling, Array]:
        flipped, resting = _flip(weights, state), state[3] >= 2 * len(spins)
        state = jax.tree.map(partial(jnp.where, resting), state, flipped)
        return state, state[0]

    weights = without_diagonal(weights)
    start = _begin(spins, fields(weights, spins[None])[0])
    _, states = lax.scan(step, start, length=flips)
    return energy(weights, jnp.concatenate([spins[None], states]))


def overlap(a: Spins, b: Spins) -> Float[Array, " batch"]:
    """m = (1/N) Σᵢ aᵢ bᵢ: 1 for equal spins, near 0 for unrelated ones."""
    return (a * b).mean(axis=1)


def hopfield(
    rule: Rule,
    patterns: Callable[[Batch], Spins] = lambda batch: batch["x"],
    cues: Callable[[Batch], Spins] = lambda batch: batch["cue"],
) -> Learner:
    """Learner that stores the patterns of each batch, and recalls them from cues.

    The state is W, which starts at 0. "loss" is the share of a pattern's spins that are against
    their field; it is nan where the rule found no weights. Evaluation starts asynchronous recall at
    the cues: "overlap" is that of its end with the pattern, "accuracy" the share of patterns
    recalled without a wrong spin. Predictions are the spins recalled.

    Args:
        rule: `hebb` or `pseudo_inverse`.
        patterns: from a batch to the patterns, ±1.
        cues: from a batch to where recall begins, ±1.
    """

    def init(key: Key, batch: Batch) -> Weights:
        size = patterns(batch).shape[1]
        return jnp.zeros((size, size))

    def against(weights: Weights, batch: Batch) -> metrics.Ratio:
        x = patterns(batch)
        h = fields(weights, x)
        share = jnp.where(jnp.isnan(h), h, (h * x < 0).astype(h.dtype)).mean(axis=1)
        return metrics.mean(share, batch["weight"])

    def update(weights: Weights, batch: Batch, key: Key) -> tuple[Weights, Metrics]:
        weights = rule(weights, patterns(batch), batch["weight"])
        return weights, {"loss": against(weights, batch)}

    def predict(weights: Weights, batch: Batch) -> Spins:
        return recall(weights, cues(batch))[0]

    def evaluate(weights: Weights, batch: Batch, key: Key) -> Metrics:
        x, recalled = patterns(batch), predict(weights, batch)
        whole = (recalled == x).all(axis=1).astype(x.dtype)
        return {
            "loss": against(weights, batch),
            "overlap": metrics.mean(overlap(recalled, x), batch["weight"]),
            "accuracy": metrics.mean(whole, batch["weight"]),
        }

    return Learner(init, update, evaluate, predict)

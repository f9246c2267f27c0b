"""Figures of a Hopfield network's recall: frames, energies, and a cycle of synchronous updates."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dlfun.algorithms.hopfield import energies, energy, recall, synchronous
from dlfun.experiment import Trained
from dlfun.plots.style import INK, LABEL, PALETTE, figure, percent, tidy

FRAMES = (0, 40, 80, 120, 160, 200)
"""Flips after which recall is shown, before its end."""
SHOWN, STARTS, SYNCHRONOUS = 5, 20, 500
LABELS = {"hebb": "Hebb's rule", "pseudo_inverse": "pseudo-inverse rule"}


def chosen(trained: Trained, count: int) -> tuple[Array, Array]:
    """Cues of the first patterns, and these patterns."""
    test, step = trained.dataset.splits["test"], trained.config.cues
    rows = np.arange(min(count, len(test["x"]) // step)) * step
    cues, patterns = (
        jnp.asarray(test[name][rows], jnp.float32).reshape(len(rows), -1) for name in ("cue", "x")
    )
    return cues, patterns


def show(
    trained: Trained, axes: Axes, spins: Float[Array | np.ndarray, " spins"], title: str = ""
) -> None:
    """Spins as a black and white image."""
    shape = trained.dataset.splits["train"]["x"].shape[1:]
    axes.imshow(np.asarray(spins).reshape(shape), cmap="gray_r", vmin=-1, vmax=1)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(title, fontsize=LABEL - 1, color=INK)


def frames(trained: Trained) -> Figure:
    """A row for each of some cues: its state after more and more flips, and the stored digit.

    The last column is where Hebb's rule comes to rest.
    """
    cues, patterns = chosen(trained, SHOWN)
    weights = trained.state["pseudo_inverse"]
    stop = jax.jit(recall)
    after = [stop(weights, cues, jnp.int32(flips))[0] for flips in FRAMES[1:]]
    ends = {rule: jax.jit(recall)(trained.state[rule], cues)[0] for rule in LABELS}
    columns = [("cue", cues)]
    columns += [(f"{n} flips", state) for n, state in zip(FRAMES[1:], after, strict=True)]
    columns += [("at rest", ends["pseudo_inverse"]), ("stored", patterns)]
    columns += [("Hebb, at rest", ends["hebb"])]
    wrong = percent(trained.config.wrong, 0)
    right = int((ends["pseudo_inverse"] == patterns).all(axis=1).sum())
    drawn = figure(
        11, 1.2 * len(cues) + 1,
        f"{right} of {len(cues)} digits come back from {wrong} wrong pixels",
        f"{trained.config.patterns} digits stored by the pseudo-inverse rule; right, by Hebb's",
    )  # fmt: skip
    grid = drawn.subplots(len(cues), len(columns), squeeze=False)
    for column, (title, states) in enumerate(columns):
        for row, state in enumerate(states):
            show(trained, grid[row, column], state, "" if row else title)
    return drawn


def energy_by_flip(trained: Trained, flips: int) -> Figure:
    """The energy a spin of some recalls, and that of the patterns which they recall."""
    cues, patterns = chosen(trained, SHOWN)
    weights = trained.state["pseudo_inverse"]
    size = len(weights)
    drawn = figure(
        8, 5, "Every flip of asynchronous recall lowers the energy",
        f"{trained.config.patterns} digits stored by the pseudo-inverse rule, at one energy",
    )  # fmt: skip
    axes = drawn.subplots()
    counts = jax.jit(recall)(weights, cues)[1]
    for number, (cue, count) in enumerate(zip(cues, counts, strict=True)):
        path = np.asarray(jax.jit(partial(energies, flips=flips))(weights, cue)) / size
        last = min(int(count), flips)
        colour = PALETTE[number % len(PALETTE)]
        label = f"digit {number + 1}"
        axes.plot(np.arange(last + 1), path[: last + 1], color=colour, linewidth=2, label=label)
    # A projection gives all patterns that it stores the same energy.
    stored = float(energy(weights, patterns).mean()) / size
    axes.axhline(stored, color=INK, linestyle=":", linewidth=2, label="stored digits")
    tidy(axes, "flips", "energy a spin, E / N")
    return drawn


def cycle(trained: Trained) -> Figure:
    """The last synchronous updates of random spins beside asynchronous recall from the same.

    Of some random states it shows the first that does not come to rest.
    """
    weights = trained.state["pseudo_inverse"]
    key = jax.random.key(trained.config.seed)
    start = jax.random.rademacher(key, (STARTS, len(weights)), jnp.float32)
    states = jax.jit(partial(synchronous, updates=SYNCHRONOUS))(weights, start)
    turning = np.asarray(states[0] != states[1]).sum(axis=1)
    shown = int((turning > 0).argmax())
    rest, flips = jax.jit(recall)(weights, start[shown : shown + 1])
    title = f"Updated all at once, {turning[shown]} spins turn over in every step, for ever"
    drawn = figure(
        11, 3.4, title if turning[shown] else "Updated all at once, these spins come to rest",
        f"{(turning > 0).sum()} of {STARTS} random states end so; updated one after another, this"
        f" one rests after {flips[0]:,} flips",
    )  # fmt: skip
    grid = drawn.subplots(1, 6)
    show(trained, grid[0], start[shown], "random spins")
    for number, axes in enumerate(grid[1:4]):
        show(trained, axes, states[number, shown], f"update {SYNCHRONOUS + number:,}")
    show(
        trained,
        grid[4],
        np.where(states[0, shown] != states[1, shown], 1.0, -1.0),
        "spins that turn over",
    )
    show(trained, grid[5], rest[0], "one after another")
    return drawn

"""Neurons of two inputs, drawn in the plane of their inputs."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, ListedColormap
from matplotlib.figure import Figure

from dlfun.algorithms.perceptron import Layer, threshold_output
from dlfun.learner import Learner
from dlfun.metrics import Metrics
from dlfun.plots.style import LABEL, PALETTE, figure, tidy

CORNERS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
ZERO, ONE = PALETTE[0], PALETTE[1]


def line(axes: Axes, weights: Any, bias: float, **style: Any) -> None:
    """Draw the line w·x + b = 0 within the axes; nothing where w = 0."""
    weights = np.asarray(weights, np.float64)
    if np.abs(weights).max() == 0:
        return
    foot = -bias * weights / (weights @ weights)
    along = np.array([-weights[1], weights[0]]) / np.linalg.norm(weights)
    axes.plot(*np.stack([foot - 9 * along, foot + 9 * along], axis=1), **style)


def corners(axes: Axes, target: Any, title: str) -> None:
    """Draw the rows of a truth table: blue squares for 0, red dots for 1."""
    target = np.asarray(target)
    for value, marker, colour in ((0, "s", ZERO), (1, "o", ONE)):
        a, b = CORNERS[target == value].T
        axes.scatter(a, b, s=110, c=colour, marker=marker, zorder=3, label=f"output {value}")
    tidy(axes, "input a", "input b", legend=False)
    axes.set(xlim=(-0.6, 1.6), ylim=(-0.6, 1.6), xticks=(0, 1), yticks=(0, 1), aspect="equal")
    axes.set_title(title, fontsize=LABEL)


def regions(axes: Axes, predict: Any, limits: tuple[float, float] = (-0.6, 1.6)) -> None:
    """Shade the points where `predict`, a function of points [N, 2], is 0 and where it is 1."""
    side = np.linspace(*limits, 201, dtype=np.float32)
    points = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    values = np.asarray(predict(points)).reshape(201, 201)
    axes.pcolormesh(
        side, side, values, cmap=ListedColormap([ZERO, ONE]), vmin=0, vmax=1, alpha=0.13
    )


def gates(networks: Mapping[str, Sequence[Layer]]) -> Figure:
    """Each network's regions and the line of each neuron in its first layer.

    Drawn half a unit below θ, which changes no output on binary inputs and separates the corners.
    """
    drawn = figure(
        3 * len(networks),
        4.2,
        "One neuron draws one line, enough for every gate but XOR, which needs three neurons",
        "y = 1 if Σ w·x ≥ θ, weights ±1; the line is Σ w·x = θ − ½, between the corners",
    )
    for axes, (name, layers) in zip(
        drawn.subplots(1, len(networks)), networks.items(), strict=True
    ):
        lowered = [Layer(layer.weights, layer.thresholds - 0.5) for layer in layers]
        regions(axes, lambda x, lowered=lowered: threshold_output(jnp.asarray(x), lowered)[:, 0])
        for weights, threshold in zip(lowered[0].weights.T, lowered[0].thresholds, strict=True):
            line(axes, weights, -threshold, color="#222222", linewidth=1.5)
        corners(axes, threshold_output(jnp.asarray(CORNERS), layers)[:, 0], _gate(name, layers))
    _legend(drawn)
    return drawn


def _legend(drawn: Figure) -> None:
    drawn.legend(
        *drawn.axes[0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=4,
        frameon=False,
        fontsize=LABEL - 1,
    )


def _gate(name: str, layers: Sequence[Layer]) -> str:
    if len(layers) > 1:
        return f"{name.upper()} = OR and NAND"
    (a, b), theta = layers[0].weights[:, 0], layers[0].thresholds[0]
    return f"{name.upper()}: w = ({a:+.0f}, {b:+.0f}), θ = {theta:.0f}"


def decision_lines(states: Mapping[str, Any], metrics: Metrics, table: Mapping) -> Figure:
    """The line of each perceptron after each change of its weights, the last one bold."""
    last = {
        gate: int(np.flatnonzero(np.asarray(metrics[f"{gate}_loss"].total)).max(initial=-1)) + 1
        for gate in states
    }
    ends = ", ".join(f"{g.upper()} {last[g]}" for g in states if g != "xor")
    drawn = figure(
        3.4 * len(states), 4.4, "Each mistake turns the line, until no row is wrong: never on XOR",
        f"rows seen until the last mistake: {ends}",
    )  # fmt: skip
    for axes, (gate, state) in zip(drawn.subplots(1, len(states)), states.items(), strict=True):
        weights, bias = np.asarray(state.weights), np.asarray(state.bias)
        changes = np.flatnonzero(np.diff(np.asarray(state.mistakes))) + 1
        earlier = changes[:-1][-12:]
        for order, update in enumerate(earlier):
            shade = 0.15 + 0.5 * order / len(earlier)
            line(axes, weights[update], bias[update], color="#222222", alpha=shade, linewidth=1)
        line(axes, weights[-1], bias[-1], color=PALETTE[2], linewidth=3)
        regions(axes, lambda x, w=weights[-1], b=bias[-1]: (x @ w + b >= 0).astype(float))
        right = ((weights @ CORNERS.T + bias[:, None] >= 0) == table[gate]).sum(axis=1)
        best = f"at best {right.max()} of 4 right" if right[-1] < 4 else "all right at the end"
        corners(axes, table[gate], f"{gate.upper()}: {len(changes)} mistakes,\n{best}")
    drawn.axes[0].plot([], [], color=PALETTE[2], linewidth=3, label="line at the end")
    drawn.axes[0].plot([], [], color="#222222", alpha=0.5, label="lines before it")
    _legend(drawn)
    return drawn


def weight_cycle(
    learner: Learner, table: Mapping[str, np.ndarray], gate: str, rounds: int = 8
) -> Figure:
    """Weights and right outputs of a perceptron that sees the rows of a table in the same order."""
    batch = {name: jnp.asarray(column) for name, column in table.items()}
    rows, key = batch | {"weight": jnp.ones(4)}, jax.random.key(0)

    def step(state: Any, number: Any) -> tuple[Any, Any]:
        row = {name: array[number][None] for name, array in rows.items()}
        state, _ = learner.update(state, row, key)
        return state, (state, learner.evaluate(state, rows, key)["accuracy"].total)

    first = learner.init(key, rows)
    _, (states, right) = jax.lax.scan(step, first, jnp.arange(4 * rounds) % 4)
    lines = {"w₁": states.weights[:, 0], "w₂": states.weights[:, 1], "b": states.bias}
    path = np.stack([np.asarray(values) for values in lines.values()], axis=1)
    ends = path[3::4].tolist()
    begin, period = next((i, j - i) for j in range(rounds) for i in range(j) if ends[i] == ends[j])
    drawn = figure(
        9, 5, f"On {gate.upper()} the weights of the perceptron repeat every {4 * period} rows",
        f"rows in the same order each time, η = 1; never more than {int(right.max())} of 4 right",
    )  # fmt: skip
    top, bottom = drawn.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    seen = np.arange(1, 4 * rounds + 1)
    for number, (name, values) in enumerate(lines.items()):
        top.step(seen, values + 0.04 * (number - 1), where="post", linewidth=2,
                 color=PALETTE[number], label=name)  # fmt: skip
    bottom.step(seen, right, where="post", color="#222222", linewidth=2)
    bottom.set(yticks=(0, 1, 2, 3, 4), ylim=(-0.2, 4.3))
    for axes in (top, bottom):
        for start in range(4 * (begin + 1), 4 * rounds + 1, 4 * period):
            axes.axvline(start, color="#999999", linestyle="--", linewidth=1)
    tidy(top, "", "weight", legend=False)
    top.legend(frameon=False, fontsize=LABEL, loc="center left", bbox_to_anchor=(1, 0.5))
    tidy(bottom, "rows seen (dashed: the cycle begins again)", "rows right", legend=False)
    return drawn


def hidden_units(learner: Learner, state: Any, table: Mapping[str, np.ndarray]) -> Figure:
    """An MLP's probability of XOR = 1, and the line where each first hidden unit changes sign."""
    predict = learner.predict
    assert predict is not None
    kernel, bias = (np.asarray(state.params["Dense_0"][n]) for n in ("kernel", "bias"))
    side = np.linspace(-0.6, 1.6, 201, dtype=np.float32)
    points = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)

    def probability(x: Any) -> np.ndarray:
        return np.asarray(jax.nn.softmax(predict(state, {"x": jnp.asarray(x)}))[:, 1])

    worst = np.abs(probability(CORNERS) - table["xor"]).max()
    drawn = figure(
        7, 6, "A hidden layer bends the boundary: XOR is solved",
        f"probabilities of the four rows are within {worst:.2g} of the truth",
    )  # fmt: skip
    axes = drawn.subplots()
    values = probability(points).reshape(201, 201)
    colours = LinearSegmentedColormap.from_list("two", [ZERO, "#ffffff", ONE])
    mesh = axes.pcolormesh(side, side, values, cmap=colours, vmin=0, vmax=1, alpha=0.6)
    bar = drawn.colorbar(mesh, ax=axes)
    bar.set_label("probability of output 1", fontsize=LABEL)
    axes.contour(side, side, values, levels=[0.5], colors="#222222", linewidths=3)
    for weights, offset in zip(kernel.T, bias, strict=True):
        line(axes, weights, offset, color="#222222", linewidth=0.8, linestyle="--")
    corners(axes, table["xor"], "")
    axes.plot([], [], color="#222222", linewidth=3, label="boundary, ½")
    axes.plot([], [], color="#222222", linewidth=0.8, linestyle="--", label="a hidden unit is 0")
    _legend(drawn)
    return drawn

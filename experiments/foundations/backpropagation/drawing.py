"""The classes that a network of manual.py tells apart in the plane."""

import jax.numpy as jnp
import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from dlfun.data import Dataset
from dlfun.plots.planes import line
from dlfun.plots.style import PALETTE, figure, tidy

from .manual import Network, forward


def regions(network: Network, dataset: Dataset) -> Figure:
    """Test examples on the regions of the largest output, and where each hidden unit is ½."""
    x, label = dataset.splits["test"]["x"], dataset.splits["test"]["y"].argmax(axis=1)
    right = (np.asarray(forward(network, jnp.asarray(x)).output).argmax(axis=1) == label).mean()
    drawn = figure(
        7, 6.6, f"{len(network.b1)} hidden units tell {len(dataset.classes)} classes apart:"
        f" {100 * right:.1f} % right", "trained by the chain rule written out",
    )  # fmt: skip
    axes = drawn.subplots()
    side = np.linspace(-2.3, 2.3, 301, dtype=np.float32)
    points = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    said = np.asarray(forward(network, jnp.asarray(points)).output).argmax(axis=1)
    colours = ListedColormap(PALETTE[: len(dataset.classes)])
    axes.pcolormesh(
        side, side, said.reshape(301, 301), cmap=colours, alpha=0.15,
        vmin=0, vmax=len(dataset.classes) - 1,
    )  # fmt: skip
    for number, (name, marker) in enumerate(zip(dataset.classes, "os^vD", strict=False)):
        a, b = x[label == number].T
        axes.scatter(a, b, s=10, c=PALETTE[number], marker=marker, label=name)
    for weights, bias in zip(np.asarray(network.w1).T, np.asarray(network.b1), strict=True):
        line(axes, weights, bias, color="#222222", linestyle="--")
    axes.plot([], [], color="#222222", linestyle="--", label="a hidden unit is ½")
    tidy(axes, "x₁", "x₂", legend=False)
    axes.set(xlim=(-2.3, 2.3), ylim=(-2.3, 2.3), aspect="equal")
    drawn.legend(loc="outside lower center", ncols=4, frameon=False)
    return drawn

"""Figure of codes: where images of each class lie in the plane of the codes' main directions."""

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

from dlfun.algorithms.autoencoder import rows
from dlfun.algorithms.principal_components import principal_components
from dlfun.data.dataset import Dataset
from dlfun.plots.style import LABEL, figure, truncate

SHOWN = 4_000


def codes_in_the_plane(model: nn.Module, variables: Mapping[str, Any], dataset: Dataset) -> Figure:
    """Test images by class on the first two principal components of pixels, and of codes."""
    x = rows(dataset, "test")[:SHOWN]
    label = dataset.splits["test"]["label"][:SHOWN]
    encode = jax.jit(lambda x: model.apply(variables, x, method="encode"))
    codes = np.asarray(encode(jnp.asarray(x)))
    title = "Two components of the codes show little more of the classes than two of the pixels"
    drawn = figure(12, 6.2, title, f"{len(x):,} test images, coloured by class")
    colours = colormaps["tab10"](range(len(dataset.classes)))
    for axes, part, name in zip(
        drawn.subplots(1, 2),
        (x, codes),
        ("pixels", f"codes of {codes.shape[1]} numbers"),
        strict=True,
    ):
        pca = principal_components(part)
        plane = (part - pca.mean) @ pca.axes[:, :2]
        if plane.shape[1] == 1:
            plane = np.pad(plane, ((0, 0), (0, 1)))  # A code of one number lies on a line.
        for number, colour in enumerate(colours):
            chosen = plane[label == number]
            axes.scatter(
                *chosen.T, s=5, color=colour, linewidths=0, label=truncate(dataset.classes[number])
            )
        axes.set_title(f"first two principal components of the {name}", fontsize=LABEL)
        axes.set_xticks([])
        axes.set_yticks([])
    handles, names = axes.get_legend_handles_labels()
    drawn.legend(
        handles, names, loc="outside lower center", ncols=len(names), markerscale=4, frameon=False
    )
    return drawn

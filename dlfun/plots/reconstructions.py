"""Images over what autoencoders and PCA make of them through a code of as many numbers."""

from collections.abc import Mapping

import jax
import numpy as np
from matplotlib.figure import Figure

from dlfun.algorithms.autoencoder import rows
from dlfun.algorithms.minimize import MinimizeState
from dlfun.algorithms.principal_components import principal_components, project
from dlfun.experiment import Trained
from dlfun.plots.image_rows import image_rows

SHOWN = 12


def reconstructions(
    title: str, trained: Trained, code: int, labels: Mapping[str, str] | None = None
) -> Figure:
    """The first images of the test split, each learner's reconstruction below, and PCA's last.

    `trained` is of `compare`d autoencoders; `labels` says how the rows of each are called.
    """
    assert trained.learner.predict is not None
    images = trained.dataset.splits["test"]["image"][:SHOWN]
    x = rows(trained.dataset, "test")[:SHOWN]
    linear = project(principal_components(rows(trained.dataset, "train")), x, code)
    predicted = jax.jit(trained.learner.predict)(trained.state, {"image": images})
    made = {(labels or {}).get(name, name): np.asarray(y) for name, y in predicted.items()}
    parts = {"original": x} | made | {f"PCA, {code} components": linear}
    shape = images.shape[1:]
    errors = {name: np.square(part - x).sum(axis=1).mean() for name, part in parts.items()}
    shown = {
        f"{name}: {errors[name]:.1f}" if name != "original" else name: part.reshape(-1, *shape)
        for name, part in parts.items()
    }
    return image_rows(title, shown, "with the squared error, mean over these images")


def with_parameters(states: Mapping[str, MinimizeState]) -> dict[str, str]:
    """A label for each learner that says how many parameters it has."""
    counts = {n: sum(p.size for p in jax.tree.leaves(s.params)) for n, s in states.items()}
    return {name: f"{name}, {count:,} parameters" for name, count in counts.items()}

"""The figures: images that FGSM changes and what is read in them, and accuracy against ε."""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from dlfun.algorithms.adversarial_examples import fgsm
from dlfun.data.images import normalize
from dlfun.experiment import Trained
from dlfun.nn.losses import cross_entropy
from dlfun.plots.style import INK, LABEL, PALETTE, figure, percent, tidy, truncate

from .attacks import Logits, accuracies, networks

SHOWN = 1_000
"""Test images from which accuracy is drawn."""
RIGHT, WRONG = PALETTE[2], PALETTE[1]
LINES = {
    ("plain", "fgsm"): ("plain, FGSM", PALETTE[1], "-"),
    ("plain", "pgd"): ("plain, PGD", PALETTE[1], "--"),
    ("trained", "fgsm"): ("after FGSM training, FGSM", PALETTE[0], "-"),
    ("trained", "pgd"): ("after FGSM training, PGD", PALETTE[0], "--"),
}


def draw(trained: Trained, logits: Logits) -> Iterator[tuple[str, Figure]]:
    """The two figures, "examples" and "accuracy"."""
    yield "examples", examples(trained, logits)
    yield "accuracy", accuracy(trained, logits)


def examples(trained: Trained, logits: Logits) -> Figure:
    """A column for the first test image of each class: itself, the sign, and x′ at each ε.

    Over each image stands what the plain network reads, and its probability.
    """
    test, classes = trained.dataset.splits["test"], trained.dataset.classes
    first = [int(np.argmax(test["label"] == number)) for number in range(len(classes))]
    x, label = normalize()(jnp.asarray(test["image"][first])), jnp.asarray(test["label"][first])
    variables = networks(trained)["plain"]

    def loss(x: Array) -> Array:
        return cross_entropy(logits(variables, x), label)

    changed = {epsilon: fgsm(loss, x, epsilon) for epsilon in trained.config.epsilons}
    images = {"image": x} | {f"ε = {epsilon:g}": y for epsilon, y in changed.items()}
    shares = {n: np.asarray(jax.nn.softmax(logits(variables, y))) for n, y in images.items()}
    last = list(images)[-1]
    right = int((shares[last].argmax(axis=1) == np.asarray(label)).sum())
    drawn = figure(
        1.15 * len(first) + 0.9,
        1.45 * (len(images) + 1) + 1.0,
        f"At {last} the network reads {right} of {len(first)} images right, and a person all",
        "x′ = x + ε sign ∂ℓ/∂x, clipped to [0, 1]; above each what is read, and its probability",
    )
    grid = drawn.subplots(len(images) + 1, len(first), squeeze=False)
    order = ["image", "sign", *list(images)[1:]]
    sign = np.asarray(jnp.sign(jax.grad(lambda x: loss(x).sum())(x)))
    for row, name in zip(grid, order, strict=True):
        row[0].set_ylabel("sign ∂ℓ/∂x" if name == "sign" else name, fontsize=LABEL, color=INK)
        for number, axes in enumerate(row):
            bare(axes)
            if name == "sign":
                axes.imshow(sign[number].mean(-1), cmap="gray", vmin=-1, vmax=1)
                continue
            axes.imshow(np.asarray(images[name][number]).mean(-1), cmap="gray", vmin=0, vmax=1)
            share = shares[name][number]
            read = int(share.argmax())
            axes.set_title(
                f"{truncate(classes[read])}, {percent(float(share[read]), 0)}",
                fontsize=LABEL - 1,
                color=RIGHT if read == int(label[number]) else WRONG,
            )
    return drawn


def accuracy(trained: Trained, logits: Logits) -> Figure:
    """Accuracy of both networks under both attacks against ε."""
    test = {name: column[:SHOWN] for name, column in trained.dataset.splits["test"].items()}
    by_network = accuracies(trained, logits, test, jax.random.key(0))
    title = "Accuracy of a network under attack, before and after training on FGSM"
    detail = f"{len(test['label']):,} test images; FGSM training at ε = {trained.config.epsilon:g}"
    drawn = figure(8, 5, title, detail)
    axes = drawn.subplots()
    for (network, attack), (label, colour, dash) in LINES.items():
        rows = by_network[network]
        points = {0.0: next(iter(rows.values()))["accuracy"]} if rows else {}
        points |= {epsilon: row[f"{attack}_accuracy"] for epsilon, row in rows.items()}
        axes.plot(list(points), list(points.values()), dash, color=colour, marker="o", label=label)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
    axes.set_ylim(-0.02, 1.02)
    tidy(axes, "ε, of pixels in 0 to 1", "accuracy")
    return drawn


def bare(axes: Axes) -> None:
    """Take ticks and frame off."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)

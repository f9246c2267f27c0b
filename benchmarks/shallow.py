"""Accuracy of shallow and deep classifiers against the number of training images.

`python -m benchmarks.shallow --help` compares the methods of `shallow_against_deep` with those of
scikit-learn on pixels and on the same visual words. It needs `pip install 'dlfun[shallow]'`.
"""

import dataclasses
import importlib.util
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from benchmarks import command
from dlfun import experiment as experiments
from dlfun.data import Dataset
from dlfun.errors import UserError
from dlfun.experiment import Stage
from dlfun.metrics import values
from dlfun.plots.style import LABEL, PALETTE, figure, save, tidy
from dlfun.train import loop
from dlfun.train.compile import compile_learner

UPDATES = 2000
"""Approximate number of updates, in 3 to 20 passes over the images."""
SVM_MOST = 10_000
"""Maximum number of images for a kernel machine, whose time grows with their square."""
LABELS = {"words": "visual words, linear", "logistic": "logistic regression, pixels",
          "mlp": "MLP 784-128-10", "cnn": "CNN of T3"}  # fmt: skip


@dataclass(frozen=True)
class Benchmark:
    """Measure the test accuracy of all methods for numbers of Fashion-MNIST's training images."""

    sizes: tuple[Annotated[int, Ge(20)], ...] = (100, 1_000, 10_000, 60_000)
    """Numbers of training images."""
    test_examples: Annotated[int, Ge(1)] = 10_000
    """Number of test images."""
    seed: Annotated[int, Ge(0)] = 0
    """Random seed."""
    json: Path | None = None
    """File for the accuracies."""
    figure: Path | None = None
    """PNG file for a figure of the accuracies."""


def learned(stage: Stage, seed: int) -> dict[str, float]:
    """Train all methods together; return the accuracy of each."""
    evaluated: Any = None
    work, programs = loop.Work(stage, (seed,)), compile_learner(lambda _: stage.learner)
    for progress in loop.fit(work, loop.start(work, programs), programs):
        evaluated = progress.evaluated or evaluated
    evaluation = values(loop.member(evaluated["test"], 0))
    return {
        name[: -len("_accuracy")]: evaluation[name] for name in evaluation if "accuracy" in name
    }


def fitted(dataset: Dataset, seed: int) -> dict[str, float]:
    """Accuracy of scikit-learn's classifiers on pixels, and of two on roots of word counts."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import GaussianNB
    from sklearn.svm import SVC
    from sklearn.tree import DecisionTreeClassifier

    def columns(split: str) -> dict[str, np.ndarray]:
        arrays = dataset.splits[split]
        pixels = arrays["image"].reshape(len(arrays["image"]), -1) / np.float32(255)
        return {"pixels": pixels, "words": np.sqrt(arrays["words"], dtype=np.float32) / 4}

    train, test = columns("train"), columns("test")
    labels = {split: dataset.splits[split]["label"] for split in ("train", "test")}
    accuracies = {}
    for name, column, model in (
        ("sklearn: naive Bayes, pixels", "pixels", GaussianNB(var_smoothing=1e-2)),
        ("sklearn: decision tree, pixels", "pixels", DecisionTreeClassifier(random_state=seed)),
        ("sklearn: logistic regression, pixels", "pixels", LogisticRegression(max_iter=100)),
        ("sklearn: logistic regression, words", "words", LogisticRegression(max_iter=100)),
        ("sklearn: SVM (RBF), pixels", "pixels", SVC(C=10)),
    ):
        if not isinstance(model, SVC) or len(train[column]) <= SVM_MOST:
            model.fit(train[column], labels["train"])
            accuracies[name] = float(model.score(test[column], labels["test"]))
    return accuracies


def draw(measured: dict[int, dict[str, float]]) -> Figure:
    """Figure of the accuracy of each method against the number of training images."""
    few, many = min(measured), max(measured)
    best = {}
    for size in (few, many):
        name = max(measured[size], key=lambda name: measured[size][name])
        best[size] = LABELS.get(name, name)
    drawn = figure(
        9, 5.5, "Designed features learn from few images, learned ones from many",
        f"best of {few:,} images: {best[few]}; of {many:,}: {best[many]}",
    )  # fmt: skip
    axes = drawn.subplots()
    for number, name in enumerate(dict.fromkeys(n for row in measured.values() for n in row)):
        points = [(size, row[name]) for size, row in measured.items() if name in row]
        ours = name in LABELS
        axes.plot(*zip(*points, strict=True), color=PALETTE[number % len(PALETTE)],
                  marker="osD^vPX*<"[number % 9], linestyle="-" if ours else "--",
                  label=LABELS.get(name, name))  # fmt: skip
    axes.set_xscale("log")
    axes.set_xticks(list(measured), [f"{size:,}" for size in measured])
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, 0, symbol=" %"))
    tidy(axes, "training images", "test accuracy", legend=False)
    axes.legend(frameon=False, fontsize=LABEL, loc="center left", bbox_to_anchor=(1, 0.5))
    return drawn


@command.one_line_errors
def main(arguments: Sequence[str]) -> int:
    """Measure, print the accuracies, and return the exit status."""
    if importlib.util.find_spec("sklearn") is None:
        raise UserError("scikit-learn is missing: pip install 'dlfun[shallow]'")
    asked = command.parse(Benchmark, arguments, "python -m benchmarks.shallow")
    measured = {size: _at(size, asked) for size in asked.sizes}
    names = list(dict.fromkeys(name for row in measured.values() for name in row))
    print(
        "| test accuracy of images:",
        *(f"{size:,}" for size in asked.sizes),
        sep=" | ",
        end=" |\n",
    )
    print("|", "|".join(["---"] * (1 + len(asked.sizes))), "|", sep="")
    for name in names:
        shares = (measured[size].get(name) for size in asked.sizes)
        cells = ("–" if share is None else f"{share:.1%}" for share in shares)
        print("|", LABELS.get(name, name), "|", " | ".join(cells), "|")
    if asked.figure:
        save(draw(measured), asked.figure)
    if asked.json:
        asked.json.write_text(json.dumps(measured, indent=2) + "\n")
    return 0


def _at(size: int, asked: Benchmark) -> dict[str, float]:
    experiment = experiments.load("shallow_against_deep")
    batch = min(20, size // 20)
    epochs = max(3, min(20, UPDATES * batch // size))
    config = experiment.Config(examples=size, test_examples=asked.test_examples, seed=asked.seed)
    config = dataclasses.replace(config, epochs=epochs, batch_size=batch)
    (stage,) = experiment.stages(config, experiment.data(config))
    accuracies = learned(stage, asked.seed) | fitted(stage.dataset, asked.seed)
    print(f"{size:,} images, {epochs} epochs: {accuracies}", file=sys.stderr)
    return accuracies


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Figures of a run directory."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from dlfun import experiment as experiments
from dlfun.cli.predict import probabilities
from dlfun.nn import summary
from dlfun.plots import confusion, curves, filters, mistakes
from dlfun.plots.style import percent, save
from dlfun.train import loop
from dlfun.train import run_directory as runs
from dlfun.train.driver import Trained, read
from dlfun.train.options import compile_programs


def plot(run: Path, warn: Callable[[str], None]) -> list[Path]:
    """Draw what can be drawn of a run into its folder `plots`; return the files.

    An experiment with figures of its own yields them as (name, Figure) from `figures(trained,
    rows)`, rows being those of metrics.jsonl. Of any other:

    Learning curves from metrics.jsonl; from the last checkpoint the confusion matrix and the worst
    mistakes on the test split, and the first layer's kernels. `warn` is told what is left out.

    Raises UserError where `run` is no run directory or has no whole checkpoint.
    """
    trained = read(run, warn)
    rows = runs.read_metrics(run)
    (run / runs.PLOTS).mkdir(exist_ok=True)
    return [
        save(figure, run / runs.PLOTS / f"{name}.png")
        for name, figure in _figures(trained, rows, warn)
    ]


def _figures(
    trained: Trained, rows: list[dict], warn: Callable[[str], None]
) -> Iterator[tuple[str, Figure]]:
    experiment, state = trained.experiment, trained.position.state
    dataset = experiment.dataset
    subject = trained.name if dataset.name in trained.name else f"{trained.name} on {dataset.name}"
    module = experiments.load(trained.name)
    if hasattr(module, "figures"):
        yield from module.figures(trained, rows)
        return
    if rows:
        yield "learning_curves", curves.draw(subject, rows)
    else:
        warn("no learning curves: no epoch was finished")

    steps = loop.steps_per_epoch(experiment)
    after = f"after {curves.epochs(trained.position.step / steps)}"
    test = dataset.splits["test"]
    if experiment.model is None:
        programs = compile_programs(experiment, trained.options)
        measured = loop.evaluate(experiment, state, programs)["test"]
        if "confusion" in measured:
            matrix = np.asarray(measured["confusion"].total)
            yield "confusion_matrix", confusion.draw(subject, after, matrix, dataset.classes)
        warn(f"no worst mistakes and no first layer: experiment '{trained.name}' has no model")
        return

    if "image" not in test:
        warn(f"no confusion matrix and no first layer: {dataset.name} are no images")
        return

    found = probabilities(experiment, state.variables, test["image"])
    matrix = confusion.count(test["label"], found)
    yield "confusion_matrix", confusion.draw(subject, after, matrix, dataset.classes)
    if (found.argmax(axis=1) == test["label"]).all():
        warn(f"no worst mistakes: {percent(1)} of the test images are read right")
    else:
        yield "worst_mistakes", mistakes.draw(subject, after, test, found, dataset.classes)

    layers = summary.summarize_built(trained.name, experiment)
    if first := next((row for row in layers if row.multiply_adds), None):
        shape = test["image"].shape[1:]
        yield "first_layer", filters.draw(subject, after, first, state.params, shape)
    else:
        warn("no first layer: the model has no kernel")

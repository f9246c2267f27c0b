"""The command `plot`: the figures of a run directory."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlfun.cli.console import Run, warn

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from dlfun.experiment import Experiment, Trained

Warn = Callable[[str], None]


@dataclass(frozen=True)
class Plot:
    """Draw the figures of a run: its experiment's, else learning curves, mistakes and filters."""

    run_dir: Run
    """Run directory; the figures go into its folder plots/."""

    def __call__(self) -> int:
        for path in plot(self.run_dir, warn):
            print(path)
        return 0


def plot(run: Path, warn: Warn) -> list[Path]:
    """Draw the figures of a run into its folder `plots`; return the files.

    They are those of the experiment where it has `figures`. Of any other experiment they are
    learning curves from metrics.jsonl and, where it classifies images, from the last checkpoint
    the confusion matrix and the worst mistakes on the test split, and the first layer's kernels.
    `warn` is called for each that is left out.

    Raises UserError where `run` is no run directory, has no whole checkpoint or has not come to the
    last stage.
    """
    from dlfun.plots.style import save
    from dlfun.train import run_directory
    from dlfun.train.driver import read

    experiment, trained = read(run, warn)
    rows = run_directory.read_metrics(run)
    folder = run / run_directory.PLOTS
    folder.mkdir(exist_ok=True)
    if experiment.figures:
        figures = experiment.figures(trained, rows)
    else:
        figures = _usual_figures(experiment, trained, rows, warn)
    return [save(figure, folder / f"{name}.png") for name, figure in figures]


def _usual_figures(
    experiment: "Experiment", trained: "Trained", rows: list[dict[str, Any]], warn: Warn
) -> Iterator[tuple[str, "Figure"]]:
    from dlfun.nn.summary import layer_parameters, summarize_learner
    from dlfun.plots.confusion import confusion_matrix, count
    from dlfun.plots.curves import epochs, learning_curves
    from dlfun.plots.filters import first_layer
    from dlfun.plots.mistakes import worst_mistakes
    from dlfun.plots.style import percent
    from dlfun.train.loop import evaluation_batch, sample_batch
    from dlfun.train.prediction import no_classifier, probabilities
    from dlfun.train.trainer import works

    learner, state = trained.learner, trained.state
    work = works(experiment.stages(trained.config, trained.dataset))[-1]
    dataset, name = work.stage.dataset, experiment.name
    subject = name if dataset.name in name else f"{name} on {dataset.name}"
    if rows:
        yield "learning_curves", learning_curves(subject, rows, experiment.objective)
    else:
        warn("no learning curves: no epoch was finished")

    after = work.first_epoch + (trained.step - work.first_step) / work.steps_per_epoch
    when = f"after {epochs(after)}"
    if reason := no_classifier(learner, state, dataset):
        warn(f"no confusion matrix and no worst mistakes: {reason}")
    else:
        test = dataset.splits["test"]
        by_class = probabilities(learner, state, test["image"], evaluation_batch(work.stage))
        matrix = count(test["label"], by_class)
        yield "confusion_matrix", confusion_matrix(subject, when, matrix, dataset.classes)
        if (by_class.argmax(axis=1) == test["label"]).all():
            warn(f"no worst mistakes: {percent(1)} of the test images are classified correctly")
        else:
            mistakes = worst_mistakes(subject, when, test, by_class, dataset.classes)
            yield "worst_mistakes", mistakes

    if "image" not in dataset.splits["train"]:
        warn(f"no first layer: {dataset.name} has no images")
        return
    layers = summarize_learner(learner, sample_batch(dataset))
    layer = next((row for row in layers if row.multiply_adds), None)
    if layer and (params := layer_parameters(state, layer)):
        shape = dataset.splits["train"]["image"].shape[1:]
        yield "first_layer", first_layer(subject, when, params, shape)
    else:
        warn("no first layer: the learner has no kernel")

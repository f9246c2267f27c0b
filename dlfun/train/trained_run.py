"""A run directory read back as one object, for scripts and notebooks: `dlfun.load`."""

import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from dlfun.errors import UserError
from dlfun.learner import Learner, State
from dlfun.train import driver, run_directory
from dlfun.train.prediction import no_classifier, predict_columns, predict_items, probabilities
from dlfun.train.samples import draw_samples


@dataclass(frozen=True, eq=False, repr=False)
class TrainedRun:
    """A training and what it has learned."""

    path: Path
    opened: driver.Run

    @property
    def experiment(self) -> str:
        """Name of the experiment."""
        return self.opened.experiment.name

    @property
    def config(self) -> Any:
        """The experiment's Config."""
        return self.opened.trained.config

    @property
    def dataset(self) -> Any:
        """The data of the last stage that was trained, a `Dataset`."""
        return self.opened.group.stages()[self.opened.stage].dataset

    @property
    def learner(self) -> Learner:
        """The three functions that were trained."""
        return self.opened.trained.learner

    @property
    def state(self) -> State:
        """The learner's state: parameters, the optimizer's memory, running statistics."""
        return self.opened.trained.state

    @property
    def step(self) -> int:
        """Updates done."""
        return self.opened.trained.step

    @property
    def params(self) -> Any:
        """The parameters, a pytree of arrays; the whole state of a learner without `params`."""
        return getattr(self.state, "params", self.state)

    @property
    def metrics(self) -> dict[str, dict[str, Any]]:
        """The final metrics by split and name, as result.json has them."""
        return run_directory.read_result(self.path).get("metrics", {})

    @property
    def history(self) -> list[dict[str, Any]]:
        """The metrics of each epoch and split, a dict each."""
        return run_directory.read_metrics(self.path)

    def evaluate(self) -> dict[str, dict[str, Any]]:
        """The metrics of each held-out split, computed anew."""
        return driver.evaluate_run(self.opened)

    def predict(self, inputs: Any) -> Any:
        """Predictions for examples that the run has not seen.

        Args:
            inputs: images, uint8 [n, height, width, channels] or of one channel [n, height, width],
                of the size that the learner was trained on; or, of any learner, the columns of a
                batch by name, as in `dataset.splits["test"]`; or a list of what the experiment
                reads, such as sentences or paths of files, as the command `predict` takes them.

        Returns:
            Of images the class probabilities [n, classes]; of columns what the learner predicts,
            such as logits; of a list a dict each, as the command `predict` prints it.

        Raises:
            UserError: the learner predicts nothing, images or columns are none or of another size
                or type, or an item of a list is not what the experiment reads.
        """
        if isinstance(inputs, str | os.PathLike):
            inputs = [inputs]
        if isinstance(inputs, list | tuple) and all(
            isinstance(item, str | os.PathLike) for item in inputs
        ):
            self.opened.require_last_stage(self.path)
            items = [os.fspath(item) for item in inputs]
            return predict_items(self.opened.experiment, self.opened.trained, items)
        if isinstance(inputs, Mapping):
            return self._predict_columns(inputs)
        if reason := no_classifier(self.learner, self.state, self.dataset):
            raise UserError(f"{self.path}: '{self.experiment}' does not classify images: {reason}")
        images, shape = np.asarray(inputs), self.dataset.splits["train"]["image"].shape[1:]
        if images.ndim == 3 and shape[-1] == 1:
            images = images[..., None]
        if images.dtype != np.uint8 or images.shape[1:] != shape or not len(images):
            raise UserError(
                f"images must be uint8 {['n', *shape]}, got {images.dtype} {[*images.shape]}"
            )
        return probabilities(self.learner, self.state, images)

    def sample(
        self,
        count: int = 1,
        *,
        seed: int = 0,
        prime: str | None = None,
        temperature: float | None = None,
        label: str | None = None,
    ) -> list[Any]:
        """Texts or images that the experiment draws, as the command `sample` prints or writes them.

        Args:
            count: number of samples.
            seed: random seed of the samples.
            prime: text that each sample continues, where samples are texts.
            temperature: divides the logits of each character of a text; by default the run's own.
            label: class of all samples, by name, where they are drawn by class.

        Raises:
            UserError: as `draw_samples`, or the experiment cannot continue this prime, or has no
                such class.
        """
        self.opened.require_last_stage(self.path)
        experiment, trained = self.opened.experiment, self.opened.trained
        return [*draw_samples(experiment, trained, count, seed, prime, temperature, label)]

    def _predict_columns(self, columns: Mapping[str, Any]) -> Any:
        if self.learner.predict is None:
            raise UserError(f"{self.path}: '{self.experiment}' predicts nothing")
        shapes = {name: np.shape(column) for name, column in columns.items()}
        lengths = {shape[:1] for shape in shapes.values()}
        if len(lengths) != 1 or lengths <= {(), (0,)}:
            raise UserError(f"columns must have one length of at least 1, got shapes {shapes}")
        try:
            return predict_columns(self.learner, self.state, columns)
        except KeyError as error:
            needed = f"'{self.experiment}' predicts from a column {error}"
            raise UserError(f"{self.path}: {needed}, got {', '.join(columns)}") from None

    def __repr__(self) -> str:
        return f"<run {self.path} of {self.experiment}, step {self.step}>"


def load(path: Path, checkpoint: Literal["last", "best"] = "last") -> TrainedRun:
    """The run in a directory; damaged checkpoints are warned of. Raises UserError as `read_run`."""
    return TrainedRun(path, driver.read_run(path, warnings.warn, checkpoint))

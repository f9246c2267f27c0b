"""The command `predict`."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from dlfun.cli.console import Run, note, several
from dlfun.errors import UserError

Items = Annotated[tuple[str, ...], tyro.conf.Positional, several("INPUT …")]


@dataclass(frozen=True)
class Predict:
    """Predict with a trained run: from image files, or from what else its experiment reads."""

    run_dir: Run
    """Run directory."""
    inputs: Items
    """Image files (JPEG, PNG, WebP, BMP, GIF, TIFF or PPM) of any size; for experiments with text,
    sentences or .txt files with a sentence a line; or what else the experiment reads."""
    invert: bool = False
    """Exchange black and white of images: MNIST's digits are white on black."""
    json: bool = False
    """Print one JSON object a line."""

    def __call__(self) -> int:
        for row in predict(self.run_dir, self.inputs, self.invert, note):
            print(json.dumps(row, ensure_ascii=False) if self.json else _line(row))
        return 0


def _line(row: dict[str, Any]) -> str:
    """A prediction for people: the input, then what is predicted."""
    name, *_ = row.values()
    if "probabilities" in row:
        top = sorted(row["probabilities"].items(), key=lambda item: -item[1])
        ranked = "  ".join(f"{kind} {probability:.4f}" for kind, probability in top)
        return f"{name}: {row['class']}  ({ranked})"
    (_, *described) = row.items()
    return f"{name}: " + "  ".join(
        _words(value) if len(described) == 1 else f"{key} {_words(value)}"
        for key, value in described
    )


def _words(value: Any) -> str:
    if isinstance(value, list | tuple):
        return " ".join(map(_words, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def predict(
    run: Path, inputs: Sequence[str], invert: bool, note: Callable[[str], None]
) -> Iterator[dict[str, Any]]:
    """Predictions of each input by the last checkpoint of `run`.

    Of an experiment with `inputs` those of `predict_items`; of others those of `predict_images`.

    Raises:
        UserError: as these two do; `run` is no run directory. Raised before anything is predicted.
    """
    from dlfun import experiment as experiments
    from dlfun.train.driver import read, read_settings
    from dlfun.train.prediction import predict_items

    name, *_ = read_settings(run)
    if experiments.load(name).inputs is None:
        yield from predict_images(run, [Path(file) for file in inputs], invert, note)
        return
    if invert:
        raise UserError(f"--invert is for classifiers of images, and '{name}' is none")
    experiment, trained = read(run, note)
    yield from predict_items(experiment, trained, inputs)


def predict_images(
    run: Path, files: Sequence[Path], invert: bool, note: Callable[[str], None]
) -> Iterator[dict[str, Any]]:
    """Class and probabilities of each image file, by the last checkpoint of `run`.

    Yields {"file", "class", "probability", "probabilities": {class: probability}}. Images get the
    size (with a `note`) and the channels that the model was trained on, transparency on white;
    where it was trained on crops, the central crop. `invert` swaps light and dark. Where an image
    is light outside and dark inside, and those of the training set are not, there is a `note`.

    Raises:
        UserError: a file is missing, is no image or has more pixels than is safe; `run` is no run
            directory of an image classifier. Raised before anything is predicted.
    """
    import numpy as np

    from dlfun.data.encoded_images import EncodedImages
    from dlfun.data.image_decoding import cropped
    from dlfun.data.image_files import fit, has_light_border, read_image
    from dlfun.train.driver import read
    from dlfun.train.loop import evaluation_batch
    from dlfun.train.prediction import by_class, no_classifier, probabilities

    if not files:
        raise UserError("predict needs at least one image file")
    experiment, trained = read(run, note)
    stage = experiment.stages(trained.config, trained.dataset)[-1]
    learner, state, dataset = trained.learner, trained.state, stage.dataset
    if reason := no_classifier(learner, state, dataset):
        raise UserError(f"{run}: '{experiment.name}' does not classify images: {reason}")
    decoded = [read_image(file) for file in files]
    train = dataset.splits["train"]["image"]
    encoded = isinstance(train, EncodedImages)
    images = np.stack(
        [
            cropped(image, train.size) if encoded else fit(file, image, train.shape[1:], note)
            for file, image in zip(files, decoded, strict=True)
        ]
    )
    images = 255 - images if invert else images
    if not encoded and has_light_border(train[:1000]).mean() < 0.05:
        advice = "with" if not invert else "without"
        for file, inverted in zip(files, has_light_border(images), strict=True):
            if inverted:
                note(
                    f"{file}: looks inverted (light border, dark middle; {dataset.name} is light "
                    f"on dark): try {advice} --invert"
                )
    results = probabilities(learner, state, images, evaluation_batch(stage))
    for file, row in zip(files, results.tolist(), strict=True):
        yield {"file": str(file), **by_class(dataset.classes, row)}

"""The command `predict`."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from dlfun.cli.console import Run, note
from dlfun.errors import UserError

Files = Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="FILE …")]


@dataclass(frozen=True)
class Predict:
    """Classify image files with a trained run."""

    run_dir: Run
    """Run directory."""
    files: Files
    """JPEG, PNG, WebP, BMP, GIF, TIFF or PPM files, of any size."""
    invert: bool = False
    """Exchange black and white: MNIST's digits are white on black."""
    json: bool = False
    """Print one JSON object a line."""

    def __call__(self) -> int:
        for row in predict(self.run_dir, self.files, self.invert, note):
            if self.json:
                print(json.dumps(row))
                continue
            top = sorted(row["probabilities"].items(), key=lambda item: -item[1])
            ranked = "  ".join(f"{name} {probability:.4f}" for name, probability in top)
            print(f"{row['file']}: {row['class']}  ({ranked})")
        return 0


def predict(
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
    from dlfun.train.prediction import no_classifier, probabilities

    if not files:
        raise UserError("predict needs at least one image file")
    decoded = [read_image(file) for file in files]
    experiment, trained = read(run, note)
    stage = experiment.stages(trained.config, trained.dataset)[-1]
    learner, state, dataset = trained.learner, trained.state, stage.dataset
    if reason := no_classifier(learner, state, dataset):
        raise UserError(f"{run}: '{experiment.name}' does not classify images: {reason}")
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
        by_class = dict(zip(dataset.classes, row, strict=True))
        best = max(by_class, key=lambda name: by_class[name])
        yield {
            "file": str(file),
            "class": best,
            "probability": by_class[best],
            "probabilities": by_class,
        }

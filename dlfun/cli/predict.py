"""What a trained classifier says of images: those of a dataset, or any in a file."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image, ImageOps

from dlfun.data.encoded_images import EncodedImages
from dlfun.data.image_decoding import cropped, eight_bits, naming_file, on_white
from dlfun.errors import UserError
from dlfun.experiment import Experiment
from dlfun.train.batches import batches
from dlfun.train.driver import read
from dlfun.train.loop import evaluation_batch

MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


def probabilities(
    experiment: Experiment, variables: Any, images: UInt8[np.ndarray, "n height width channels"]
) -> Float[np.ndarray, "n classes"]:
    """softmax(model(images)) in float32, in compiled batches.

    `variables` are the model's collections: {"params": …}, with "batch_stats" where it has them.
    """
    model, inputs = experiment.model, experiment.inputs
    assert model is not None  # the caller has said why not
    assert inputs is not None

    @jax.jit
    def batch(variables: Any, images: jax.Array) -> jax.Array:
        logits = model.apply(variables, inputs(images))
        return jax.nn.softmax(logits.astype(jnp.float32))

    # Filled up with the last image: a shorter last batch would be another program.
    rows = batches(np.arange(len(images)), min(evaluation_batch(experiment), len(images)))
    return np.concatenate([batch(variables, images[row]) for row in rows])[: len(images)]


def predict(
    run: Path, files: Sequence[Path], invert: bool, note: Callable[[str], None]
) -> Iterator[dict[str, Any]]:
    """Class and probabilities of each image file, by the last checkpoint of `run`.

    Yields {"file", "class", "probability", "probabilities": {class: probability}}. Images become
    what the model was trained on: its channels, its size (`note` is told), transparency on white;
    where it was trained on crops, the central crop.
    `invert` swaps light and dark. Where an image is light outside and dark inside, and those of
    the training set are not, `note` is told.

    Raises:
        UserError: a file is missing, is no image or has more pixels than is safe; `run` is no run
            directory of a classifier. Raised before anything is predicted.
    """
    if not files:
        raise UserError("predict needs at least one image file")
    pictures = [_open(file) for file in files]
    trained = read(run, note)
    if trained.experiment.model is None:
        raise UserError(f"{run}: experiment '{trained.name}' has no model that reads one image")
    dataset = trained.experiment.dataset
    if "image" not in dataset.splits["train"]:
        raise UserError(f"{run}: experiment '{trained.name}' reads {dataset.name}, no images")
    train = dataset.splits["train"]["image"]
    if isinstance(train, EncodedImages):
        images = np.stack([cropped(picture, train.size) for picture in pictures])
    else:
        shape = train.shape[1:]
        both = zip(files, pictures, strict=True)
        images = np.stack([_fit(file, picture, shape, note) for file, picture in both])
    images = 255 - images if invert else images
    if not isinstance(train, EncodedImages) and _light_outside(train[:1000]).mean() < 0.05:
        advice = "with" if not invert else "without"
        for file, odd in zip(files, _light_outside(images), strict=True):
            if odd:
                note(
                    f"{file}: looks inverted (light border, dark middle; {dataset.name} is light "
                    f"on dark): try {advice} --invert"
                )
    found = probabilities(trained.experiment, trained.position.state.variables, images)
    for file, row in zip(files, found.tolist(), strict=True):
        named = dict(zip(dataset.classes, row, strict=True))
        best = max(named, key=lambda name: named[name])
        yield {
            "file": str(file),
            "class": best,
            "probability": named[best],
            "probabilities": named,
        }


def _open(file: Path) -> Image.Image:
    """A decoded image, upright, of mode L, LA, RGB or RGBA. Raises UserError naming the file."""
    with warnings.catch_warnings(), naming_file(str(file)):
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(file) as image:
            return eight_bits(ImageOps.exif_transpose(image))


def _fit(
    file: Path, image: Image.Image, shape: tuple[int, ...], note: Callable[[str], None]
) -> UInt8[np.ndarray, "height width channels"]:
    """The pixels of `image` in the model's size and channels."""
    height, width, channels = shape
    mode = MODES[channels]
    if "A" in image.mode and "A" not in mode:
        image = on_white(image)
    image = image.convert(mode)
    if image.size != (width, height):
        was = "x".join(map(str, image.size))
        image = image.resize((width, height), Image.Resampling.BILINEAR)
        note(f"{file}: resized from {was} to {width}x{height}")
    return np.asarray(image).reshape(shape)


def _light_outside(images: UInt8[np.ndarray, "n height width channels"]) -> Bool[np.ndarray, " n"]:
    """Whether the outermost pixels are on average lighter than the middle half of the image."""
    light = images.mean(axis=3)
    _, h, w = light.shape
    middle = light[:, h // 4 : h - h // 4, w // 4 : w - w // 4].mean(axis=(1, 2))
    border = np.concatenate(
        [light[:, 0], light[:, -1], light[:, 1:-1, 0], light[:, 1:-1, -1]], axis=1
    )
    return border.mean(axis=1) > middle

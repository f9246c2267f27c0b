"""Class probabilities of many images by a trained classifier."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, UInt8

from dlfun.data.dataset import Dataset
from dlfun.data.encoded_images import EncodedImages
from dlfun.data.order import rows
from dlfun.learner import Batch, Learner, State
from dlfun.train.batches import EVALUATION_BATCH

Images = UInt8[np.ndarray, "n height width channels"] | EncodedImages


def probabilities(
    learner: Learner, state: State, images: Images, batch_size: int = EVALUATION_BATCH
) -> Float[np.ndarray, "n classes"]:
    """softmax(logits) in float32 of the logits that `learner.predict` gives, in compiled batches.

    `no_classifier` says whether a learner gives logits.
    """
    predict = learner.predict
    assert predict is not None

    @jax.jit
    def softmax(state: State, images: jax.Array) -> jax.Array:
        return jax.nn.softmax(predict(state, _batch(images)).astype(jnp.float32))

    # Filled up with the first image: a shorter last batch would be another program.
    batches = np.maximum(rows(np.arange(len(images)), min(batch_size, len(images))), 0)
    return np.concatenate([softmax(state, images[row]) for row in batches])[: len(images)]


def no_classifier(learner: Learner, state: State, dataset: Dataset) -> str | None:
    """The reason why a learner gives no logit of each class for an image; None if it does."""
    images = dataset.splits["train"].get("image")
    if images is None or images.ndim != 4 or images.dtype != np.uint8:
        return f"{dataset.name} has no images of bytes"
    predict = learner.predict
    if predict is None or not dataset.classes:
        return "it predicts no classes"
    image = jax.ShapeDtypeStruct((1, *images.shape[1:]), images.dtype)
    try:
        logits: Any = jax.eval_shape(lambda s, x: predict(s, _batch(x)), state, image)
    except KeyError as error:
        return f"its predictions depend on {error}, not on an image alone"
    if getattr(logits, "shape", None) != (1, len(dataset.classes)):
        return "its predictions are not a logit of each class"
    return None


def _batch(images: jax.Array) -> Batch:
    return {"image": images, "weight": jnp.ones(len(images))}

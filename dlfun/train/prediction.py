"""Predictions of many examples by a trained learner."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, UInt8

from dlfun.data.dataset import Dataset
from dlfun.data.encoded_images import EncodedImages
from dlfun.data.order import rows
from dlfun.errors import UserError
from dlfun.experiment import Experiment, Trained
from dlfun.learner import Batch, Learner, State
from dlfun.train.batches import EVALUATION_BATCH

Images = UInt8[np.ndarray, "n height width channels"] | EncodedImages


def predict_columns(learner: Learner, state: State, columns: Mapping[str, Any]) -> Any:
    """The outputs of `learner.predict` for columns, in compiled batches, as NumPy arrays.

    Raises UserError where there is no example.
    """
    assert learner.predict is not None
    predict, size = jax.jit(learner.predict), len(next(iter(columns.values())))
    if not size:
        raise UserError("there is no example to predict")
    # Filled up with the first example: a shorter last batch would be another program.
    batches = np.maximum(rows(np.arange(size), min(EVALUATION_BATCH, size)), 0)
    weight = {"weight": jnp.ones(batches.shape[1])}
    parts = [predict(state, {k: v[row] for k, v in columns.items()} | weight) for row in batches]
    return jax.tree.map(lambda *leaves: np.concatenate(leaves)[:size], *parts)


def predict_items(
    experiment: Experiment, trained: Trained, items: Sequence[str]
) -> list[dict[str, Any]]:
    """Predictions of items that an experiment's `inputs` reads, such as sentences: a dict each.

    It holds "input", the item's name, and what `outputs` says; by default "class", "probability"
    and "probabilities" by class.

    Raises:
        UserError: the experiment reads no items, there are none, or one is not what it reads.
    """
    if experiment.inputs is None:
        raise UserError(f"'{experiment.name}' predicts nothing from text or files of that kind")
    if not items:
        raise UserError("predict needs at least one input")
    names, columns = experiment.inputs(trained, items)
    predictions = predict_columns(trained.learner, trained.state, columns)
    if experiment.outputs is not None:
        described = experiment.outputs(trained, names, predictions)
    else:
        shares = np.asarray(jax.nn.softmax(predictions.astype(np.float32)))
        classes = experiment.stages(trained.config, trained.dataset)[-1].dataset.classes
        described = [by_class(classes, row) for row in shares.tolist()]
    return [{"input": name, **row} for name, row in zip(names, described, strict=True)]


def by_class(classes: Sequence[str], shares: Sequence[float]) -> dict[str, Any]:
    """The likeliest class, its probability, and the probability of each class by name."""
    named = dict(zip(classes, shares, strict=True))
    best = max(named, key=lambda name: named[name])
    return {"class": best, "probability": named[best], "probabilities": named}


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

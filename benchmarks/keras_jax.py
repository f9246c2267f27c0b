"""The same networks in Keras 3 on its JAX backend, and the worker that trains them by `fit`."""

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

os.environ["KERAS_BACKEND"] = "jax"  # Keras reads it as it is imported.

import keras
import numpy as np
from keras import layers

from benchmarks.pytorch import BATCH, LEARNING_RATE, SCALE, WARM_UP
from benchmarks.work import CLASSES, SIDE
from benchmarks.worker import serve
from dlfun import data
from dlfun.data.images import normalize

CELLS = {"rnn": layers.SimpleRNN, "lstm": layers.LSTM, "gru": layers.GRU}


def network(name: str, config: Mapping[str, Any]) -> keras.Sequential:
    """Network of the experiment `name` with the values of its Config: logits of images."""
    made: list[Any] = [keras.Input((SIDE, SIDE, 1))]
    if name == "mnist_mlp":
        made += [layers.Flatten(), *_dense(config["hidden"])]
    elif name == "mnist_cnn":
        for channels in config["channels"]:
            made += [
                layers.Conv2D(channels, 3, padding="same", activation="relu"),
                layers.MaxPooling2D(),
            ]
        made += [layers.Flatten(), *_dense(config["hidden"])]
    else:
        made.append(layers.Reshape((SIDE, SIDE)))
        last = config["layers"] - 1
        made += [
            CELLS[config["cell"]](config["hidden"], return_sequences=number < last)
            for number in range(config["layers"])
        ]
        made.append(layers.Dense(CLASSES))
    return keras.Sequential(made)


def _dense(hidden: Iterable[int]) -> list[Any]:
    return [*(layers.Dense(width, "relu") for width in hidden), layers.Dense(CLASSES)]


def prepare(settings: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Callable[[], Any]]]:
    """Build, compile and warm up `settings["network"]`; the images are floats in memory."""
    name, steps = settings["network"], settings["steps"]
    split = data.load("mnist").splits["train"]
    cut = len(split["label"]) if steps is None else steps * BATCH
    images = np.asarray(normalize(*SCALE.get(name, (0, 1)))(split["image"][:cut]))
    labels = split["label"][:cut]
    model = network(name, settings["config"])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(LEARNING_RATE), loss, jit_compile=True)

    def train(examples: int | None) -> float:
        history = model.fit(images[:examples], labels[:examples], BATCH, epochs=1, verbose=0)
        return history.history["loss"][0]

    # The last batch of an epoch may be smaller: a program of its own.
    train(min(WARM_UP, cut // BATCH) * BATCH)
    train(cut % BATCH or None)
    return {"setting": "1 device"}, {"epoch": lambda: train(None)}


if __name__ == "__main__":
    serve(prepare)

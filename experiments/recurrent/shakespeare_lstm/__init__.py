"""A recurrent network writes in the manner of Shakespeare, character by character [T4].

Figure: test loss ≤ 1.62 nats a character (1.553 ± 0.012, three seeds); counting comes to 1.669
Time: 120 s on 2 CPU cores
Command: python launch.py train shakespeare_lstm

An LSTM of 256 units reads Tiny Shakespeare in 32 lanes, 64 characters an update, and carries its
state on from update to update (Karpathy 2015, whose char-rnn has 2 layers of 128 and 50 characters,
and prints no figure). It is trained on the first 90 % of the text and tested on all of the rest, as
nanoGPT divides it. Beside it stand count models of the same split: of pairs of characters, 2.486
nats, and of up to 5 characters, 1.669 (Witten, Bell 1991).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import jax.numpy as jnp
import numpy as np
from annotated_types import Ge, Gt

from dlfun.algorithms.count_model import count_losses
from dlfun.config import Epochs, Seed, Validation
from dlfun.data import text, tiny_shakespeare
from dlfun.data.dataset import Dataset
from dlfun.data.lanes import lanes
from dlfun.data.order import in_order
from dlfun.experiment import Claim, Quick, Trained
from dlfun.learner import Key, Learner, metrics_of_all
from dlfun.optimizers import Optimizer, Schedule, make_optimizer
from dlfun.random import stream

from .language_model import (
    LanguageModel,
    generate,
    truncated_bptt,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMULA = r"""
L = -\frac{1}{T} \sum_{t=1}^{T} \log p(x_t \mid x_{<t}), \quad p(x_t \mid x_{<t}) =
\operatorname{softmax}(V h_{t-1} + c)_{x_t}

i, f, o = \sigma(W_{i,f,o} x_t + U_{i,f,o} h_{t-1} + b_{i,f,o}), \quad g = \tanh(W_g x_t + U_g
h_{t-1} + b_g)

c_t = f \odot c_{t-1} + i \odot g, \quad h_t = o \odot \tanh(c_t)
"""
CLAIMS = [Claim("test/loss", "Karpathy (2015)", at_most=1.62)]
QUICK = Quick({"epochs": 1, "hidden": 128}, [Claim("test/loss", "Karpathy (2015)", at_most=2.1)])
ROWS = 20
"""Rows that a held-out text is laid out in: each starts from a carry of zeros."""
CONTEXT = 4
"""Characters that the best count model sees: with fewer or more its loss is higher."""
EARLY = (0, 30, 100, 300)
"""Numbers of updates after which the figures show what the network writes; they show the end, too.
"""
WRITTEN = 500
"""Characters of a text that `sample` writes."""


@dataclass(frozen=True)
class Config:
    """A recurrent language model of characters."""

    dataset: str = "tiny_shakespeare"
    """tiny_shakespeare, or text:FILE, a text of one's own."""
    cell: Literal["rnn", "lstm", "gru"] = "lstm"
    """Recurrent cell."""
    hidden: Annotated[int, Ge(1)] = 256
    """Units of each recurrent layer."""
    layers: Annotated[int, Ge(1)] = 1
    """Recurrent layers."""
    length: Annotated[int, Ge(1)] = 64
    """Characters over which a gradient goes back."""
    epochs: Epochs = 4
    batch_size: Annotated[int, Ge(1)] = 32
    """Lanes: parts of the training text that are read side by side."""
    optimizer: Optimizer = Optimizer(
        learning_rate=1e-2, clip_norm=5.0, schedule=Schedule("cosine", 0.0)
    )
    """Optimizer."""
    temperature: Annotated[float, Gt(0)] = 0.8
    """Divides the logits of the texts that `sample` writes: below 1 they are the likelier ones."""
    validation: Validation = 0.0
    seed: Seed = 0


def data(config: Config) -> Dataset:
    """The text in lanes. A share for validation is the end of what is left to train on."""
    parts, characters = tiny_shakespeare.tokens(config.dataset, config.validation)
    splits = {
        name: lanes(part, ROWS, max(1, (len(part) - 1) // ROWS), name)
        for name, part in parts.items()
    }
    splits["train"] = lanes(parts["train"], config.batch_size, config.length, "train")
    return Dataset(config.dataset, splits, characters, in_order)


def model(config: Config, dataset: Dataset) -> LanguageModel:
    """The network, a class for each character."""
    return LanguageModel(len(dataset.classes), config.cell, config.hidden, config.layers)


def learner(config: Config, dataset: Dataset) -> Learner:
    """The network under truncated BPTT."""
    steps = dataset.steps_per_epoch(config.batch_size)
    optimizer = make_optimizer(config.optimizer, steps, config.epochs)
    return truncated_bptt(model(config, dataset), config.batch_size, optimizer)


def measure(trained: Trained, key: Key) -> dict[str, float]:
    """Perplexity, and the losses of counts of pairs and of up to 5 characters."""
    test = trained.dataset.splits["test"]
    loss = metrics_of_all(trained.learner, trained.state, test, key)["loss"]
    parts, characters = tiny_shakespeare.tokens(trained.config.dataset, trained.config.validation)
    counted = count_losses(parts["train"], parts["test"], len(characters), CONTEXT)
    return {
        "test/perplexity": float(np.exp(loss)),
        "test/bigram_loss": counted[1],
        "test/count_loss": counted[CONTEXT],
    }


def sample(
    trained: Trained,
    key: Key,
    count: int,
    prime: str | None = None,
    temperature: float | None = None,
) -> Iterator[str]:
    """Texts: `prime` and 500 characters after it; by default those after the end of a line.

    Raises UserError where the prime has a character that the training text lacks.
    """
    characters = trained.dataset.classes
    network, params = model(trained.config, trained.dataset), trained.state.params
    first = jnp.array([text.prime_numbers(prime, characters)] * count, jnp.int32)
    chosen = temperature or trained.config.temperature
    for tokens in np.asarray(generate(network, params, key, first, WRITTEN, chosen)):
        yield (prime or "") + "".join(characters[token] for token in tokens)


def figures(trained: Trained, rows: list[dict[str, Any]]) -> Iterator[tuple[str, "Figure"]]:
    """The loss against the epoch beside the counts', and texts written as it fell."""
    from dlfun.plots.language_model import learning_curve, texts_by_loss

    from .earlier import moments

    parts, characters = tiny_shakespeare.tokens(trained.config.dataset, trained.config.validation)
    counted = count_losses(parts["train"], parts["test"], len(characters), CONTEXT)
    lines = {"pairs": counted[1], f"{CONTEXT + 1} characters": counted[CONTEXT]}
    yield "learning_curve", learning_curve(rows, lines)
    key = stream(trained.config.seed, "figures")
    written = [
        (step, loss, next(sample(trained._replace(state=state), key, 1)))
        for step, state, loss in moments(trained, EARLY)
    ]
    yield "texts", texts_by_loss(written, f"drawn at temperature {trained.config.temperature}")

"""A small GPT writes in the manner of Shakespeare; counting characters does better.

Figure: 1.916 ± 0.003 nats a character (3 seeds); counting comes to 1.669
Time: 97 s on 1 CPU core
Command: python launch.py train shakespeare_transformer

nanoGPT's setting for a CPU (Karpathy 2022): 4 blocks of 4 heads and 128 features read 64 characters
of Tiny Shakespeare, 0.8 million parameters; 2,000 updates on 12 random windows each under AdamW, a
warm-up of 100 updates, then a cosine from 1e-3 to 1e-4, no dropout. Its README prints a loss of
1.88 nats on 20 batches of held-out text; here it is the mean over all of the last tenth, in windows
of 64. Beside it stand count models of pairs of characters, 2.486 nats, and of up to 5, 1.669
(Witten, Bell 1991), and the LSTM of `shakespeare_lstm`, 1.553. `shakespeare_transformer_long`
does better than counts.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
from annotated_types import Ge, Gt, Lt

from dlfun import metrics
from dlfun.algorithms.count_model import count_losses
from dlfun.algorithms.supervised import supervised
from dlfun.config import BatchSize, Epochs, Seed, Validation
from dlfun.data import text, tiny_shakespeare
from dlfun.data.dataset import Dataset, ticks
from dlfun.data.lanes import lanes
from dlfun.errors import check_multiple
from dlfun.experiment import Claim, Quick, Trained
from dlfun.learner import Key, Learner, metrics_of_all
from dlfun.nn.decoding import generate, sampled
from dlfun.nn.losses import sequence_cross_entropy
from dlfun.nn.models.gpt import GPT, sliding_window
from dlfun.optimizers import Optimizer, Schedule, make_optimizer
from dlfun.transforms import drawing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SOURCE = "nanoGPT's README (Karpathy 2022)"
FORMULA = r"""
\operatorname{Attention}(Q, K, V) = \operatorname{softmax}\left(\frac{Q K^\top}{\sqrt{d}} +
M\right) V, \quad M_{t s} = \begin{cases} 0 & s \le t \\ -\infty & s > t \end{cases}

x \leftarrow x + \operatorname{Attention}(\operatorname{LN}(x)), \quad x \leftarrow x +
\operatorname{MLP}(\operatorname{LN}(x))
"""
CLAIMS = [Claim("test/loss", SOURCE, printed=1.88, at_most=1.92)]
QUICK = Quick({"epochs": 1, "layers": 2}, [Claim("test/loss", SOURCE, at_most=2.45)])
CONTEXT = 4
"""Characters that the best count model sees: with fewer or more its loss is higher."""
WRITTEN = 500
"""Characters of a text that `sample` writes."""


@dataclass(frozen=True)
class Config:
    """A Transformer as a language model of characters."""

    dataset: str = "tiny_shakespeare"
    """tiny_shakespeare, or text:FILE, a text of one's own."""
    context: Annotated[int, Ge(1)] = 64
    """Characters that it reads at most."""
    features: Annotated[int, Ge(1)] = 128
    """Numbers that stand for a character, a multiple of `heads`."""
    heads: Annotated[int, Ge(1)] = 4
    """Heads of each block."""
    layers: Annotated[int, Ge(1)] = 4
    """Blocks."""
    dropout: Annotated[float, Gt(0), Lt(1)] | None = None
    """Rate of dropout of embeddings, attention weights and outputs of layers; none by default."""
    steps: Annotated[int, Ge(1)] = 500
    """Updates in an epoch, each on new windows."""
    epochs: Epochs = 4
    batch_size: BatchSize = 12
    optimizer: Optimizer = Optimizer(
        "adamw",
        learning_rate=1e-3,
        beta2=0.99,
        weight_decay=0.1,
        clip_norm=1.0,
        schedule=Schedule("cosine", 0.1, warm_up=0.2),
    )
    """Optimizer."""
    temperature: Annotated[float, Gt(0)] = 0.8
    """Divides the logits of the texts that `sample` writes: below 1 they are the likelier ones."""
    validation: Validation = 0.0
    seed: Seed = 0


def data(config: Config) -> Dataset:
    """The held-out text in windows; those to train on are drawn by the learner."""
    parts, characters = tiny_shakespeare.tokens(config.dataset, config.validation)
    windows = {name: lanes(part, 1, config.context, name) for name, part in parts.items()}
    splits = {name: {"x": rows["x"], "y": rows["y"]} for name, rows in windows.items()}
    splits["train"] = ticks(config.steps * config.batch_size).splits["train"]
    return Dataset(config.dataset, splits, characters)


def model(config: Config, dataset: Dataset) -> GPT:
    """The network, with a class for each character.

    Raises UserError if the features are not a multiple of the heads.
    """
    check_multiple("features", config.features, "heads", config.heads)
    rate = 0.0 if config.dropout is None else config.dropout
    sizes = config.context, config.features, config.heads, config.layers
    return GPT(len(dataset.classes), *sizes, rate)


def learner(config: Config, dataset: Dataset) -> Learner:
    """The network under cross entropy of random windows of the training text."""
    parts, _ = tiny_shakespeare.tokens(config.dataset, config.validation)
    tokens, length = jnp.asarray(parts["train"], jnp.uint16), config.context

    def draw(key: Key) -> dict[str, jax.Array]:
        start = jax.random.randint(key, (), 0, len(tokens) - length)
        window = jax.lax.dynamic_slice(tokens, (start,), (length + 1,)).astype(jnp.int32)
        return {"x": window[:-1], "y": window[1:]}

    fitted = supervised(
        model(config, dataset),
        sequence_cross_entropy,
        make_optimizer(config.optimizer, config.steps, config.epochs),
        eval_metrics=metrics.no_metrics,
        train_metrics=metrics.no_metrics,
        columns=("x", "y"),
    )
    return drawing(fitted, draw)


def counted(config: Config) -> list[float]:
    """The test losses of counts that see 0, 1, … characters back."""
    parts, characters = tiny_shakespeare.tokens(config.dataset, config.validation)
    return count_losses(parts["train"], parts["test"], len(characters), CONTEXT)


def measure(trained: Trained, key: Key) -> dict[str, float]:
    """Perplexity, and the losses of counts of pairs and of up to 5 characters."""
    test = trained.dataset.splits["test"]
    loss = metrics_of_all(trained.learner, trained.state, test, key)["loss"]
    losses = counted(trained.config)
    return {
        "test/perplexity": float(np.exp(loss)),
        "test/bigram_loss": losses[1],
        "test/count_loss": losses[CONTEXT],
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
    characters, config = trained.dataset.classes, trained.config
    network = model(config, trained.dataset)
    first = jnp.array([text.prime_numbers(prime, characters)] * count, jnp.int32)
    choose = sampled(temperature or config.temperature)

    @jax.jit
    def write(params: Any) -> jax.Array:
        logits: Any = partial(network.apply, {"params": params})
        step, window, position = sliding_window(logits, config.context, first)
        return generate(step, window, first[:, -1], WRITTEN, choose, key, position=position)

    for tokens in np.asarray(write(trained.state.params)):
        yield (prime or "") + "".join(characters[token] for token in tokens)


def figures(trained: Trained, rows: list[dict[str, Any]]) -> Iterator[tuple[str, "Figure"]]:
    """The loss against the epoch beside the counts'."""
    from dlfun.plots.language_model import learning_curve

    losses = counted(trained.config)
    lines = {"pairs": losses[1], f"{CONTEXT + 1} characters": losses[CONTEXT]}
    yield "learning_curve", learning_curve(rows, lines)

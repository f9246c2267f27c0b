"""A Transformer translates captions from German into English by attention alone.

Figure: 39.2 ± 0.2 BLEU (3 seeds), where the recurrent network with attention has 40.4 ± 0.5
Time: 26 min on 1 CPU core
Command: python launch.py train translation_transformer

Encoder and decoder of 3 blocks of 8 heads and 256 features (Vaswani et al., 2017) on the data, with
the words, the smoothed labels, the beam search and the score of `translation_rnn`. Pre-norm, where
the paper's blocks are post-norm (`--no-pre-norm`), sinusoids as positions, Adam with a warm-up of
one epoch, then a cosine. Printed: 36.5 BLEU (bentrevett/pytorch-seq2seq, 3 + 3 blocks of 256). With
half the learning rate, and a warm-up of two epochs, it has 36.2 ± 0.4 BLEU.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Lt

from dlfun.algorithms.translation import translation
from dlfun.config import BatchSize, Dropout, Epochs, Seed
from dlfun.data import multi30k
from dlfun.data.dataset import Dataset
from dlfun.data.parallel_text import END
from dlfun.errors import check_multiple
from dlfun.experiment import Claim, Quick, Trained
from dlfun.learner import Learner
from dlfun.nn.models.transformer import Transformer
from dlfun.optimizers import Optimizer, Schedule, make_optimizer
from dlfun.transforms import cropped

from .translation_rnn import LENGTHS, LONGEST, data, inputs, measure, outputs

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "CLAIMS",
    "QUICK",
    "Config",
    "data",
    "figures",
    "inputs",
    "learner",
    "measure",
    "outputs",
]

WIDTHS = (11, 13, 15, 17, 20, 25)
"""Lengths to which batches are cut, where that holds all of their sentences."""
SOURCE = "36.5: bentrevett/pytorch-seq2seq"
FORMULA = r"""
\operatorname{head}_i = \operatorname{softmax}\left(\frac{Q W_i^Q (K W_i^K)^\top}{\sqrt{d}}\right)
V W_i^V, \quad \operatorname{MultiHead}(Q, K, V) = [\operatorname{head}_1; \dots;
\operatorname{head}_8] \, W^O
"""
CLAIMS = [Claim("test/bleu", SOURCE, printed=36.5, at_least=35)]
QUICK = Quick(
    {
        "epochs": 2,
        "features": 64,
        "hidden": 128,
        "layers": 1,
        "min_count": 5,
        "optimizer.learning_rate": 4e-3,
        "optimizer.schedule.warm_up": 0.5,
    },
    [Claim("test/bleu", SOURCE, at_least=3)],
)


@dataclass(frozen=True)
class Config:
    """A Transformer that translates."""

    min_count: Annotated[int, Ge(1)] = 2
    """Occurrences below which a word is unknown."""
    features: Annotated[int, Ge(1)] = 256
    """Numbers that stand for a word, a multiple of `heads`."""
    heads: Annotated[int, Ge(1)] = 8
    """Heads of each block."""
    layers: Annotated[int, Ge(1)] = 3
    """Blocks of the encoder, and of the decoder."""
    hidden: Annotated[int, Ge(1)] = 512
    """Units of the dense layers of each block."""
    pre_norm: bool = True
    """Normalize the inputs of a block's parts, in place of their sums."""
    dropout: Dropout = 0.1
    """Rate of dropout of embeddings, attention weights, hidden units and outputs of parts."""
    smoothing: Annotated[float, Ge(0), Lt(1)] = 0.1
    """Share of each label that is spread over all words."""
    beams: Annotated[int, Ge(1)] = 5
    """Translations that beam search keeps at each step."""
    epochs: Epochs = 8
    batch_size: BatchSize = 128
    optimizer: Optimizer = Optimizer(
        learning_rate=2e-3, beta2=0.98, clip_norm=1.0, schedule=Schedule("cosine", 0.0, warm_up=1.0)
    )
    seed: Seed = 0


def learner(config: Config, dataset: Dataset) -> Learner:
    """The network under cross entropy of each word."""
    check_multiple("features", config.features, "heads", config.heads)
    words = int(dataset.splits["train"]["x"].max()) + 1, len(dataset.classes)
    sizes = config.features, config.heads, config.layers, config.hidden
    steps = dataset.steps_per_epoch(config.batch_size)
    made = translation(
        Transformer(*words, *sizes, config.pre_norm, config.dropout),
        make_optimizer(config.optimizer, steps, config.epochs),
        dataset.classes.index(END),
        smoothing=config.smoothing,
        beams=config.beams,
        longest=LONGEST,
    )
    return cropped(made, LENGTHS, WIDTHS)


def figures(trained: Trained, rows: list[dict[str, Any]]) -> Iterator[tuple[str, "Figure"]]:
    """Translations of the first sentences of the test set."""
    from .translation_rnn.drawing import translations

    yield "translations", translations(trained, multi30k.sentences()["test"])

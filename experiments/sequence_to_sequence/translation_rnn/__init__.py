"""A recurrent network with attention translates captions from German into English.

Figure: 40.4 ± 0.5 BLEU (3 seeds), without attention 25.4 ± 0.2
Time: 17 min on 1 CPU core
Command: python launch.py train translation_rnn

Many to many, unaligned: a GRU reads 29,000 captions of Multi30k (Elliott et al., 2016) both ways,
and another writes them in English, reading from the outputs of the first by attention (Bahdanau et
al., 2015) with the product scores of Luong et al. (2015). `--attention none` has one vector in its
place, as Sutskever et al. (2014): `translation_rnn_without_attention`. Words that occur twice are
known; teacher forcing, labels smoothed by 0.1, Adam, beam search of 5. The score is BLEU of the
tokens in lower case of test2016, by sacreBLEU with tokenize="none". An attention GRU of 20 million
parameters is printed with 28.1 BLEU (bentrevett/pytorch-seq2seq). With `--sampling 0.2` a fifth of
the words that it reads while training are its own: scheduled sampling (Bengio et al., 2015).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Le, Lt

from dlfun.algorithms.translation import translation
from dlfun.config import BatchSize, Dropout, Epochs, Seed
from dlfun.data import multi30k, parallel_text, text
from dlfun.data.dataset import Dataset
from dlfun.data.order import by_length
from dlfun.data.parallel_text import END, Languages
from dlfun.errors import UserError
from dlfun.experiment import Claim, Inputs, Quick, Trained
from dlfun.learner import Key, Learner
from dlfun.nn.models.recurrent_translator import RecurrentTranslator
from dlfun.optimizers import Optimizer, Schedule, make_optimizer
from dlfun.transforms import cropped

from .scoring import bleu, translated

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SOURCE = "28.1: bentrevett/pytorch-seq2seq"
FORMULA = r"""
\alpha_{t s} = \operatorname{softmax}_s\left(h_t^\top W m_s\right), \quad c_t = \sum_s \alpha_{t
s} m_s, \quad p(y_t \mid y_{<t}, x) = \operatorname{softmax}\left(V \tanh(W_c [c_t; h_t] +
b)\right)_{y_t}

\operatorname{BLEU} = \min\left(1, e^{1 - r / c}\right) \left(\prod_{n=1}^{4} p_n\right)^{1/4}
"""
CLAIMS = [Claim("test/bleu", SOURCE, printed=28.1, at_least=30)]
QUICK = Quick(
    {"epochs": 2, "embedding": 64, "hidden": 64, "min_count": 5, "optimizer.learning_rate": 4e-3},
    [Claim("test/bleu", SOURCE, at_least=5)],
)
LENGTHS = {"x": "length", "y": "y_length"}
"""The columns of a batch that hold sentences, and those that hold their lengths."""
WIDTHS = (12, 16, 20, 25)
"""Lengths to which batches are cut, where that holds all of their sentences."""
LONGEST = 50
"""Words of a translation at most."""


@dataclass(frozen=True)
class Config:
    """A recurrent translator."""

    attention: Literal["none", "additive", "multiplicative"] = "multiplicative"
    """Score of attention."""
    cell: Literal["rnn", "lstm", "gru"] = "gru"
    """Recurrent cell."""
    min_count: Annotated[int, Ge(1)] = 2
    """Occurrences below which a word is unknown."""
    embedding: Annotated[int, Ge(1)] = 256
    """Numbers that stand for a word."""
    hidden: Annotated[int, Ge(1)] = 256
    """Units of the recurrent layers, in each direction."""
    dropout: Dropout = 0.3
    """Rate of dropout of the embeddings and before the logits."""
    smoothing: Annotated[float, Ge(0), Lt(1)] = 0.1
    """Share of each label that is spread over all words."""
    sampling: Annotated[float, Ge(0), Le(1)] = 0.0
    """Rate of scheduled sampling: the share of the words before that the network draws itself."""
    beams: Annotated[int, Ge(1)] = 5
    """Translations that beam search keeps at each step."""
    epochs: Epochs = 10
    batch_size: BatchSize = 128
    optimizer: Optimizer = Optimizer(
        learning_rate=2e-3, clip_norm=1.0, schedule=Schedule("cosine", 0.0)
    )
    seed: Seed = 0


def data(config: Config) -> Dataset:
    """The pairs of sentences; the classes are the words of the target language.

    Raises UserError on more beams than words.
    """
    pairs = multi30k.sentences()
    vocabularies = parallel_text.languages(pairs["train"], config.min_count)
    if config.beams > (words := len(vocabularies.target)):
        raise UserError(f"--beams must be at most the {words:,} words known, not {config.beams:,}")
    splits = {split: parallel_text.columns(part, vocabularies) for split, part in pairs.items()}
    longer = np.maximum(splits["train"]["length"], splits["train"]["y_length"])
    return Dataset("multi30k", splits, vocabularies.target, by_length(longer))


def learner(config: Config, dataset: Dataset) -> Learner:
    """The network under cross entropy of each word."""
    source = int(dataset.splits["train"]["x"].max()) + 1
    steps = dataset.steps_per_epoch(config.batch_size)
    made = translation(
        network(config, source, len(dataset.classes)),
        make_optimizer(config.optimizer, steps, config.epochs),
        dataset.classes.index(END),
        smoothing=config.smoothing,
        beams=config.beams,
        longest=LONGEST,
        sampling=config.sampling,
    )
    return cropped(made, LENGTHS, WIDTHS)


def network(config: Config, source: int, target: int) -> RecurrentTranslator:
    """The network, given the numbers of words of both languages."""
    sizes = config.embedding, config.hidden
    return RecurrentTranslator(
        source, target, config.attention, config.cell, *sizes, config.dropout
    )


def languages(config: Any) -> Languages:
    """The known words."""
    return parallel_text.languages(multi30k.sentences()["train"], config.min_count)


def measure(trained: Trained, key: Key) -> dict[str, float | str]:
    """BLEU on the test set, and sacreBLEU's signature."""
    _, references = multi30k.sentences()["test"]
    score, signature = bleu(translated(trained, trained.dataset.splits["test"]), references)
    return {"test/bleu": score, "test/bleu_signature": signature}


def inputs(trained: Trained, items: Sequence[str]) -> Inputs:
    """Sentences, or files with one a line. Raises UserError where no word of one is known."""
    vocabularies, sentences = languages(trained.config), text.sentences(items)
    split = [multi30k.words(sentence) for sentence in sentences]
    known = {word for word in vocabularies.source if any(map(str.isalnum, multi30k.plain([word])))}
    for sentence, words in zip(sentences, split, strict=True):
        if known.isdisjoint(words):
            raise UserError(f"no word of '{sentence}' is known to the network")
    return Inputs(sentences, parallel_text.columns((split, None), vocabularies))


def outputs(trained: Trained, names: Sequence[str], predictions: Any) -> Iterator[dict[str, str]]:
    """The translation of each sentence."""
    for row in predictions:
        words = parallel_text.words(row.tolist(), trained.dataset.classes)
        yield {"translation": multi30k.plain(words)}


def figures(trained: Trained, rows: list[dict[str, Any]]) -> Iterator[tuple[str, "Figure"]]:
    """Translations of the first sentences of the test set, and the weights of their attention."""
    from .drawing import alignments, translations

    config, vocabularies = trained.config, languages(trained.config)
    yield "translations", translations(trained, multi30k.sentences()["test"])
    if config.attention != "none":
        model = network(config, len(vocabularies.source), len(vocabularies.target))
        yield "alignment", alignments(trained, model, vocabularies)

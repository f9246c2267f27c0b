"""word2vec beside gensim: words per second in turns, and how alike their vectors are.

`python -m benchmarks.words --help`. Words are those of the text as it is read, unknown ones among
them. gensim trains on one thread a core; processor time is that of all threads, so what else runs
on the machine counts for little there.
"""

import dataclasses
import importlib.util
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from statistics import median
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from annotated_types import Ge

from benchmarks import command, ours, tables
from benchmarks.tables import Rows
from dlfun import experiment as experiments
from dlfun.algorithms.word2vec import block_gradients, negative_sampling
from dlfun.data import corpus, word_similarity
from dlfun.data.dataset import Dataset
from dlfun.data.order import in_order
from dlfun.data.word_vectors import WordVectors
from dlfun.errors import UserError
from dlfun.train import loop
from dlfun.train.options import Options, configure_jax
from experiments.words.word2vec_skipgram import NEIGHBOURS, PAGE, SHARING
from experiments.words.word2vec_skipgram.scores import similarity, unit

MODELS = ("skipgram", "cbow")
OUTPUTS = ("negative_sampling", "hierarchical_softmax")
FREQUENT = 1_000
"""The most frequent words, whose neighbours are compared."""


@dataclass(frozen=True)
class Benchmark:
    """Time epochs of word2vec on the Brown corpus, in turns with gensim."""

    repeats: Annotated[int, Ge(1)] = 3
    """Epochs of each program, of which the median is reported, after one to warm up."""
    sentences: Annotated[int, Ge(1)] | None = None
    """Sentences of the corpus that are read; all by default."""
    quality: bool = False
    """Train to the end instead, and compare the vectors; it takes many minutes."""
    markdown: bool = False
    """Print Markdown instead of tables."""


class Program(NamedTuple):
    """An epoch of training, and the vectors at its end."""

    epoch: Callable[[], None]
    vectors: Callable[[], WordVectors]


def config(model: str, output: str) -> Any:
    """The experiment's Config; gensim is given the same values."""
    default = experiments.load(f"word2vec_{model}").default
    return dataclasses.replace(default, outputs=(output,))


def in_dlfun(model: str, output: str, dataset: Any, seed: int = 0) -> Program:
    """Epochs as a run trains them, one at each call."""
    chosen = dataclasses.replace(config(model, output), seed=seed)
    (stage,) = experiments.load(f"word2vec_{model}").stages(chosen, dataset)
    work, programs = loop.Work(stage, (seed,)), ours.compiled(stage, Options())
    training = loop.fit(work, loop.start(work, programs), programs)
    last: list[Any] = []

    def epoch() -> None:
        last[:] = [next(progress for progress in training if progress.evaluated)]

    def vectors() -> WordVectors:
        state = last[0].position.state[output]
        return WordVectors(dataset.classes, np.asarray(state.words[0]))

    return Program(epoch, vectors)


def in_gensim(model: str, output: str, text: Sequence[list[str]], seed: int = 0) -> Program:
    """Epochs of gensim's Word2Vec, each from the rate that it would have there."""
    from gensim.models import Word2Vec

    c, negative = config(model, output), output == "negative_sampling"
    made = Word2Vec(
        vector_size=c.size,
        window=c.window,
        min_count=c.min_count,
        sample=c.sample,
        sg=int(model == "skipgram"),
        hs=int(not negative),
        negative=c.negatives if negative else 0,
        workers=len(os.sched_getaffinity(0)),
        seed=seed,
    )
    made.build_vocab(text)
    done = 0

    def rate() -> float:
        return c.learning_rate * max(1 - done / c.epochs, 4e-3)

    def epoch() -> None:
        nonlocal done
        start = rate()
        done += 1
        made.train(text, total_examples=len(text), epochs=1, start_alpha=start, end_alpha=rate())

    return Program(epoch, lambda: WordVectors(tuple(made.wv.index_to_key), made.wv.vectors))


def update(dense: bool, dataset: Any, counts: np.ndarray, groups: int) -> Callable[[], int]:
    """Skip-gram's updates with the first words of the text, by rows or by optax on whole tables."""
    output, window = negative_sampling(counts, 5, **SHARING["skipgram"]), 5
    gradients, optimizer = block_gradients("skipgram", window, output), optax.sgd(0.025)
    x, sentence = (jnp.asarray(dataset.splits["train"][name].ravel()) for name in ("x", "sentence"))
    offsets = np.arange(0, output.group, output.block)[:, None]
    offsets = offsets + np.arange(output.block + 2 * window)
    groups = min(groups, (len(x) - 2 * window) // output.group)

    def step(number: jax.Array, params: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        at, key = number * output.group + offsets, jax.random.fold_in(jax.random.key(0), number)
        if dense:
            gradient = jax.grad(lambda p: gradients(p[0], p[1], key, x[at], sentence[at]).loss)(
                params
            )
            change, _ = optimizer.update(gradient, optimizer.init(params))
            return optax.apply_updates(params, change)
        vectors, outputs = params
        sparse = gradients(vectors, outputs, key, x[at], sentence[at])
        vectors = vectors.at[x[at]].add(-0.025 * sparse.to_words)
        return vectors, outputs.at[sparse.rows].add(-0.025 * sparse.to_outputs)

    run = jax.jit(lambda params: jax.lax.fori_loop(0, groups, step, params))
    draw = np.random.default_rng(0)
    params = tuple(
        jnp.asarray(draw.uniform(-5e-3, 5e-3, (len(counts), 100)), jnp.float32) for _ in range(2)
    )

    def words() -> int:
        jax.block_until_ready(run(params))
        return groups * output.group

    return words


def timed(programs: Mapping[str, Callable[[], int]], repeats: int) -> list[tuple[float, ...]]:
    """Median words a second of each program, in turns: by the clock, and of processor time."""
    rates: list[list[tuple[float, float]]] = [[] for _ in programs]
    for turn in range(repeats + 1):
        for samples, program in zip(rates, programs.values(), strict=True):
            clock, processor = time.perf_counter(), time.process_time()
            words = program()
            spent = time.perf_counter() - clock, time.process_time() - processor
            if turn:
                samples.append((words / spent[0], words / spent[1]))
    return [tuple(map(median, zip(*samples, strict=True))) for samples in rates]


def row(work: str, programs: Mapping[str, Callable[[], int]], repeats: int) -> tuple[str, ...]:
    """The rates of dlfun's program, the first, and of another, and their ratio.

    The last cell is the same ratio of processor time.
    """
    print(work, file=sys.stderr)
    (clock, processor), (other_clock, other_processor) = timed(programs, repeats)
    return (
        work,
        f"{clock:,.0f}",
        f"{other_clock:,.0f}",
        [*programs][1],
        f"{clock / other_clock:.2f}",
        f"{processor / other_processor:.2f}",
    )


def speed(benchmark: Benchmark, text: Sequence[list[str]], dataset: Any) -> Rows:
    """Words per second beside gensim's; and of updates by rows, beside those of whole tables."""
    read, rows = sum(map(len, text)), []

    def counting(program: Program) -> Callable[[], int]:
        def epoch() -> int:
            program.epoch()
            return read

        return epoch

    for model, output in product(MODELS, OUTPUTS):
        programs = {
            "dlfun": counting(in_dlfun(model, output, dataset)),
            "gensim": counting(in_gensim(model, output, text)),
        }
        rows.append(row(f"{model}, {output.replace('_', ' ')}", programs, benchmark.repeats))
    counts = counts_of(dataset)
    by = {
        name: update(dense, dataset, counts, 200)
        for name, dense in (("rows", False), ("optax on tables", True))
    }
    rows.append(row("skipgram's updates alone", by, benchmark.repeats))
    header = ("work", "dlfun, 1/s", "other, 1/s", "other", "dlfun / other", "of processor time")
    return Rows(f"Words per second, epochs of {read:,} words", header, rows)


def counts_of(dataset: Any) -> np.ndarray:
    """Occurrences of each known word."""
    train = dataset.splits["train"]
    return np.bincount(train["x"][train["sentence"] >= 0], minlength=len(dataset.classes))


def overlap(a: WordVectors, b: WordVectors) -> float:
    """The mean Jaccard index of a word's nearest ten in both, over the most frequent words of a."""
    words = a.words[:FREQUENT]
    sets = []
    for made in (a, b):
        number, vectors = {word: k for k, word in enumerate(made.words)}, unit(made.vectors)
        cosines = vectors[[number[word] for word in words]] @ vectors.T
        nearest = np.argsort(-cosines, axis=1)[:, : NEIGHBOURS + 1]
        sets.append(
            [{made.words[k] for k in row} - {w} for row, w in zip(nearest, words, strict=True)]
        )
    return float(np.mean([len(x & y) / len(x | y) for x, y in zip(*sets, strict=True)]))


def quality(text: Sequence[list[str]], dataset: Any) -> Rows:
    """Spearman's ρ of dlfun and gensim, and the overlap of their neighbours, after a training."""
    pairs, rows = word_similarity.load().pairs, []
    for model, output in product(MODELS, OUTPUTS):
        print(model, output, file=sys.stderr)
        made = []
        for program in (
            in_dlfun(model, output, dataset),
            in_gensim(model, output, text, 0),
            in_gensim(model, output, text, 1),
        ):
            for _ in range(config(model, output).epochs):
                program.epoch()
            made.append(program.vectors())
        dlfun, gensim, again = made
        correlations = [
            f"{similarity(dlfun, p)[0]:.3f} / {similarity(gensim, p)[0]:.3f}"
            for p in pairs.values()
        ]
        shared = f"{overlap(dlfun, gensim):.3f}", f"{overlap(gensim, again):.3f}"
        rows.append((f"{model}, {output.replace('_', ' ')}", *correlations, *shared))
    header = ("training", *pairs, "neighbours shared", "by two seeds of gensim")
    return Rows("Spearman's ρ, dlfun / gensim, and neighbours shared (Jaccard)", header, rows)


def main(arguments: Sequence[str]) -> int:
    """Measure, print the table, and return the exit status."""
    try:
        benchmark = command.parse(Benchmark, arguments, "python -m benchmarks.words")
        if importlib.util.find_spec("gensim") is None:
            raise UserError("gensim, to compare with, is not installed: pip install gensim")
        text = list(corpus.sentences("brown")())[: benchmark.sentences]
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    configure_jax(Options())
    words, x, sentence = corpus.pages(lambda: iter(text), 5, PAGE, 5)
    split = {"x": x, "sentence": sentence}
    splits = {"train": split, "test": {n: c[:1] for n, c in split.items()}}
    dataset = Dataset("brown", splits, words, in_order)
    table = quality(text, dataset) if benchmark.quality else speed(benchmark, text, dataset)
    print(tables.markdown(table)) if benchmark.markdown else tables.show(table)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Training and decoding of the translators in dlfun and in PyTorch, by turns.

`python -m benchmarks.translation --help`. It needs `pip install 'dlfun[benchmarks]'`.
"""

import dataclasses
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from statistics import median
from typing import Annotated, Any, Literal, NamedTuple

import jax
import numpy as np
from annotated_types import Ge

from benchmarks import ours, turns
from benchmarks.command import compare
from benchmarks.tables import Rows, spread
from benchmarks.turns import Program, Training
from dlfun import config as configs
from dlfun import experiment as experiments
from dlfun.cli.huge_pages import in_huge_pages
from dlfun.data.dataset import Dataset
from dlfun.data.order import by_length
from dlfun.data.parallel_text import END
from dlfun.experiment import Stage
from dlfun.learner import Learner
from dlfun.train.loop import sample_batch
from dlfun.train.options import Options, settle
from dlfun.train.prediction import predict_columns
from experiments.sequence_to_sequence.translation_rnn import LONGEST

Network = Literal["rnn", "attention_rnn", "transformer"]
NETWORKS: dict[Network, str] = {
    "rnn": "translation_rnn_without_attention",
    "attention_rnn": "translation_rnn",
    "transformer": "translation_transformer",
}
"""Experiments of the networks."""
QUICK_STEPS, QUICK_BATCH, QUICK_SENTENCES = 2, 8, 8
FEW = 8
"""Words of the vocabulary beside which the whole one is measured."""


@dataclass(frozen=True)
class Benchmark:
    """Time an epoch of translators, and their greedy and beam search, on this machine's CPU."""

    networks: tuple[Network, ...] = ("rnn", "attention_rnn", "transformer")
    """Networks to time."""
    parts: tuple[Literal["training", "few_words", "decoding"], ...] = (
        "training",
        "few_words",
        "decoding",
    )
    """Parts to time: training with the whole vocabulary, training with few words, decoding."""
    repeats: Annotated[int, Ge(1)] = 3
    """Repeats of each program, after one to warm up."""
    steps: Annotated[int, Ge(1)] | None = None
    """Batches of an epoch that are trained, whose time is scaled to the whole; default all."""
    sentences: Annotated[int, Ge(1)] = 500
    """Sentences of the test set that are translated."""
    quick: bool = False
    """Small networks, two batches and few sentences, once: only whether it runs."""
    json: Path | None = None
    """File for all measurements."""
    markdown: bool = False
    """Print Markdown instead of a table."""


class Task(NamedTuple):
    """A translator's training."""

    name: Network
    experiment: str
    config: Any
    stage: Stage
    options: Options
    source: int
    """Words of the source language."""
    end: int


def tasks(benchmark: Benchmark, few: bool = False) -> Iterator[Task]:
    """The experiments with their default Configs; with `few` words of the target language."""
    for network in benchmark.networks:
        name = NETWORKS[network]
        experiment = experiments.load(name)
        changed = {}
        if benchmark.quick and experiment.quick:
            changed = {**experiment.quick.values, "batch_size": QUICK_BATCH}
        config = configs.replace(experiment.default, changed)
        dataset = experiment.data(config)
        end = dataset.classes.index(END)
        if few:
            dataset, end = with_few_words(dataset), 0
        (stage,) = stages = experiment.stages(config, dataset)
        source = int(dataset.splits["train"]["x"].max()) + 1
        yield Task(network, name, config, stage, settle(Options(), stages), source, end)


def with_few_words(dataset: Dataset) -> Dataset:
    """The dataset with the words of the target language that are equal modulo `FEW` made one."""
    splits = {name: {**split, "y": split["y"] % FEW} for name, split in dataset.splits.items()}
    return dataset._replace(splits=splits, classes=(END, *dataset.classes[: FEW - 1]))


def cut(dataset: Dataset, examples: int) -> Dataset:
    """The dataset's first training examples alone, still in batches of similar length."""
    train = {name: column[:examples] for name, column in dataset.splits["train"].items()}
    longer = np.maximum(train["length"], train["y_length"])
    return dataset._replace(splits={"train": train}, order=by_length(longer))


def without_end(params: Any, end: int) -> Any:
    """Random parameters with which translations do not end, so that all have as many words."""
    params = dict(params)
    if "logits" in params:
        bias = params["logits"]["bias"].at[end].set(-100.0)
        params["logits"] = {**params["logits"], "bias": bias}
    else:  # The word's logit is 0, and the largest of thousands of random ones is above.
        table = params["target_embedding"]["embedding"]
        params["target_embedding"] = {"embedding": table.at[end].set(0.0)}
    return params


def trainings(benchmark: Benchmark, few: bool = False) -> Iterator[Training]:
    """Epochs in both frameworks."""
    from benchmarks import translation_pytorch

    for task in tasks(benchmark, few):
        config, stage = task.config, task.stage
        whole = stage.dataset.steps_per_epoch(stage.batch_size)
        count = min(QUICK_STEPS if benchmark.quick else benchmark.steps or whole, whole)
        dataset = cut(stage.dataset, count * stage.batch_size)
        stage = stage._replace(dataset=dataset, epochs=ours.FOREVER)
        programs = {
            "dlfun": ours.of_stage(stage, task.options),
            "PyTorch": translation_pytorch.program(
                config, dataset, task.end, task.source, whole * config.epochs
            ),
        }
        name = f"{task.name}, {FEW} words" if few else task.name
        yield Training(name, programs, whole / count)


def decodings(benchmark: Benchmark, words: dict[str, int]) -> Iterator[Training]:
    """Greedy and beam search with equal random weights; `words` gets how many dlfun writes."""
    from benchmarks import translation_pytorch

    for task in tasks(benchmark):
        experiment, dataset = experiments.load(task.experiment), task.stage.dataset
        count = QUICK_SENTENCES if benchmark.quick else benchmark.sentences
        split = {name: dataset.splits["test"][name][:count] for name in ("x", "length")}
        state = jax.jit(task.stage.learner.init)(jax.random.key(0), sample_batch(dataset))
        state = state._replace(params=without_end(state.params, task.end))
        model = translation_pytorch.network(task.config, task.source, len(dataset.classes))
        translation_pytorch.copy(state.params, model)
        for beams in sorted({1, task.config.beams}):
            config = dataclasses.replace(task.config, beams=beams)
            learner = experiment.stages(config, dataset)[0].learner
            name = f"{task.name}, {beams} beam{'s' * (beams > 1)}"

            def translate(name: str, learner: Learner, state: Any, split: Any, end: int) -> None:
                tokens = predict_columns(learner, state, split)
                words[name] = int(np.minimum((tokens != end).sum(1) + 1, tokens.shape[1]).sum())

            in_dlfun = partial(translate, name, learner, state, split, task.end)
            programs = {
                "dlfun": Program(in_dlfun, "1 CPU device"),
                "PyTorch": translation_pytorch.decoder(model, split, beams, LONGEST, task.end),
            }
            yield Training(name, programs)


def measure(benchmark: Benchmark) -> dict[str, Any]:
    """Report of all measured times, and of the words written in decoding, as JSON values."""
    words: dict[str, int] = {}
    made = {
        "training": lambda: trainings(benchmark),
        "few_words": lambda: trainings(benchmark, few=True),
        "decoding": lambda: decodings(benchmark, words),
    }
    repeats = 1 if benchmark.quick else benchmark.repeats
    report = turns.measure(
        lambda: chain.from_iterable(made[part]() for part in benchmark.parts), repeats
    )
    return {**report, "words": words}


def tables(benchmark: Benchmark, report: Mapping[str, Any]) -> Iterable[Rows]:
    """Seconds of an epoch, and words a second of decoding."""
    del benchmark
    seconds, words = report["seconds"], report["words"]
    trained = {name: times for name, times in seconds.items() if name not in words}
    if trained:
        yield from turns.table({**report, "seconds": trained})
    rates = {
        name: {key: [count / s for s in seconds[name][key]] for key in seconds[name]}
        for name, count in words.items()
    }
    rows = []
    for name, by_program in rates.items():
        ratio = median(by_program["dlfun"]) / median(by_program["PyTorch"])
        rows.append((name, *map(spread, by_program.values()), f"{ratio:.2f}"))
    if rows:
        title = f"Decoding: median words a second (least to most) of {report['repeats']}"
        yield Rows(title, ("search", "dlfun", "PyTorch", "dlfun / PyTorch"), rows)


def remark(report: Mapping[str, Any]) -> str:
    """The vocabulary's share of an epoch's time, and the devices or threads of each program."""
    seconds = report["seconds"]
    shares = []
    for name in NETWORKS:
        few = seconds.get(f"{name}, {FEW} words")
        if few and name in seconds:
            parts = (
                f"{1 - median(few[key]) / median(seconds[name][key]):.0%} of {key}'s" for key in few
            )
            shares.append(f"{name}: {', '.join(parts)}.")
    share = f"The vocabulary's share of an epoch. {' '.join(shares)} " if shares else ""
    return share + turns.remark(report)


def main(arguments: Sequence[str]) -> int:
    """Measure, print the tables, and return the exit status."""
    return compare(
        Benchmark, arguments, "python -m benchmarks.translation", measure, tables, remark
    )


if __name__ == "__main__":
    in_huge_pages(["train"])
    sys.exit(main(sys.argv[1:]))

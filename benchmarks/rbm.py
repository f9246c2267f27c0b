"""An epoch of persistent contrastive divergence in dlfun, PyTorch and scikit-learn.

`python -m benchmarks.rbm --help`. It needs `pip install 'dlfun[benchmarks]' scikit-learn`.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge
from jaxtyping import Float

from benchmarks import ours, turns
from benchmarks.command import compare
from benchmarks.turns import Program, Training
from dlfun import config as configs
from dlfun import experiment as experiments

HIDDEN, RATE = 500, 0.1
CASES = ((1, 20), (15, 20), (1, 100))
"""Gibbs steps and batch size."""


@dataclass(frozen=True)
class Benchmark:
    """Measure an epoch of a machine of 784 and 500 units on MNIST, the programs by turns."""

    steps: Annotated[int, Ge(1)] | None = None
    """Batches of an epoch that are trained, whose time is scaled to the whole; default all."""
    repeats: Annotated[int, Ge(1)] = 3
    """Epochs of each."""
    json: Path | None = None
    """File for all measurements."""
    markdown: bool = False
    """Print Markdown instead of a table."""


def in_dlfun(gibbs_steps: int, batch_size: int, steps: int) -> Program:
    """Epochs of `mnist_rbm`, as a run trains them."""
    changed = {"gibbs_steps": gibbs_steps, "batch_size": batch_size, "chains": batch_size}
    config = configs.replace(experiments.load("mnist_rbm").default, changed)
    return ours.program("mnist_rbm", config, steps)


def in_pytorch(
    x: Float[np.ndarray, "examples pixels"], gibbs_steps: int, batch_size: int
) -> Program:
    """The same update on tensors in memory, without gradients' bookkeeping, in place.

    It runs on one thread or on one a core, whichever is faster in a trial of 30 batches.
    """
    import torch

    from benchmarks.pytorch import TRIAL, on_fastest_threads

    torch.set_flush_denormal(True)
    data = torch.from_numpy(x)
    weights = 0.01 * torch.randn(x.shape[1], HIDDEN)
    a, b, chains = torch.zeros(x.shape[1]), torch.zeros(HIDDEN), torch.zeros(batch_size, x.shape[1])

    def on(p: Any) -> Any:
        return (torch.rand_like(p) < p).float()

    @torch.inference_mode()
    def train(threads: int, batches: int | None) -> None:
        nonlocal chains
        torch.set_num_threads(threads)
        for rows in torch.randperm(len(data)).split(batch_size)[:batches]:
            v = data[rows]
            positive = torch.sigmoid(torch.addmm(b, v, weights))
            for _ in range(gibbs_steps):
                h = on(torch.sigmoid(torch.addmm(b, chains, weights)))
                chains = on(torch.sigmoid(torch.addmm(a, h, weights.t())))
            negative = torch.sigmoid(torch.addmm(b, chains, weights))
            rate = RATE / batch_size
            weights.addmm_(v.t(), positive, alpha=rate)
            weights.addmm_(chains.t(), negative, alpha=-rate)
            a.add_((v - chains).sum(0), alpha=rate)
            b.add_((positive - negative).sum(0), alpha=rate)

    return on_fastest_threads(lambda threads: partial(train, threads), TRIAL)


def in_scikit_learn(
    x: Float[np.ndarray, "examples pixels"], batch_size: int, seed: int = 0
) -> Program:
    """`BernoulliRBM.fit` of one pass, which is PCD-1, in float32."""
    from sklearn.neural_network import BernoulliRBM

    machine = BernoulliRBM(
        HIDDEN, learning_rate=RATE, batch_size=batch_size, n_iter=1, random_state=seed
    )
    return Program(lambda: machine.fit(x), "float32")


def trainings(steps: int | None) -> Iterator[Training]:
    """The programs in each case."""
    images = experiments.load("mnist_rbm")
    split = images.data(images.default).splits["train"]["image"]
    pixels = split.reshape(len(split), -1) / np.float32(255)
    for gibbs_steps, batch_size in CASES:
        whole = len(pixels) // batch_size
        count = min(steps or whole, whole)
        x = pixels[: count * batch_size]
        programs = {
            "dlfun": in_dlfun(gibbs_steps, batch_size, count),
            "PyTorch": in_pytorch(x, gibbs_steps, batch_size),
        }
        if gibbs_steps == 1:
            programs["scikit-learn"] = in_scikit_learn(x, batch_size)
        yield Training(f"PCD-{gibbs_steps}, batches of {batch_size}", programs, whole / count)


def main(arguments: Sequence[str]) -> int:
    """Measure, print the table, and return the exit status."""
    return compare(
        Benchmark,
        arguments,
        "python -m benchmarks.rbm",
        lambda benchmark: turns.measure(lambda: trainings(benchmark.steps), benchmark.repeats),
        lambda _, report: turns.table(report),
        turns.remark,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

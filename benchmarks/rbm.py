"""An epoch of persistent contrastive divergence in dlfun, PyTorch and scikit-learn.

`python -m benchmarks.rbm --help`. It needs `pip install 'dlfun[benchmarks]' scikit-learn`.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge
from jaxtyping import Float

from benchmarks import command, ours
from dlfun import config as configs
from dlfun import experiment as experiments
from dlfun.errors import UserError
from dlfun.train.options import Options, configure_jax

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


def in_dlfun(gibbs_steps: int, batch_size: int, steps: int) -> Callable[[], Any]:
    """Epochs of `mnist_rbm`, as a run trains them."""
    experiment = experiments.load("mnist_rbm")
    changed = {"gibbs_steps": gibbs_steps, "batch_size": batch_size, "chains": batch_size}
    config = configs.replace(experiment.default, changed)
    stage, options = ours.of_experiment("mnist_rbm", config, Options())
    stage = ours.only_training(stage, steps)
    training = ours.epochs(stage, ours.compiled(stage, options))
    return lambda: next(training)


def in_pytorch(
    x: Float[np.ndarray, "examples pixels"], gibbs_steps: int, batch_size: int
) -> Callable[[], Any]:
    """The same update on tensors in memory, without gradients' bookkeeping, in place.

    It runs on one thread or on one a core, whichever is faster in a trial of 30 batches.
    """
    import torch

    torch.set_flush_denormal(True)
    data = torch.from_numpy(x)
    weights = 0.01 * torch.randn(x.shape[1], HIDDEN)
    a, b, chains = torch.zeros(x.shape[1]), torch.zeros(HIDDEN), torch.zeros(batch_size, x.shape[1])

    def on(p: Any) -> Any:
        return (torch.rand_like(p) < p).float()

    @torch.inference_mode()
    def train(batches: int) -> None:
        nonlocal chains
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

    def trial(threads: int) -> float:
        torch.set_num_threads(threads)
        train(3)
        start = time.perf_counter()
        train(30)
        return time.perf_counter() - start

    torch.set_num_threads(min({1, len(os.sched_getaffinity(0))}, key=trial))
    return lambda: train(len(data))


def in_scikit_learn(
    x: Float[np.ndarray, "examples pixels"], batch_size: int, seed: int = 0
) -> Callable[[], Any]:
    """`BernoulliRBM.fit` of one pass, which is PCD-1, in float32."""
    from sklearn.neural_network import BernoulliRBM

    machine = BernoulliRBM(
        HIDDEN, learning_rate=RATE, batch_size=batch_size, n_iter=1, random_state=seed
    )
    return lambda: machine.fit(x)


def measure(steps: int | None, repeats: int) -> dict[str, dict[str, list[float]]]:
    """Seconds of an epoch of each program in each case."""
    configure_jax(Options())
    images = experiments.load("mnist_rbm")
    split = images.data(images.default).splits["train"]["image"]
    pixels = split.reshape(len(split), -1) / np.float32(255)
    measured: dict[str, dict[str, list[float]]] = {}
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
        seconds: dict[str, list[float]] = {name: [] for name in programs}
        for epoch in programs.values():  # Once to warm up.
            epoch()
        for _ in range(repeats):
            for name, epoch in programs.items():
                start = time.perf_counter()
                epoch()
                seconds[name].append((time.perf_counter() - start) * whole / count)
        measured[f"PCD-{gibbs_steps}, batches of {batch_size}"] = seconds
    return measured


def table(measured: dict[str, dict[str, list[float]]]) -> str:
    """Markdown: median seconds of an epoch, least and most, and how many times dlfun's."""
    lines = ["| training | dlfun | PyTorch | / dlfun | scikit-learn | / dlfun |", "|---" * 6 + "|"]
    for name, seconds in measured.items():
        median = statistics.median(seconds["dlfun"])
        cells = [_cell(seconds["dlfun"])]
        for other in ("PyTorch", "scikit-learn"):
            there = seconds.get(other)
            ratio = f"{statistics.median(there) / median:.2f}" if there else ""
            cells += [_cell(there) if there else "", ratio]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.3g} ({min(seconds):.3g} to {max(seconds):.3g})"


def main(arguments: list[str]) -> int:
    """Measure and print; the exit status."""
    try:
        benchmark = command.parse(Benchmark, arguments, "benchmarks.rbm")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"Load average before: {os.getloadavg()[0]:.1f}", file=sys.stderr)
    print(table(measure(benchmark.steps, benchmark.repeats)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The same networks in PyTorch, and the worker that trains them in one of two settings.

- tuned: the training set as one float tensor in memory, batches by index, fused Adam, and the
  fastest in a trial of one thread or one per core, of `torch.compile` or none where there is a C++
  compiler, and, for the CNN, of two memory formats;
- loader: as in a book's script, a Dataset that scales each image on access, a shuffling DataLoader,
  Adam, and the loss read after each batch.
"""

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from itertools import islice, pairwise, product, starmap
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, Dataset

from benchmarks.turns import Program
from benchmarks.work import CLASSES, SIDE
from benchmarks.worker import best_rate, serve
from dlfun import data

BATCH, LEARNING_RATE = 64, 1e-3
WARM_UP, TRIAL = 100, 30
THREADS = torch.get_num_threads()
"""PyTorch's default number of threads: one for each core, or OMP_NUM_THREADS."""
SCALE = {"mnist_cnn": (0.1307, 0.3081)}
"""Mean and deviation by which pixels in [0, 1] are normalized; by default (0, 1)."""
FORMATS: dict[str, dict[str, Any]] = {
    "contiguous": {"memory_format": torch.contiguous_format},
    "channels_last": {"memory_format": torch.channels_last},
}
Update = Callable[[Tensor], Tensor]
"""An update on the examples of these indices; returns the loss before it."""
W = TypeVar("W")
CELLS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


class RowReader(nn.Module):
    """Stacked recurrent layers over the rows of an image, then a dense layer on the last output."""

    def __init__(self, cell: str, hidden: int, layers: int) -> None:
        super().__init__()
        self.recurrent = CELLS[cell](SIDE, hidden, layers, batch_first=True)
        self.dense = nn.Linear(hidden, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of images [batch, 1, 28, 28]."""
        outputs, _ = self.recurrent(images.squeeze(1))
        return self.dense(outputs[:, -1])


def network(name: str, config: Mapping[str, Any]) -> nn.Module:
    """Network of the experiment `name` with the values of its Config."""
    if name == "mnist_mlp":
        return nn.Sequential(nn.Flatten(), *_dense(SIDE**2, config["hidden"]))
    if name == "mnist_cnn":
        blocks: list[nn.Module] = []
        for before, after in pairwise((1, *config["channels"])):
            blocks += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        side = SIDE >> len(config["channels"])
        flat = side**2 * config["channels"][-1]
        return nn.Sequential(*blocks, nn.Flatten(), *_dense(flat, config["hidden"]))
    return RowReader(config["cell"], config["hidden"], config["layers"])


def _dense(inputs: int, hidden: Iterable[int]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for before, after in pairwise((inputs, *hidden, CLASSES)):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return layers[:-1]


class Digits(Dataset):
    """Dataset that scales an image on access, as torchvision's ToTensor and Normalize do."""

    def __init__(self, split: Mapping[str, np.ndarray], scale: tuple[float, float]) -> None:
        self.images = torch.tensor(split["image"]).permute(0, 3, 1, 2).contiguous()
        self.labels = torch.tensor(split["label"], dtype=torch.int64)
        self.scale = scale

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image = self.images[index].to(torch.float32).div(255)
        if self.scale != (0, 1):
            image = image.sub(self.scale[0]).div(self.scale[1])
        return image, self.labels[index]


def train_from_loader(
    model: nn.Module, optimizer: torch.optim.Optimizer, loader: Iterable[tuple[Tensor, Tensor]]
) -> float:
    """Train an epoch as a book writes it; return the mean loss."""
    total, batches = 0.0, 0
    for images, labels in loader:
        optimizer.zero_grad()
        loss = cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        total, batches = total + loss.item(), batches + 1
    return total / batches


class Way(NamedTuple):
    """Number of threads, memory format and use of `torch.compile` of the tuned setting."""

    threads: int
    format: str
    compiled: bool = False

    def __str__(self) -> str:
        return f"{number_of_threads(self.threads)}, {self.format}{', compiled' * self.compiled}"


def number_of_threads(count: int) -> str:
    """The number in words, such as "2 threads"."""
    return f"{count} thread{'s' * (count > 1)}"


def ways(formats: Iterable[str], compiled: bool) -> list[Way]:
    """All ways, those with `torch.compile` only if `compiled` and where it finds a C++ compiler."""
    default = {"darwin": "clang++", "win32": "cl"}.get(sys.platform, "g++")
    found = compiled and shutil.which(os.environ.get("CXX", default))
    return list(
        starmap(Way, product(sorted({1, THREADS}), formats, (False, True)[: 1 + bool(found)]))
    )


def descent(loss: Update, optimizer: torch.optim.Optimizer, compiled: bool = False) -> Update:
    """Make an update that follows the gradient of `loss`, a function of indices."""
    loss = torch.compile(loss) if compiled else loss

    def update(rows: Tensor) -> Tensor:
        optimizer.zero_grad(set_to_none=True)
        value = loss(rows)
        value.backward()
        optimizer.step()
        return value.detach()

    return update


def in_batches(
    update: Update, examples: int, size: int, threads: int
) -> Callable[[int | None], float]:
    """Make a function that trains an epoch, or some batches, and returns the mean loss.

    Some are the first ones and the last, which may be smaller: another program of `torch.compile`.
    """

    def train(steps: int | None) -> float:
        torch.set_num_threads(threads)
        total = torch.zeros(())
        batches = torch.randperm(examples).split(size)
        batches = batches if steps is None else (*batches[: steps - 1], batches[-1])
        for batch in batches:
            total += update(batch)
        return total.item() / len(batches)

    return train


def tuned_training(
    model: nn.Module, images: Tensor, labels: Tensor, way: Way, size: int = BATCH
) -> Callable[[int | None], float]:
    """Make a function that trains an epoch, or some batches, and returns the mean loss."""
    layout = FORMATS[way.format]
    model, images = model.to(**layout), images.contiguous(**layout)
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, fused=True)

    def loss(rows: Tensor) -> Tensor:
        return cross_entropy(model(images[rows]), labels[rows])

    update = descent(loss, optimizer, way.compiled)
    return in_batches(update, len(labels), size, way.threads)


def fastest(ways: Mapping[W, Callable[[int | None], Any]], steps: int) -> W:
    """The fastest way, by the better of two trials."""
    times: dict[W, list[float]] = {way: [] for way in ways}
    for _, (way, train) in product(range(3), ways.items()):
        began = time.perf_counter()
        train(steps)
        times[way].append(time.perf_counter() - began)
    return min(ways, key=lambda way: min(times[way][1:]))  # The first trial warms up.


def fastest_program(ways: Mapping[W, Callable[[int | None], Any]], steps: int) -> Program:
    """The whole of the training, or other work, that is the fastest in trials of some steps."""
    way = fastest(ways, steps)
    return Program(partial(ways[way], None), str(way))


def on_fastest_threads(on: Callable[[int], Callable[[int | None], Any]], trial: int) -> Program:
    """The whole of what `on(threads)` makes, on one thread or one a core, as trials decide."""
    counts = sorted({1, THREADS})
    return fastest_program({number_of_threads(count): on(count) for count in counts}, trial)


def prepare(settings: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Callable[[], Any]]]:
    """Build and warm up `settings["network"]` in `settings["setting"]`."""
    name, steps = settings["network"], settings["steps"]
    split = data.load("mnist").splits["train"]
    cut = None if steps is None else steps * BATCH
    digits = Digits({key: array[:cut] for key, array in split.items()}, SCALE.get(name, (0, 1)))
    warm_up, trial = min(steps or WARM_UP, WARM_UP), min(steps or TRIAL, TRIAL)
    if settings["setting"] == "loader":
        model = network(name, settings["config"])
        optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
        loader = DataLoader(digits, batch_size=BATCH, shuffle=True)
        train_from_loader(model, optimizer, islice(loader, warm_up))
        about = {"setting": number_of_threads(torch.get_num_threads())}
        return about, {"epoch": lambda: train_from_loader(model, optimizer, loader)}

    torch.set_flush_denormal(True)  # As XLA does; before the first thread starts.
    images = torch.stack([digits[index][0] for index in range(len(digits))])
    formats = ("contiguous", "channels_last") if name == "mnist_cnn" else ("contiguous",)
    trainings = {
        way: tuned_training(network(name, settings["config"]), images, digits.labels, way)
        for way in ways(formats, compiled=steps is None)
    }
    way = fastest(trainings, trial)
    train = trainings[way]
    train(warm_up)
    about = {"setting": str(way)}
    return about, {"epoch": lambda: train(None), "product": product_rate}


def product_rate(size: int = 2048) -> float:
    """Best operations per second of a matrix product of this size."""
    torch.set_num_threads(THREADS)
    matrix = torch.ones(size, size)
    return best_rate(lambda: matrix @ matrix, size)


if __name__ == "__main__":
    serve(prepare)

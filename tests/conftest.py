"""Every test runs with strict promotion, two virtual CPU devices, checked shapes and no network."""

import contextlib
import datetime
import gc
import os
import socket
import tempfile
from importlib.metadata import version
from pathlib import Path

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["JAX_NUMPY_DTYPE_PROMOTION"] = "strict"
os.environ["JAX_NUM_CPU_DEVICES"] = "2"
# Most of a test's time goes into compiling what is run once or twice: compile fast, and once for
# all processes. `configure_jax` sets the same folder.
os.environ["XLA_FLAGS"] = "--xla_backend_optimization_level=0"
if version("jax").startswith("0.10."):  # Later releases do not know the flag.
    os.environ["XLA_FLAGS"] += " --xla_cpu_use_fusion_emitters=false"

# Tracing makes many objects that live on: looking for garbage less often takes 7 % off the tests.
gc.set_threshold(100_000)

from jaxtyping import install_import_hook

import tests.typecheck  # noqa: F401  # The hook names it.

# Not dlfun.optimizers: the float fields of its dataclasses may be traced arrays.
PARTS = ("algorithms", "data", "environments", "metrics", "nn", "random", "train", "transforms")
# The code of an experiment beside its Config, data and learner.
ROOT = Path(__file__).parent.parent
FILES = [path.relative_to(ROOT).with_suffix("") for path in ROOT.glob("experiments/*/*/[!_]*.py")]
MODULES = [f"dlfun.{part}" for part in PARTS] + [".".join(path.parts) for path in FILES]
install_import_hook(MODULES, "tests.typecheck.checked")

import numpy as np
import pytest
from jax import lax

from dlfun import data
from dlfun.data import (
    Dataset,
    brown,
    csv_table,
    english_treebank,
    movie_reviews,
    multi30k,
    spoken_digit,
    subjectivity,
    tiny_shakespeare,
    trec,
    word_similarity,
)
from dlfun.train import program_cache

program_cache.use()

REAL_READ = data.read


@pytest.fixture(autouse=True)
def _datasets_are_read_anew():
    """Forget the datasets that earlier tests have read: their files may have changed."""
    if hasattr(data.read, "cache_clear"):
        data.read.cache_clear()


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    """Fail on any connection that leaves this machine."""
    connect = socket.socket.connect

    def guarded(self, address):
        if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise OSError(f"a test reached for the network: {address}")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture
def xla_convolutions(monkeypatch):
    """Convolve by XLA's own operation, as on a GPU: it compiles in a third of the time."""
    monkeypatch.setattr(lax, "platform_dependent", lambda *args, cpu, default: default(*args))


@pytest.fixture(scope="session")
def digits() -> Dataset:
    """MNIST's first 300 training and 120 test images: 300 does not divide by 64."""
    mnist = data.load("mnist")
    sizes = {"train": 300, "test": 120}
    splits = {
        name: {key: np.ascontiguousarray(array[:size]) for key, array in mnist.splits[name].items()}
        for name, size in sizes.items()
    }
    return mnist._replace(splits=splits)


REVIEWS = {
    "negative": ["a dull film .", "bad", "it is long and dull", "no plot , no wit"] * 5,
    "positive": ["a fine film .", "good", "it is short and fine", "wit , and a plot"] * 5,
}
_SENTENCES = ["The dog barks .", "Dogs", "A cat sees the dog ."], ["D N V .", "N", "D N V D N ."]
_TAGGED = tuple([line.split() for line in lines] * 6 for lines in _SENTENCES)
TREEBANK = {"train": _TAGGED, "validation": _TAGGED, "test": _TAGGED}
_GERMAN = ["ein hund bellt .", "hunde", "eine katze sieht den hund ."]
_ENGLISH = ["a dog barks .", "dogs", "a cat sees the dog ."]
_PAIRS = tuple([line.split() for line in lines] * 6 for lines in (_GERMAN, _ENGLISH))
CAPTIONS = {"train": _PAIRS, "validation": _PAIRS, "test": _PAIRS}
QUESTIONS = {
    name: {"number": ["How many dogs ?", "How far ?"] * 4, "human": ["Who barks ?", "Who ?"] * 4}
    for name in ("train", "test")
}
PROSE = ["The dog sees the cat , and the cat sees the dog .", "A dog barks at a cat ."] * 40
WORD_TESTS = word_similarity.WordTests(
    {name: [("dog", "cat", 9.0), ("dog", "barks", 5.0)] for name in word_similarity.FILES},
    {"animals": [("dog", "barks", "cat", "sees")]},
)


@contextlib.contextmanager
def _reading(dataset):
    """Have every experiment load a dataset or a short text, and image folders as they are."""

    def read(name, data_dir, folders):
        return REAL_READ(name, data_dir, folders) if name.startswith("folder:") else dataset

    text = "First Citizen:\nBefore we proceed any further, hear me speak.\n" * 500
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "read", read)
        patch.setattr(tiny_shakespeare, "text", lambda data_dir=None: text)
        patch.setattr(movie_reviews, "sentences", lambda data_dir=None: REVIEWS)
        patch.setattr(subjectivity, "sentences", lambda data_dir=None: REVIEWS)
        patch.setattr(trec, "questions", lambda data_dir=None: QUESTIONS)
        patch.setattr(brown, "sentences", lambda data_dir=None: PROSE)
        patch.setattr(word_similarity, "load", lambda data_dir=None: WORD_TESTS)
        patch.setattr(english_treebank, "sentences", lambda data_dir=None: TREEBANK)
        patch.setattr(multi30k, "sentences", lambda data_dir=None: CAPTIONS)
        patch.setattr(csv_table, "find", lambda folder, *_: _small_csv(folder))
        patch.setattr(spoken_digit, "load", lambda name=spoken_digit.NAME: _small_recordings())
        yield dataset


def _small_csv(name: str) -> Path:
    """Some years of a small series in the form of the file of a source."""
    days = [datetime.date(2000, 1, 3) + datetime.timedelta(n) for n in range(0, 8000, 8)]
    header, line = {
        "daily_min_temperatures": ('"Date","Temp"', '"{day}",{value}'),
        "sp500": ("date,close", "{day},{value}"),
        "chicago_ridership": (
            "service_date,day_type,bus,rail_boardings",
            "{day:%m/%d/%Y},{kind},{value},{value}",
        ),
    }[name]
    if name == "daily_min_temperatures":
        days = [day.replace(year=day.year - 14) for day in days if day.day != 29]
    if name == "chicago_ridership":
        days = [datetime.date(2018, 6, 1) + datetime.timedelta(n) for n in range(600)]
    rows = [
        line.format(day=day, kind="WWWWWAU"[day.weekday()], value=20 + n % 7)
        for n, day in enumerate(days)
    ]
    path = Path(tempfile.mkdtemp()) / "small.csv"
    path.write_text("\n".join([header, *rows]))
    return path


def _small_recordings() -> spoken_digit.Recordings:
    """Two speakers say each digit twice: tones of unequal lengths."""
    items = []
    for n in range(40):
        time = np.arange(1200 + 40 * n) / spoken_digit.RATE
        samples = np.sin(2 * np.pi * (300 + 100 * (n % 10)) * time).astype(np.float32)
        items.append(spoken_digit.Recording(samples, n % 10, n // 10 % 2, n >= 20))
    return spoken_digit.Recordings("tones", tuple(items), tuple("0123456789"), ("a", "b"))


@pytest.fixture
def small_mnist(digits):
    """Have every experiment load the small MNIST or a short text, and folders as they are."""
    with _reading(digits) as dataset:
        yield dataset


@pytest.fixture(scope="module")
def small_mnist_in_module(digits):
    """The same for a module, and for its fixtures that train once for many tests."""
    with _reading(digits) as dataset:
        yield dataset

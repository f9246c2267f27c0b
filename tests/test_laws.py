"""The laws of a learner (`dlfun.learner.Learner`), for every stage of every experiment."""

import functools
from typing import Any, NamedTuple
from xml.etree import ElementTree

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dlfun import config as configs
from dlfun import experiment as experiments
from dlfun.cli.book.site import formulas
from dlfun.data.order import in_order
from dlfun.experiment import Trained
from dlfun.learner import AXIS, sum_over_devices
from dlfun.metrics import values
from dlfun.train.compile import REPLICATED
from dlfun.train.logging import scalars
from dlfun.train.loop import sample_batch

NAMES = list(experiments.paths())
KEY = jax.random.key(1)
ROWS = 8
ONE_OF_A_KIND = (
    "autoencoder_tied",
    "backpropagation",
    "capacity",
    "deep_stacking",
    "gaussians_gan",
    "gradient_descent_sampling",
    "hebbian",
    "hopfield_recall",
    "lasso",
    "lenet5",
    "mcp_gates",
    "mnist_cnn_annealed",
    "mnist_dbm",
    "mnist_dbn",
    "mnist_lstm",
    "mnist_made",
    "mnist_mlp",
    "mnist_rbm",
    "mnist_vae",
    "perceptron_gates",
    "perceptron_margin",
    "ridership",
    "ridge",
    "sequential_mnist",
    "shakespeare_lstm",
    "som_colours",
    "symmetry",
    "t1_convnet",
    "tagging",
    "xor_mlp",
)
"""An experiment of each kind of learner and of data; the slow tests hold the others to the laws."""
CPU_CONVOLUTIONS = ("lenet5", "mnist_cnn")
"""These convolve as CPUs do, the others by XLA's operation: tests/nn tests every lowering."""
BY_DEVICE = jax.sharding.PartitionSpec(AXIS)


class Case(NamedTuple):
    """A stage of an experiment, with the compiled functions that the laws are about."""

    stages: Any
    """From values to the stages."""
    stage: Any
    number: int
    values: dict[str, Any]
    init: Any
    update: Any
    evaluate: Any
    train: dict[str, Any]
    """Columns of some training examples."""
    test: dict[str, Any]


def quick(name):
    """The experiment, and its Config in the quick setting where there is one.

    Under gradient descent: Adam's first step is ±η for any gradient, so it turns the rounding of
    a gradient of 0, such as that of a bias before batch normalization, into a step.
    """
    experiment = experiments.load(name)
    smaller = dict(experiment.quick.values) if experiment.quick else {}
    rules = [path for path in configs.flatten(experiment.default) if path.endswith(".name")]
    smaller |= dict.fromkeys(rules, "sgd")
    return experiment, configs.replace(experiment.default, smaller)


@functools.lru_cache(maxsize=1)  # The laws of one experiment come one after another.
def cases(name, _digits):
    """The stages of an experiment, each with the state that the stages before it lead to."""
    experiment, config = quick(name)
    data = experiment.data(config)
    values = {path: np.float32(v) for path, v in configs.values(config).items()}

    def stages(values):
        return experiment.stages(configs.replace(config, values), data)

    def function(which, number):
        return jax.jit(lambda values, *rest: getattr(stages(values)[number].learner, which)(*rest))

    made = []
    for number, stage in enumerate(stages({})):
        rows = stage.batch_size if stage.dataset.order is in_order else ROWS
        train = columns(stage.dataset.splits["train"], rows)
        test = columns(stage.dataset.splits["test"], ROWS)
        made.append(
            Case(
                stages,
                stage,
                number,
                values,
                function("init", number),
                function("update", number),
                function("evaluate", number),
                train,
                test,
            )
        )
    return made


def columns(split, rows):
    size = len(next(iter(split.values())))
    indices = np.arange(rows) % size
    return {name: np.asarray(column[indices]) for name, column in split.items()}


def batch(data, weight=None):
    rows = len(next(iter(data.values())))
    weight = np.ones(rows, np.float32) if weight is None else np.asarray(weight, np.float32)
    return data | {"weight": weight}


def start(made, number):
    """The state at the start of a stage, after one update in each stage before it."""
    state = None
    for case in made[: number + 1]:
        fresh = case.init(case.values, KEY, sample_batch(case.stage.dataset))
        state = fresh if state is None else case.stage.begin(state, fresh)
        if case.number < number:
            state, _ = case.update(case.values, state, batch(case.train), KEY)
    return state


def assert_close(a, b, tolerance=2e-3):
    """Each array is equal to rounding: its norm's relative difference is at most `tolerance`."""
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        x, y = (np.asarray(leaf, np.float64) for leaf in (x, y))
        assert x.shape == y.shape
        assert np.linalg.norm(x - y) <= tolerance * np.linalg.norm(y) + 5e-5, (x, y)


def assert_equal(a, b):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("name", NAMES)
def test_formulas(name):
    """An experiment has its equations, which can be set as mathematics."""
    equations = formulas(experiments.load(name).formula)
    assert equations
    for part in (part for parts in equations for part in parts):
        words = ElementTree.fromstring(part).itertext()
        assert not any("\\" in word for word in words), part  # A command that is not known.


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=() if n in ONE_OF_A_KIND else pytest.mark.slow) for n in NAMES],
)
def test_laws(name, small_mnist, request):
    if name not in CPU_CONVOLUTIONS:
        request.getfixturevalue("xla_convolutions")
    experiment, config = quick(name)
    made = cases(name, id(small_mnist))
    check_data(experiment, config)
    for case in made:
        state = start(made, case.number)
        updated = case.update(case.values, state, batch(case.train), KEY)
        check_finite(case, updated)
        check_pure(case, state, updated)
        check_metrics_add(case, updated[0])
        check_nothing(case, updated[0])
        check_together(case, state)
    check_figures(experiment, config, made, updated[0])


def check_figures(experiment, config, made, state):
    """The figures can be drawn from what a run directory has, and each has a title."""
    if experiment.figures is None:
        return
    (*_, last), data = made, experiment.data(config)
    learner = experiment.stages(config, data)[-1].learner
    measured = scalars(values(last.evaluate(last.values, state, batch(last.test), KEY)))
    splits = last.stage.dataset.splits
    rows = [{"split": split, "epoch": epoch} | measured for epoch in (1, 2) for split in splits]
    trained = Trained(config, data, learner, state, 2)
    for figure in dict(experiment.figures(trained, rows)).values():
        assert figure.get_suptitle()
        figure.canvas.draw()


def check_finite(case, updated):
    measured = case.evaluate(case.values, updated[0], batch(case.test), KEY)
    for leaf in jax.tree.leaves((updated, measured)):
        assert np.isfinite(np.asarray(leaf)).all()


def check_pure(case, state, updated):
    """Law 1: equal arguments give equal bits; no key travels in the state."""
    assert_equal(case.update(case.values, state, batch(case.train), KEY), updated)
    for leaf in jax.tree.leaves(state):
        assert not jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def check_metrics_add(case, state):
    """Law 3: metrics of two batches sum to those of both."""
    half = np.arange(ROWS) < ROWS // 2
    parts = [
        case.evaluate(case.values, state, batch(case.test, weight), KEY)
        for weight in (half, ~half, np.ones(ROWS))
    ]
    total = jax.tree.map(lambda a, b: np.asarray(a) + np.asarray(b), parts[0], parts[1])
    assert_close(total, parts[2], 1e-4)


def check_nothing(case, state):
    """Law 2: a batch in which nothing has weight changes nothing and counts nothing."""
    rows = len(next(iter(case.train.values())))
    unchanged, measured = case.update(case.values, state, batch(case.train, np.zeros(rows)), KEY)
    assert_equal(unchanged, state)
    for leaf in jax.tree.leaves(measured):
        assert not np.asarray(leaf).any()


def check_together(case, state):
    """Laws 2, 4 and 5 at once, for each program takes long to compile.

    Two members are mapped over by `vmap`, their batch is padded by two examples of weight 0 and
    split over two devices in the usual way: each gets what it gets alone, unpadded, on one device.
    """
    learner = case.stage.learner
    rows = len(next(iter(case.train.values())))
    order = np.r_[np.arange(rows), [0] * (2 + rows % 2)]
    padded = batch({n: c[order] for n, c in case.train.items()}, np.arange(len(order)) < rows)
    values = {path: np.stack([v, v * np.float32(0.9)]) for path, v in case.values.items()}
    states = jax.tree.map(lambda leaf: np.stack([leaf, leaf]), state)
    keys = jnp.stack([KEY, jax.random.key(2)])

    def together(values, states, examples, keys):
        states, metrics = jax.vmap(case.update.__wrapped__, in_axes=(0, 0, None, 0))(
            values, states, examples, keys
        )
        return states, sum_over_devices(metrics)

    mesh = jax.sharding.Mesh(np.array(jax.devices()[:2]), (AXIS,))
    if learner.averages:
        specs = (REPLICATED, REPLICATED, BY_DEVICE, REPLICATED)
        spread = jax.shard_map(
            together, mesh=mesh, in_specs=specs, out_specs=REPLICATED, check_vma=False
        )
        result = jax.jit(spread)(values, states, padded, keys)
    else:
        split = jax.sharding.NamedSharding(mesh, BY_DEVICE)
        result = jax.jit(together)(values, states, jax.device_put(padded, split), keys)
    for number in range(2):
        member = jax.tree.map(lambda leaf: np.asarray(leaf)[number], (values, result))  # noqa: B023
        alone = case.update(member[0], state, batch(case.train), keys[number])
        assert_close(member[1], alone)


def check_data(experiment, config):
    """Law 6: values change nothing in `data` (that they may be tracers, each law relies on)."""
    changed = config
    for path, value in configs.values(config).items():
        trial = configs.replace(changed, {path: value * 0.9375})
        configs.check(trial)
        changed = trial
    before, after = (jax.tree.leaves(experiment.data(c)) for c in (config, changed))
    for x, y in zip(before, after, strict=True):
        if isinstance(x, np.ndarray):
            np.testing.assert_array_equal(x, y)

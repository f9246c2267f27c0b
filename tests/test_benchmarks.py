"""The networks that are compared are the same, and the comparison runs."""

import json
import os
import runpy
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import convolution_ours, layers, population, rbm, tables, turns, whole, work, worker
from benchmarks.mnist import config_of
from dlfun import config as configs
from dlfun import experiment as experiments
from dlfun.errors import UserError

torch = pytest.importorskip("torch")

from benchmarks import convolution_pytorch, pytorch  # noqa: E402

ROOT = Path(__file__).parent.parent


def first_inputs(learner, batch):
    """The parameters of a new state, and what the network that made them has read."""
    read = []

    def record(call, arguments, keywords, context):
        read.extend(arguments[:1])
        return call(*arguments, **keywords)

    with nn.intercept_methods(record):
        params = learner.init(jax.random.key(0), batch).params
    return params, read[0]


@pytest.mark.parametrize("name", tables.AIMS)
def test_networks_have_equal_parameters_and_inputs(name):
    experiment = experiments.load(name)
    config = configs.from_dict(experiment.Config, config_of(name))
    dataset = experiment.data(config)
    few = {key: array[:3] for key, array in dataset.splits["train"].items()}
    (stage,) = experiment.stages(config, dataset)
    ours, images = first_inputs(stage.learner, {key: jnp.asarray(a) for key, a in few.items()})
    # PyTorch's recurrent layers have a second bias vector, redundant but for one gate of the GRU.
    sizes = [
        x.size
        for path, x in jax.tree_util.tree_leaves_with_path(ours)
        if path[-1].key != "recurrent_bias"
    ]
    theirs = pytorch.network(name, config_of(name)).named_parameters()
    assert sum(sizes) == sum(p.numel() for key, p in theirs if "bias_hh" not in key)

    digits = pytorch.Digits(few, pytorch.SCALE.get(name, (0, 1)))
    for index, truth in enumerate(few["label"]):
        image, label = digits[index]
        np.testing.assert_allclose(images[index, ..., 0], image[0], atol=1e-6)
        assert label == truth


@pytest.mark.parametrize("name", tables.AIMS)
def test_networks_of_keras_have_equal_parameters_too(name):
    if not find_spec("keras"):  # Its import fails before its backend is chosen.
        pytest.skip("Keras is not installed")
    from benchmarks import keras_jax

    parameters = pytorch.network(name, config_of(name)).named_parameters()
    # Keras's GRU alone has a second bias, as PyTorch's recurrent layers have.
    number = sum(p.numel() for key, p in parameters if name == "mnist_gru" or "bias_hh" not in key)
    assert keras_jax.network(name, config_of(name)).count_params() == number


@pytest.mark.parametrize("name", ["mnist_mlp", "mnist_cnn"])
def test_operations_are_those_that_pytorch_counts(name):
    from torch.utils.flop_counter import FlopCounterMode

    model = pytorch.network(name, config_of(name))
    with FlopCounterMode(display=False) as counter:
        model(torch.rand(2, 1, 28, 28)).sum().backward()
    assert counter.get_total_flops() == 2 * work.training_flops(name, config_of(name))


def test_a_recurrent_network_costs_its_gates_at_each_step():
    rnn, lstm, gru = (
        work.products(name, config_of(name)) for name in ("mnist_rnn", "mnist_lstm", "mnist_gru")
    )
    for plain, four, three in zip(rnn[:-1], lstm[:-1], gru[:-1], strict=True):
        assert four.multiply_adds == 4 * plain.multiply_adds
        assert three.multiply_adds == 3 * plain.multiply_adds
    assert sum(p.multiply_adds for p in rnn) == 28 * (28 + 3 * 128) * 128 + 1280


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # Of torch.compile's import.
@pytest.mark.parametrize("compiled", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_the_tuned_setting_learns_in_each_way(compiled):
    name = "mnist_cnn"
    images = torch.rand(64, 1, 28, 28)
    labels = torch.arange(64) % 2
    for way in pytorch.ways(("contiguous", "channels_last"), compiled):
        train = pytorch.tuned_training(pytorch.network(name, config_of(name)), images, labels, way)
        losses = [train(None) for _ in range(5)]
        assert losses[-1] < losses[0]


def test_a_failing_process_is_one_clear_line():
    with pytest.raises(UserError, match="status 2"):
        whole.dlfun_run("mnist_mlp", "--epochs", "0")


def command(*arguments, name="mnist"):
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("XLA_", "JAX_"))
    } | {"OMP_NUM_THREADS": "1"}  # On a busy machine its threads wait for each other long.
    return subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment,
        check=False,
    )


@pytest.mark.slow
def test_the_command_prints_a_table(tmp_path):
    flags = ("--networks", "mnist_mlp", "--steps", "5", "--repeats", "1", "--markdown")
    done = command(*flags, "--json", str(tmp_path / "report.json"))
    assert done.returncode == 0, done.stderr
    assert "| mnist_mlp |" in done.stdout
    assert (tmp_path / "report.json").stat().st_size


@pytest.mark.slow
def test_convolution_is_timed_in_every_way_beside_pytorch(tmp_path):
    path = tmp_path / "report.json"
    done = command("--quick", "--markdown", "--json", str(path), name="convolution")
    assert done.returncode == 0, done.stderr
    report = json.loads(path.read_text())
    ours, theirs = report["seconds"]["dlfun"], report["seconds"]["PyTorch"]
    (layer,), (network,) = layers.QUICK_LAYERS, layers.QUICK_NETWORKS
    assert {f"{layer.name} all {way}" for way in layer.ways} <= set(ours)
    assert {f"{layer.name} all contiguous", f"{network.name} channels_last"} <= set(theirs)
    assert f"| {layer.name} |" in done.stdout
    assert f"| {network.name} |" in done.stdout


@pytest.mark.parametrize("network", layers.NETWORKS, ids=lambda network: network.name)
def test_networks_of_the_convolution_benchmark_are_the_same(network):
    image = jnp.zeros((1, network.size, network.size, 1))
    ours = jax.eval_shape(convolution_ours.MODELS[network.name]().init, jax.random.key(0), image)
    theirs = convolution_pytorch.MODELS[network.name]()
    sizes = [leaf.size for leaf in jax.tree.leaves(ours["params"])]
    assert sum(sizes) == sum(p.numel() for p in theirs.parameters())
    assert theirs.eval()(torch.zeros(1, 1, network.size, network.size)).shape == (1, 10)


def test_operations_of_a_layer_are_those_that_pytorch_counts():
    from torch.utils.flop_counter import FlopCounterMode

    for layer in layers.LAYERS:
        x = torch.zeros(1, layer.channels, layer.size, layer.size, requires_grad=True)
        shape = (layer.features, layer.channels // layer.groups, layer.window, layer.window)
        kernel = torch.zeros(shape)
        with FlopCounterMode(display=False) as counter:
            y = torch.conv2d(x, kernel, None, layer.stride, layer.padding, 1, layer.groups)
        assert y.shape[-1] == layer.out
        assert counter.get_total_flops() * layer.batch == layer.flops("forward")


@pytest.mark.parametrize("flags", [("--repeats", "0"), ("--networks", "mnist_mpl")])
def test_bad_input_is_one_line_and_status_2(flags):
    done = command(*flags)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "flags", "words"),
    [
        ("mnist", ("--json", "nowhere/report.json"), "expected a file in a folder that is there"),
        ("population", ("--repeats", "0"), "--repeats must be at least 1"),
        ("population", ("--networks", "mnist_ml"), "did you mean 'mnist_mlp'?"),
        ("population", ("--networks", "xor_mlp"), "expected a classifier"),
    ],
)
def test_what_a_benchmark_needs_is_checked_before_it_measures(name, flags, words):
    done = command(*flags, name=name)
    assert (done.returncode, done.stderr.count("\n"), done.stdout) == (2, 1, "")
    assert words in done.stderr


def test_missing_data_stop_the_populations_before_they_are_timed(monkeypatch, capsys):
    """And a table that was measured is printed though a later one fails."""

    def load(name):
        raise UserError(f"{name} is not here")

    def tables_of(*arguments):
        yield tables.Rows("Measured", ("name", "seconds"), [("one", "1")])
        raise RuntimeError("later")

    monkeypatch.setattr(population, "_tables", tables_of)
    monkeypatch.setattr(population, "set_up_process", lambda *arguments: None)
    monkeypatch.setattr(population.data, "load", load)
    assert population.main([]) == 2
    assert capsys.readouterr() == ("", "error: fashion_mnist is not here\n")
    monkeypatch.setattr(population.data, "load", lambda name: None)
    with pytest.raises(RuntimeError, match="later"):
        population.main([])
    assert "Measured" in capsys.readouterr().out


def test_peak_memory_where_there_is_no_module_of_unix(monkeypatch):
    assert worker.peak_memory() > 10e6
    info = SimpleNamespace(memory_info=lambda: SimpleNamespace(peak_wset=7))
    monkeypatch.setitem(sys.modules, "resource", None)
    monkeypatch.setattr(worker.psutil, "Process", lambda: info)
    monkeypatch.setattr(sys, "platform", "win32")
    assert runpy.run_path(worker.__file__)["peak_memory"]() == 7


def test_the_machine_of_the_others_trains_and_the_table_compares():
    pytest.importorskip("sklearn")
    x = np.random.default_rng(0).integers(0, 2, (40, 12)).astype(np.float32)
    rbm.in_pytorch(x, 2, 20).epoch()
    assert np.isfinite(rbm.in_scikit_learn(x, 20).epoch().components_).all()
    two = {"dlfun": [1.0, 2.0, 4.0], "PyTorch": [3.0, 5.0, 9.0]}
    seconds = {"PCD-1": {**two, "scikit-learn": [1.0, 1.0, 1.0]}, "PCD-15": two}
    (table,) = turns.table({"repeats": 3, "seconds": seconds})
    assert "| PCD-15 | 2 (1 to 4) | 5 (3 to 9) | 2.50 |  |  |" in tables.markdown(table)


def test_times_and_rates_have_three_digits():
    assert tables.spread([0.01234]) == "0.0123"
    assert tables.spread([47.81, 44.9, 51.86]) == "47.8 (44.9 to 51.9)"
    assert tables.spread([44_399.7, 42_351.0, 45_270.0]) == "44,400 (42,400 to 45,300)"

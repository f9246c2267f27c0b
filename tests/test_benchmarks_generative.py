"""The generative models that benchmarks.generative compares are the same, and it runs."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import generative
from dlfun import config as configs
from dlfun import experiment as experiments
from dlfun.algorithms.variational_autoencoder import divergence_from_prior
from dlfun.nn.losses import binary_cross_entropy
from dlfun.nn.models.autoregressive import MaskedMLP
from dlfun.nn.models.variational import VariationalAutoencoder
from dlfun.train.loop import sample_batch
from experiments.generative.mnist_gan.game import players

torch = pytest.importorskip("torch")

from benchmarks import generative_pytorch, pytorch  # noqa: E402

pytestmark = pytest.mark.usefixtures("small_mnist")
NAMES = ("mnist_vae", "mnist_made", "mnist_gan")
LAYERS = {
    "mnist_vae": ["encoder Dense_0", "encoder Dense_1", "decoder Dense_0", "decoder Dense_1"],
    "mnist_made": ["MaskedDense_0", "MaskedDense_1", "MaskedDense_2"],
    "generator": ["Dense_0", "BatchNorm_0", "ConvTranspose_0", "BatchNorm_1", "ConvTranspose_1"],
    "critic": ["Conv_0", "Conv_1", "Dense_0"],
}
"""The layers of the networks here, in the order of PyTorch's."""
SPECTRAL = {"spectral": True}
CHANNELS, SIDE = 32, 7
"""Channels and side of the generator's first images, and of the critic's last."""
RNG = np.random.default_rng(0)


def networks(name):
    """Config, dataset, and the variables and the network in PyTorch by the name of the network.

    The variables are drawn at random: nothing is left at 0 or 1, where mistakes hide.
    """
    experiment = experiments.load(name)
    config = configs.replace(experiment.default, SPECTRAL if name == "mnist_gan" else {})
    dataset = experiment.data(config)
    learner = experiment.stages(config, dataset)[-1].learner
    state = jax.eval_shape(learner.init, jax.random.key(0), sample_batch(dataset))
    made = generative_pytorch.networks(name, config, dataset.splits["train"]["image"])
    states = {"model": state} if name != "mnist_gan" else state.top.state._asdict()
    drawn = {
        key: jax.tree.map(lambda like: floats(like.shape, 0.1), states[key].variables)
        for key in made
    }
    return config, dataset, drawn, made


def floats(shape, deviation=1.0):
    return jnp.asarray(RNG.normal(0.05, deviation, shape), jnp.float32)


def copy(variables, names, network):
    """Give a network in PyTorch the parameters of these layers, and the vectors of its norms."""
    holders = [layer for layer in network.modules() if hasattr(layer, "bias")]
    for name, layer in zip(names, holders, strict=True):
        params = variables["params"]
        for key in name.split():
            params = params[key]
        with torch.no_grad():
            layer.bias.copy_(torch.tensor(channels_first(params["bias"])))
            if "scale" in params:
                layer.weight.copy_(torch.tensor(np.array(params["scale"])))
                continue
            kernel = channels_first(params["kernel"])
            kernel = torch.tensor(np.moveaxis(kernel, (-1, -2), (0, 1)).copy())
            if isinstance(layer, generative_pytorch.MaskedLinear):
                kernel *= layer.weight != 0
            if not hasattr(layer, "parametrizations"):
                layer.weight.copy_(kernel)
                continue
            layer.parametrizations.weight.original.copy_(kernel)
            (vectors,) = (
                value
                for stats in variables["batch_stats"].values()
                for key, value in stats.items()
                if key == f"{name}/kernel/u"
            )
            # A step of power iteration, which the critic here takes in each call.
            matrix, norm = kernel.flatten(1), layer.parametrizations.weight[0]
            norm._v.copy_(torch.tensor(np.array(vectors[0])) @ matrix)
            norm._v /= norm._v.norm()
            norm._u.copy_(matrix @ norm._v)
            norm._u /= norm._u.norm()


def channels_first(array):
    """An array whose axis of small images, of channels last, has their channels first."""
    array = np.array(array)
    for axis, size in enumerate(array.shape):
        if size == CHANNELS * SIDE**2:
            parts = array.reshape(*array.shape[:axis], SIDE**2, CHANNELS, *array.shape[axis + 1 :])
            array = parts.swapaxes(axis, axis + 1).reshape(array.shape)
    return array


def in_pytorch(array):
    return torch.tensor(np.array(array))


def assert_equal(array, tensor):
    expected = tensor.detach().numpy().reshape(array.shape)
    assert expected.std() > 1e-3 or expected.ndim == 0
    np.testing.assert_allclose(array, expected, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("name", NAMES)
def test_networks_have_equally_many_parameters(name):
    _, _, variables, peers = networks(name)
    for key, peer in peers.items():
        sizes = [leaf.size for leaf in jax.tree.leaves(variables[key]["params"])]
        assert sum(sizes) == sum(p.numel() for p in peer.parameters())


def test_autoencoders_of_equal_weights_give_equal_logits_and_bounds():
    config, _, drawn, peers = networks("mnist_vae")
    variables, peer = drawn["model"], peers["model"]
    copy(variables, LAYERS["mnist_vae"], peer)
    model = VariationalAutoencoder(784, config.hidden, config.code)
    noise, x = floats((5, config.code)), jnp.asarray(RNG.integers(0, 2, (5, 784)), jnp.float32)
    logits = model.apply(variables, noise, method="decode")
    assert_equal(logits, peer.decoder(in_pytorch(noise)))
    mean, log_variance, logits = model.apply(variables, x, noise)
    bound = binary_cross_entropy(logits, x) + divergence_from_prior(mean, log_variance)
    assert_equal(bound.mean(), peer.loss(in_pytorch(x), in_pytorch(noise)))


def test_masked_autoencoders_of_equal_weights_give_equal_logits_and_losses():
    config, _, drawn, peers = networks("mnist_made")
    variables, peer = drawn["model"], peers["model"]
    copy(variables, LAYERS["mnist_made"], peer)
    x = jnp.asarray(RNG.integers(0, 2, (5, 784)), jnp.float32)
    logits = MaskedMLP(config.hidden).apply(variables, x)
    assert_equal(logits, peer(in_pytorch(x)))
    assert_equal(binary_cross_entropy(logits, x).mean(), peer.loss(in_pytorch(x)))


def test_a_masked_layer_keeps_its_zeros_in_training():
    config, _, _, peers = networks("mnist_made")
    layer = peers["model"].direct
    zeros = layer.weight == 0
    x = torch.rand(4, 784)
    update = generative_pytorch.made_update(config, x, 10, pytorch.descent, peers["model"])
    before = layer.weight.clone()
    update(torch.arange(4))
    assert not layer.weight[zeros].any()
    assert (layer.weight != before)[~zeros].any()


@pytest.mark.usefixtures("xla_convolutions")
def test_players_of_equal_weights_give_equal_images_and_outputs():
    config, dataset, drawn, peers = networks("mnist_gan")
    for key, peer in peers.items():
        copy(drawn[key], LAYERS[key], peer)
    gan, noise = players(config, dataset), floats((5, config.noise))
    images, _ = gan.generate_in_training(drawn["generator"], noise, None, jnp.ones(5))
    peer_images = peers["generator"](in_pytorch(noise))
    assert_equal(images, peer_images)
    assert_equal(gan.judge(drawn["critic"], images), peers["critic"].eval()(peer_images))


def test_a_step_of_the_critic_moves_its_norms_and_one_of_the_generator_does_not():
    config, _, _, peers = networks("mnist_gan")
    generator, critic = peers.values()
    update = generative_pytorch.gan_update(
        config, torch.rand(4, 784), 10, pytorch.descent, generator, critic
    )
    losses = [update(torch.arange(4)) for _ in range(20)]
    assert losses[-1] < losses[0]
    calls = []
    norm = critic[0].parametrizations.weight[0]
    norm.register_forward_hook(lambda *arguments: calls.append(norm.training))
    update(torch.arange(4))
    assert calls == [True, False]


@pytest.mark.parametrize(
    "name", ["mnist_vae", *(pytest.param(n, marks=pytest.mark.slow) for n in NAMES[1:])]
)
def test_the_command_measures_a_training(name, tmp_path, capsys):
    path = tmp_path / "report.json"
    flags = ["--quick", "--networks", name, "--markdown", "--json", str(path)]
    assert generative.main(flags) == 0
    (seconds,) = json.loads(path.read_text())["seconds"].values()
    assert list(seconds) == ["dlfun", "PyTorch"]
    assert f"| {name} |" in capsys.readouterr().out


def test_bad_input_is_one_line_and_status_2(capsys):
    assert generative.main(["--steps", "0"]) == 2
    assert capsys.readouterr().err == "error: --steps must be at least 1, got 0\n"

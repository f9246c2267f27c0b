"""The translators that benchmarks.translation compares are the same, and it runs."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import translation
from dlfun import config as configs
from dlfun import experiment as experiments
from dlfun.data.parallel_text import END
from dlfun.nn import losses
from dlfun.nn.models.transformer import Transformer
from dlfun.train.loop import sample_batch
from experiments.sequence_to_sequence import translation_rnn

torch = pytest.importorskip("torch")

from benchmarks import translation_pytorch  # noqa: E402

pytestmark = pytest.mark.usefixtures("small_mnist")
SIZES = {
    "translation_rnn": {"embedding": 16, "hidden": 16},
    "translation_rnn_without_attention": {"embedding": 16, "hidden": 16},
    "translation_transformer": {"features": 16, "heads": 2, "hidden": 24, "layers": 2},
}
RNG = np.random.default_rng(0)


def setting(network):
    """Config, dataset, learner, variables drawn at random, and the network in PyTorch."""
    name = translation.NETWORKS[network]
    experiment = experiments.load(name)
    values = {**SIZES[name], "min_count": 1, "beams": 3}
    config = configs.replace(experiment.default, values)
    dataset = experiment.data(config)
    learner = experiment.stages(config, dataset)[0].learner
    state = learner.init(jax.random.key(0), sample_batch(dataset))
    drawn = jax.tree.map(lambda like: floats(like.shape), state.params)
    words = int(dataset.splits["train"]["x"].max()) + 1, len(dataset.classes)
    made = translation_pytorch.network(config, *words).eval()
    translation_pytorch.copy(drawn, made)
    return config, dataset, learner, state._replace(params=drawn), made


def floats(shape):
    return jnp.asarray(RNG.normal(0.05, 0.4, shape), jnp.float32)


def model_of(config, dataset):
    words = int(dataset.splits["train"]["x"].max()) + 1, len(dataset.classes)
    if hasattr(config, "attention"):
        return translation_rnn.network(config, *words)
    return Transformer(*words, config.features, config.heads, config.layers, config.hidden)


@pytest.mark.parametrize("network", translation.NETWORKS)
def test_networks_of_equal_weights_give_equal_logits_losses_and_gradients(network):
    config, dataset, _, state, peer = setting(network)
    batch = {name: column[:6] for name, column in dataset.splits["train"].items()}
    end = dataset.classes.index(END)
    before = np.concatenate([np.full((6, 1), end, np.int32), batch["y"][:, :-1]], 1)
    model = model_of(config, dataset)
    live = np.arange(batch["y"].shape[1]) < batch["y_length"][:, None]
    labels = jnp.asarray(batch["y"][live])

    def loss(params):
        inputs = map(jnp.asarray, (batch["x"], batch["length"], before))
        logits = model.apply({"params": params}, *inputs)[live]
        smoothed = losses.smoothed_cross_entropy(logits, labels, config.smoothing)
        return smoothed.mean(), logits

    (expected, logits), gradient = jax.value_and_grad(loss, has_aux=True)(state.params)
    columns = [torch.tensor(batch[n].astype(np.int64)) for n in ("x", "length", "y", "y_length")]
    peer_logits = peer.logits(peer(*columns[:2], torch.tensor(before.astype(np.int64))))
    np.testing.assert_allclose(logits, peer_logits[live].detach(), rtol=1e-4, atol=1e-4)
    peer_loss = translation_pytorch.loss(peer, *columns, end=end, smoothing=config.smoothing)
    np.testing.assert_allclose(expected, peer_loss.detach(), rtol=1e-5)
    peer_loss.backward()
    norms = [p.grad.norm() for n, p in peer.named_parameters() if "bias_hh" not in n]
    squares = sum(float(jnp.square(g).sum()) for g in flat(gradient))
    np.testing.assert_allclose(squares, sum(float(n) ** 2 for n in norms), rtol=1e-3)


def flat(params):
    """The leaves that have a peer in PyTorch's networks, whose GRUs have a second bias."""
    paths = jax.tree.leaves_with_path(params)
    return [leaf for path, leaf in paths if path[-1].key != "recurrent_bias"]


@pytest.mark.parametrize("network", translation.NETWORKS)
def test_networks_have_equally_many_parameters(network):
    _, _, _, state, peer = setting(network)
    peer_sizes = (p.numel() for name, p in peer.named_parameters() if "bias_hh" not in name)
    assert sum(leaf.size for leaf in flat(state.params)) == sum(peer_sizes)


@pytest.mark.parametrize("network", translation.NETWORKS)
@pytest.mark.parametrize("beams", [1, 3])
def test_equal_weights_write_equal_translations(network, beams):
    config, dataset, _, state, peer = setting(network)
    config = configs.replace(config, {"beams": beams})
    name = translation.NETWORKS[network]
    learner = experiments.load(name).stages(config, dataset)[0].learner
    split = {n: jnp.asarray(dataset.splits["test"][n][:3]) for n in ("x", "length")}
    end = dataset.classes.index(END)
    tokens = learner.predict(state, {**split, "weight": jnp.ones(3)})
    longest = tokens.shape[1]
    peer_tokens = translation_pytorch.decoder(
        peer, jax.tree.map(np.asarray, split), beams, longest, end
    ).epoch()
    np.testing.assert_array_equal(tokens, peer_tokens)


def test_parameters_without_end_write_the_longest_translations():
    for network in translation.NETWORKS:
        _, dataset, learner, state, _ = setting(network)
        end = dataset.classes.index(END)
        state = state._replace(params=translation.without_end(state.params, end))
        split = {n: jnp.asarray(dataset.splits["test"][n][:3]) for n in ("x", "length")}
        written = learner.predict(state, {**split, "weight": jnp.ones(3)})
        assert (written != end).all()


@pytest.mark.parametrize(
    "network",
    ["attention_rnn", *(pytest.param(n, marks=pytest.mark.slow) for n in ("rnn", "transformer"))],
)
def test_the_command_measures_training_and_decoding(network, tmp_path, capsys):
    path = tmp_path / "report.json"
    flags = ["--quick", "--networks", network, "--markdown", "--json", str(path)]
    assert translation.main(flags) == 0
    report = json.loads(path.read_text())
    searches = [f"{network}, 1 beam", f"{network}, 5 beams"]
    assert list(report["seconds"]) == [network, f"{network}, 8 words", *searches]
    assert report["words"] == dict.fromkeys(searches, 8 * 50)
    printed = capsys.readouterr().out
    assert f"| {network} |" in printed
    assert "| PyTorch |" in printed
    assert f"The vocabulary's share of an epoch. {network}: " in printed


def test_bad_input_is_one_line_and_status_2(capsys):
    assert translation.main(["--steps", "0"]) == 2
    assert capsys.readouterr().err == "error: --steps must be at least 1, got 0\n"

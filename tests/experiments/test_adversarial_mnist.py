"""FGSM training goes on from the plain network and keeps it; bad strengths get one line."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dlfun.cli.main import main
from dlfun.experiment import Trained
from dlfun.metrics import values
from experiments.convolutional.adversarial_mnist import Config, data, logits, measure, stages
from experiments.convolutional.adversarial_mnist.attacks import networks
from tests.works import compiled

KEY = jax.random.key(0)
SMALL = Config(channels=(2, 2), steps=1, epsilons=(0.0, 0.1), test_examples=50)


@pytest.fixture
def trained(small_mnist, xla_convolutions):
    """A network that made two updates in each stage, and the plain one's state in between."""
    dataset = data(SMALL)
    plain, fgsm = (
        stage._replace(learner=compiled(stage.learner)) for stage in stages(SMALL, dataset)
    )
    batch = {name: jnp.asarray(c[:64]) for name, c in dataset.splits["train"].items()}
    batch |= {"weight": jnp.ones(64)}
    first = plain.learner.init(KEY, batch)
    first, _ = plain.learner.update(first, batch, KEY)
    state = fgsm.begin(first, fgsm.learner.init(KEY, batch))
    jax.tree.map(np.testing.assert_array_equal, state.top.params, first.params)
    after, _ = fgsm.learner.update(state, batch, KEY)
    return first, Trained(SMALL, dataset, fgsm.learner, after, 2)


def test_the_second_stage_keeps_the_plain_network(trained):
    first, end = trained
    kept = networks(end)
    jax.tree.map(np.testing.assert_array_equal, kept["plain"]["params"], first.params)
    pairs = zip(*map(jax.tree.leaves, (kept["plain"], kept["trained"])), strict=True)
    assert any((a != b).any() for a, b in pairs)


def test_what_is_measured_is_the_accuracy_of_either_network(trained):
    """At ε = 0 every attack leaves the images as they are."""
    _, end = trained
    test = end.dataset.splits["test"]
    measured = measure(end, KEY)
    x = jnp.asarray(test["image"], jnp.float32) / 255
    for name, variables in networks(end).items():
        right = float((logits(end)(variables, x).argmax(axis=1) == test["label"]).mean())
        for metric in ("accuracy", "fgsm_accuracy_at_0", "pgd_accuracy_at_0"):
            assert measured[f"test/{name}_{metric}"] == pytest.approx(right)
    columns = {n: jnp.asarray(c) for n, c in test.items()} | {"weight": jnp.ones(50)}
    found = values(end.learner.evaluate(end.state, columns, KEY))
    assert measured["test/trained_fgsm_accuracy_at_0.1"] == pytest.approx(found["fgsm_accuracy"])


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--epsilon", "-0.1"], "--epsilon must be at least 0, got -0.1"),
        (["--epsilon", "1.5"], "--epsilon must be at most 1, got 1.5"),
        (["--epsilons", "0.1", "2"], "--epsilons must be at most 1, got 2"),
        (["--steps", "0"], "--steps must be at least 1"),
    ],
)
def test_strengths_outside_0_to_1_get_one_line(flags, words, capsys, tmp_path):
    run = ["--run-dir", str(tmp_path / "run")]
    assert main(["train", "adversarial_mnist", *flags, *run]) == 2
    err = capsys.readouterr().err
    assert words in err
    assert len(err.splitlines()) == 1

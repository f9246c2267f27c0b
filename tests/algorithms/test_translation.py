"""Translators: a step at a time gives the logits of all at once; padding changes nothing."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from dlfun.algorithms.translation import translation
from dlfun.metrics import values
from dlfun.nn.decoding import generate
from dlfun.nn.losses import cross_entropy
from dlfun.nn.models.recurrent_translator import RecurrentTranslator
from dlfun.nn.models.transformer import Transformer
from dlfun.optimizers import Optimizer, make_optimizer
from tests.works import compiled

WORDS, END, TIME = 9, 2, 4
RANDOM = np.random.default_rng(0)
KEY = jax.random.key(0)
BATCH = {
    "x": jnp.asarray(RANDOM.integers(2, WORDS, (3, 5)), jnp.int32),
    "length": jnp.array([5, 3, 1], jnp.int32),
    "y": jnp.asarray(RANDOM.integers(3, WORDS, (3, TIME)), jnp.int32),
    "y_length": jnp.array([4, 2, 3], jnp.int32),
    "weight": jnp.ones(3),
}
SIZES = {"embedding": 6, "hidden": 6}
MODELS = {
    "none": RecurrentTranslator(WORDS, WORDS, "none", **SIZES),
    "additive": RecurrentTranslator(WORDS, WORDS, "additive", "lstm", **SIZES),
    "multiplicative": RecurrentTranslator(WORDS, WORDS, **SIZES),
    "transformer": Transformer(WORDS, WORDS, 8, 2, 1, 12),
    "post-norm": Transformer(WORDS, WORDS, 8, 2, 1, 12, pre_norm=False),
}


@pytest.mark.parametrize("name", MODELS)
def test_steps_give_the_logits_of_all_words_at_once(name):
    model, before = MODELS[name], BATCH["y"]
    columns = BATCH["x"], BATCH["length"], before
    variables = jax.jit(model.init)(KEY, *columns)
    variables = jax.tree.map(lambda p: 2 * p, variables)

    @jax.jit
    def in_steps(variables):
        apply = partial(model.apply, variables)
        memory = apply(BATCH["x"], BATCH["length"], method="encode")
        carry, logits = apply(memory, TIME, method="begin"), []
        for at in range(TIME):
            new, carry = apply(memory, carry, before[:, at], jnp.asarray(at), method="step")
            logits.append(new)
        return jnp.stack(logits, axis=1)

    whole = jax.jit(model.apply)(variables, *columns)
    np.testing.assert_allclose(in_steps(variables), whole, rtol=1e-4, atol=1e-5)
    assert whole.std() > 0.1


@pytest.mark.parametrize("name", ["additive", "transformer"])
def test_what_comes_after_a_sentences_end_changes_nothing(name):
    learner = compiled(translation(MODELS[name], optax.sgd(0.1), END))
    state = learner.init(KEY, BATCH)
    longer = {
        column: jnp.where(jnp.arange(a.shape[1]) < BATCH[length][:, None], a, 7)
        for column, length, a in (("x", "length", BATCH["x"]), ("y", "y_length", BATCH["y"]))
    }
    losses = [learner.evaluate(state, b, KEY)["loss"] for b in (BATCH, BATCH | longer)]
    np.testing.assert_allclose(*losses, rtol=1e-5)
    assert float(losses[0].count) == 9


def test_a_translator_learns_to_copy_and_stops_at_the_end():
    model = RecurrentTranslator(WORDS, WORDS, "multiplicative", embedding=16, hidden=16)
    optimizer = make_optimizer(Optimizer(learning_rate=0.02))
    learner = compiled(translation(model, optimizer, END, smoothing=0.05, beams=2, longest=6))
    live = jnp.arange(5) < BATCH["length"][:, None]
    x = BATCH["x"].at[jnp.arange(3), BATCH["length"] - 1].set(END)
    batch = BATCH | {"x": jnp.where(live, x, 0), "y_length": BATCH["length"]}
    batch["y"] = batch["x"]
    state = learner.init(KEY, batch)
    for _ in range(150):
        state, measured = learner.update(state, batch, KEY)
    assert values(measured)["loss"] < 0.2
    expected = jnp.pad(jnp.where(live, x, END), ((0, 0), (0, 1)), constant_values=END)
    np.testing.assert_array_equal(learner.predict(state, batch), expected)


def test_scheduled_sampling_at_rate_0_is_teacher_forcing():
    """The rate is traced, so that words are drawn, and none of them is read."""
    model = MODELS["transformer"]
    forced = compiled(translation(model, optax.sgd(0.1), END))
    state = forced.init(KEY, BATCH)

    @jax.jit
    def sampled(rate):
        learner = translation(model, optax.sgd(0.1), END, sampling=rate)
        return learner.update(state, BATCH, KEY)[1]["loss"].total

    expected = forced.update(state, BATCH, KEY)[1]["loss"].total
    np.testing.assert_allclose(sampled(0.0), expected, rtol=1e-6)
    assert abs(float(sampled(1.0)) - float(expected)) > 1e-3


def test_at_rate_1_every_word_before_is_the_networks_own():
    """A network that is sure of the next word draws it: its loss is that after its own words."""
    model = RecurrentTranslator(WORDS, WORDS, "multiplicative", **SIZES)
    state = compiled(translation(model, optax.sgd(0.1), END)).init(KEY, BATCH)
    sure = jax.tree.map(lambda p: 300 * p, state.params["logits"])
    state = state._replace(params=state.params | {"logits": sure})
    learner = compiled(translation(model, optax.sgd(0.0), END, sampling=1.0, longest=TIME))

    @jax.jit
    def loss_after_greedy_words(variables):
        apply, sources = partial(model.apply, variables), (BATCH["x"], BATCH["length"])
        memory = apply(*sources, method="encode")
        step, carry = partial(apply, memory, method="step"), apply(memory, TIME, method="begin")
        words = generate(step, carry, jnp.full(3, END), TIME)
        before = jnp.concatenate([jnp.full((3, 1), END), words[:, :-1]], axis=1)
        logits = apply(*sources, before).reshape(-1, WORDS)
        losses = cross_entropy(logits, BATCH["y"].reshape(-1)).reshape(3, TIME)
        return jnp.where(jnp.arange(TIME) < BATCH["y_length"][:, None], losses, 0).sum()

    _, measured = learner.update(state, BATCH, KEY)
    expected = loss_after_greedy_words(state.variables)
    np.testing.assert_allclose(measured["loss"].total, expected, rtol=1e-4)

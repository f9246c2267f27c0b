"""The character model: its carry over batches, its samples, and the counts beside it."""

import collections
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from dlfun.algorithms.count_model import count_losses
from dlfun.data.lanes import lanes
from dlfun.errors import UserError
from dlfun.experiment import Trained
from dlfun.metrics import values
from dlfun.train.loop import sample_batch
from dlfun.train.trajectory import trajectory
from experiments.recurrent import shakespeare_lstm
from experiments.recurrent.shakespeare_lstm.earlier import moments
from experiments.recurrent.shakespeare_lstm.language_model import (
    LanguageModel,
    generate,
    truncated_bptt,
)
from tests.works import compiled

KEY = jax.random.key(0)
LANES, LENGTH, BATCHES = 3, 5, 4
TOKENS = np.random.default_rng(0).integers(0, 7, LANES * LENGTH * BATCHES + 1)
MODEL = LanguageModel(7, hidden=8, layers=2)


def batches():
    split = lanes(TOKENS, LANES, LENGTH)
    for start in range(0, LANES * BATCHES, LANES):
        part = {name: jnp.asarray(column[start : start + LANES]) for name, column in split.items()}
        yield part | {"weight": jnp.ones(LANES)}


def close(a, b):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-5), a, b)


@pytest.fixture(scope="module")
def learner():
    """One that learns nothing, so that its losses are those of one set of parameters."""
    return compiled(truncated_bptt(MODEL, LANES, optax.sgd(0.0)))


def start(learner):
    one = {name: column[:1] for name, column in next(batches()).items()}
    return learner.init(KEY, one)


def test_batches_in_turn_read_each_lane_as_one_text(learner):
    state, update = start(learner), learner.update
    losses = []
    for batch in batches():
        state, measured = update(state, batch, KEY)
        losses.append(values(measured)["loss"])
    whole = jax.tree.map(jnp.asarray, lanes(TOKENS, LANES, LENGTH * BATCHES))
    alone = learner.evaluate(state, {**whole, "weight": jnp.ones(LANES)}, KEY)
    np.testing.assert_allclose(np.mean(losses), values(alone)["loss"], rtol=1e-5)
    assert float(alone["loss"].count) == len(TOKENS) - 1


def test_the_first_row_of_a_lane_starts_from_zeros(learner):
    first = next(batches())
    fresh = start(learner)
    used, measured = learner.update(fresh, first, KEY)
    again, same = learner.update(used, first, KEY)
    close(same, measured)
    close(again.collections, used.collections)
    _, other = learner.update(used, first | {"first": jnp.zeros(LANES)}, KEY)
    assert abs(values(other)["loss"] - values(measured)["loss"]) > 1e-5


def test_a_row_without_weight_keeps_its_lanes_carry(learner):
    first, second, *_ = batches()
    used, _ = learner.update(start(learner), first, KEY)
    whole, _ = learner.update(used, second, KEY)
    padded = second | {"weight": jnp.asarray([1.0, 0.0, 1.0])}
    part, measured = learner.update(used, padded, KEY)
    assert float(measured["loss"].count) == 2 * LENGTH
    for layer in range(2):
        for after, all_rows, before in zip(
            *(s.collections["carry"][layer] for s in (part, whole, used)), strict=True
        ):
            close(after, jnp.stack([all_rows[0], before[1], all_rows[2]]))


@pytest.mark.parametrize("rows", [LANES - 1, LANES + 2])
def test_a_batch_may_lack_rows_or_be_padded_beyond_the_lanes(learner, rows):
    first, second, *_ = batches()
    used, _ = learner.update(start(learner), first, KEY)
    weight = jnp.where(jnp.arange(LANES) < rows, 1.0, 0.0)
    padded = second | {"weight": weight}

    def resized(column):
        extra = jnp.zeros((max(rows - LANES, 0), *column.shape[1:]), column.dtype)
        return jnp.concatenate([column[:rows], extra])

    batch = {name: resized(column) for name, column in padded.items()}
    close(learner.update(used, batch, KEY), learner.update(used, padded, KEY))


@pytest.fixture(scope="module")
def params(learner):
    """Larger than at the start of a training, so that logits differ."""
    return jax.tree.map(lambda p: 3 * p, start(learner).params)


def logits_after(params, tokens):
    """Logits of the token after each."""
    read = jax.jit(lambda tokens: MODEL.apply({"params": params}, tokens, MODEL.zeros(len(tokens))))
    return read(jnp.asarray(tokens))[0]


@pytest.mark.parametrize(
    ("prime", "temperature"), [([[0], [1]], 1e-6), ([[0, 3, 6], [1, 1, 2]], 1e-42)]
)
def test_cold_texts_are_the_likeliest_after_their_prime(params, prime, temperature):
    prime = jnp.asarray(prime, jnp.int32)
    text = generate(MODEL, params, KEY, prime, 6, temperature)
    logits = logits_after(params, jnp.concatenate([prime, text[:, :-1]], axis=1))
    np.testing.assert_array_equal(text, logits.argmax(axis=-1)[:, prime.shape[1] - 1 :])


def test_texts_are_drawn_from_the_softmax(params):
    prime = jnp.tile(jnp.asarray([[2, 5]], jnp.int32), (4000, 1))
    drawn = generate(MODEL, params, KEY, prime, 1, 0.5)
    share = np.bincount(np.asarray(drawn)[:, 0], minlength=7) / len(prime)
    expected = jax.nn.softmax(logits_after(params, prime[:1])[0, -1] / 0.5)
    np.testing.assert_allclose(share, expected, atol=0.04)


@pytest.fixture(scope="module")
def shakespeare(small_mnist_in_module):
    """The untrained network of the experiment, made small."""
    config = shakespeare_lstm.Config(hidden=8)
    dataset = shakespeare_lstm.data(config)
    network = shakespeare_lstm.learner(config, dataset)
    return Trained(config, dataset, network, network.init(KEY, sample_batch(dataset)), 0)


def test_a_sample_continues_its_prime(shakespeare):
    cold = list(shakespeare_lstm.sample(shakespeare, KEY, 2, "First", 1e-6))
    assert [len(text) for text in cold] == [505, 505]
    assert cold[0] == cold[1]
    (text,) = shakespeare_lstm.sample(shakespeare, jax.random.key(5), 1, cold[0][:10], 1e-6)
    assert text[:505] == cold[0]
    assert cold[0] != next(shakespeare_lstm.sample(shakespeare, KEY, 1, "First", 1.0))
    (plain,) = shakespeare_lstm.sample(shakespeare, KEY, 1)
    (line,) = shakespeare_lstm.sample(shakespeare, KEY, 1, "\n", shakespeare.config.temperature)
    assert line == "\n" + plain


def test_a_character_that_the_network_does_not_know_is_named(shakespeare):
    with pytest.raises(UserError, match=r"prime has 'ï', unknown to the network: .*fhi.*") as error:
        list(shakespeare_lstm.sample(shakespeare, KEY, 1, "Firïst"))
    assert "\n" not in str(error.value)


def test_earlier_moments_are_those_of_the_training(shakespeare):
    """Also where a step that is asked for comes after the end."""
    learner, dataset, config = shakespeare.learner, shakespeare.dataset, shakespeare.config
    states, _ = trajectory(learner, dataset, 1, config.batch_size, config.seed)
    last = jax.tree.map(lambda leaf: leaf[5], states)
    found = list(moments(shakespeare._replace(state=last, step=5), (0, 2, 5, 100)))
    assert [moment.step for moment in found] == [0, 2, 5]
    for step, state, _ in found:
        close(state, jax.tree.map(lambda leaf: leaf[step], states))  # noqa: B023
    losses = [moment.loss for moment in found]
    assert losses == sorted(losses, reverse=True)
    assert losses[0] == pytest.approx(np.log(len(dataset.classes)), rel=0.1)


def test_counts_equal_a_loop_over_contexts():
    text = np.random.default_rng(1).choice(4, 300, p=[0.4, 0.3, 0.2, 0.1])
    train, test = text[:250], text[250:]
    following = collections.defaultdict(collections.Counter)
    for order in range(3):
        for at in range(order, len(train)):
            following[tuple(train[at - order : at])][train[at]] += 1

    def probability(context, token):
        below = probability(context[1:], token) if context else 1 / 4
        if context not in following:
            return below
        seen = following[context]
        return (seen[token] + len(seen) * below) / (seen.total() + len(seen))

    for order, loss in enumerate(count_losses(train, test, 4, 2)):
        logs = [
            math.log(probability(tuple(test[max(0, at - order) : at]), test[at]))
            for at in range(len(test))
        ]
        assert loss == pytest.approx(-sum(logs) / len(logs))

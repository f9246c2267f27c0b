"""Each stage changes its own layer and classifier, and the last one the other network."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from dlfun.metrics import values
from experiments.energy.greedy_cnn import WHOLE, LayerwiseCNN, train_last

KEY = jax.random.key(0)
MODEL = LayerwiseCNN((2, 3), 4)
PARTS = ["layer_1", "layer_2", WHOLE]
RNG = np.random.default_rng(0)
BATCH = {
    "image": jnp.asarray(RNG.integers(0, 256, (6, 8, 8, 1)), jnp.uint8),
    "label": jnp.asarray(RNG.integers(0, 4, 6), jnp.int32),
    "weight": jnp.ones(6),
}


@pytest.mark.parametrize(
    ("count", "network", "changing"),
    [
        (1, "greedy", {"layer_1", "classifier_1"}),
        (2, "greedy", {"layer_2", "classifier_2"}),
        (3, WHOLE, {"layer_1", "layer_2", "classifier_2"}),
    ],
)
def test_a_stage_changes_its_part_alone(count, network, changing, xla_convolutions):
    learner = train_last(MODEL, PARTS[:count], optax.sgd(0.1, momentum=0.9))
    state = jax.jit(learner.init)(KEY, BATCH)
    jax.tree.map(np.testing.assert_array_equal, state.params["greedy"], state.params[WHOLE])
    after, _ = jax.jit(learner.update)(state, BATCH, KEY)
    changed = {
        (name, part)
        for name, parts in state.params.items()
        for part, params in parts.items()
        if not np.array_equal(params["kernel"], after.params[name][part]["kernel"])
    }
    assert changed == {(network, part) for part in changing}
    measured = values(jax.jit(learner.evaluate)(after, BATCH, KEY))
    assert {f"{part}_accuracy" for part in PARTS[:count]} <= set(measured)
    hits = jax.jit(learner.predict)(after, BATCH).argmax(axis=1) == BATCH["label"]
    assert measured[f"{PARTS[count - 1]}_accuracy"] == pytest.approx(float(hits.mean()))

"""The accuracy of both networks under each attack."""

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from dlfun import metrics
from dlfun.algorithms.adversarial_examples import Epsilon, fgsm, pgd, random_start
from dlfun.data.images import normalize
from dlfun.data.order import rows
from dlfun.experiment import Trained
from dlfun.learner import Batch, Key
from dlfun.metrics import Metrics, values
from dlfun.nn.losses import cross_entropy
from dlfun.train.gather import gather

CHUNK = 500
"""Images that are attacked at once."""
Logits = Callable[[Any, Array], Array]
"""Function from variables and images in [0, 1] to logits."""


def networks(trained: Trained) -> dict[str, Any]:
    """The variables of the plain network and of the one that was trained on FGSM."""
    return {"plain": trained.state.below[0], "trained": trained.state.top.variables}


def attacked(logits: Logits, steps: int) -> Callable[..., Metrics]:
    """A compiled function from variables, a batch, ε and a key to accuracies.

    "accuracy" is that on the images as they are, "fgsm_accuracy" and "pgd_accuracy" those under
    attack, of PGD in so many `steps` from a random start.
    """

    def measured(variables: Any, batch: Batch, epsilon: Epsilon, key: Key) -> Metrics:
        x, label, weight = normalize()(batch["image"]), batch["label"], batch["weight"]

        def loss(x: Array) -> Array:
            return cross_entropy(logits(variables, x), label)

        images = {
            "accuracy": x,
            "fgsm_accuracy": fgsm(loss, x, epsilon),
            "pgd_accuracy": pgd(loss, x, epsilon, steps, random_start(key, x, epsilon)),
        }
        return {n: metrics.top_k(logits(variables, y), label, weight) for n, y in images.items()}

    return jax.jit(measured)


def accuracies(
    trained: Trained, logits: Logits, split: Mapping[str, np.ndarray], key: Key
) -> dict[str, dict[float, dict[str, float]]]:
    """The accuracies of `attacked` on a split, by network and by the Config's `epsilons`."""
    columns = {name: jnp.asarray(split[name]) for name in ("image", "label")}
    size = len(split["label"])
    chunks = jnp.asarray(rows(np.arange(size), min(CHUNK, size)))
    attack = attacked(logits, trained.config.steps)

    def measured(variables: Any, epsilon: float) -> dict[str, float]:
        parts = [
            attack(variables, gather(columns, chunk), epsilon, jax.random.fold_in(key, number))
            for number, chunk in enumerate(chunks)
        ]
        return values(reduce(metrics.add, parts))

    return {
        name: {epsilon: measured(variables, epsilon) for epsilon in trained.config.epsilons}
        for name, variables in networks(trained).items()
    }

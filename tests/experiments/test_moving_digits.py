"""Networks that watch videos: what each of them can tell apart."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.sequence_to_sequence.moving_digits.network import VideoClassifier

VIDEO = jnp.asarray(np.random.default_rng(0).normal(size=(2, 4, 8, 8, 1)), jnp.float32)
BACKWARDS = VIDEO[:, ::-1]
MIDDLE = VIDEO.at[:, [0, 1, 3]].set(0)


def logits(**options):
    model = VideoClassifier(3, (2, 3), 4, **options)
    variables = jax.jit(model.init)(jax.random.key(1), VIDEO)
    return [np.asarray(jax.jit(model.apply)(variables, x)) for x in (VIDEO, BACKWARDS, MIDDLE)]


@pytest.mark.parametrize(
    ("options", "order", "others"),
    [
        ({}, True, True),
        ({"reach": 1}, True, True),
        ({"recurrent": False}, True, True),
        ({"reach": 1, "recurrent": False}, False, True),
        ({"reach": 1, "recurrent": False, "single": True}, True, False),
    ],
    ids=["3-D and GRU", "2-D and GRU", "3-D", "2-D and mean", "one frame"],
)
def test_what_a_network_sees(options, order, others):
    """Check whether logits depend on the frames' order, and on frames other than the middle one.

    2-D convolutions of each frame and a mean over them know no order, so no direction.
    """
    forward, backward, middle = logits(**options)
    assert np.allclose(forward, backward, atol=1e-5) != order
    assert np.allclose(forward, middle, atol=1e-5) != others

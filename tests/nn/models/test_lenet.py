from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dlfun.nn import summary
from dlfun.nn.models.lenet import TABLE, LeNet, LeNet5


def test_the_counts_are_the_papers(parameters):
    """60,000 before the output layer: 156, 12, 1,516, 32, 48,120, 10,164."""
    assert parameters(LeNet5(), (28, 28, 1)) == 60_000 + 850 == parameters(LeNet5(), (32, 32, 1))
    rows = summary.summarize(LeNet5(), jnp.zeros((1, 28, 28, 1)))
    own = {row.name: row.parameters for row in rows if row.parameters}
    assert list(own.values()) == [156, 12, 1516, 32, 48_120, 10_164, 850]
    assert [r.output for r in rows if r.name == "C3"] == [(10, 10, 16)]
    assert parameters(LeNet(), (28, 28, 1)) == 61_706


def test_maps_of_c3_read_what_the_table_says():
    """The first map of S2 changes those maps of C3 that name it."""
    assert sum(map(len, TABLE)) == 60
    model = LeNet5()
    x = jax.random.normal(jax.random.key(1), (1, 28, 28, 1))
    variables = jax.jit(model.init)(jax.random.key(0), x)
    look = jax.jit(partial(model.apply, capture_intermediates=True))
    changed = variables["params"]["S2"] | {"bias": jnp.array([1.0, 0, 0, 0, 0, 0])}
    moved = {"params": variables["params"] | {"S2": changed}}
    inside = [look(v, x)[1]["intermediates"] for v in (variables, moved)]
    before, after = (found["C3"]["__call__"][0] for found in inside)
    touched = np.abs(after - before).max((0, 1, 2)) > 0
    assert touched.tolist() == [0 in sources for sources in TABLE]


def test_28_pixels_are_32_with_a_border():
    x = jax.random.normal(jax.random.key(1), (2, 28, 28, 1))
    model = LeNet5()
    variables = jax.jit(model.init)(jax.random.key(0), x)
    bordered = jnp.pad(x, [(0, 0), (2, 2), (2, 2), (0, 0)])
    apply = jax.jit(model.apply)
    np.testing.assert_allclose(apply(variables, x), apply(variables, bordered), atol=1e-5)
    with pytest.raises(ValueError, match="28x28 or 32x32"):
        model.init(jax.random.key(0), x[:, 1:])


@pytest.mark.parametrize("model", [LeNet5(4), LeNet(4)])
def test_it_learns(model, assert_learns):
    assert_learns(model, (28, 28, 1))


def test_the_modern_form_equals_torch(assert_equals_torch):
    torch = pytest.importorskip("torch")
    nn = torch.nn

    class Peer(nn.Module):
        def __init__(self):
            super().__init__()
            self.maps = nn.Sequential(
                *(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
                *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)),
            )
            self.dense = nn.Sequential(
                *(nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))
            )

        def forward(self, x):
            return self.dense(self.maps(x).permute(0, 2, 3, 1).flatten(1))

    assert_equals_torch(LeNet(), Peer(), (2, 28, 28, 1))

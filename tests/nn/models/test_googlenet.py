import jax
import jax.numpy as jnp
import pytest

from dlfun.nn.losses import Heads
from dlfun.nn.models.googlenet import STAGES, GoogLeNet, googlenet_small

pytestmark = pytest.mark.usefixtures("xla_convolutions")

TINY = GoogLeNet(4, small=True, divide=16, rate=0.0, auxiliary_rate=0.0)


def test_parameter_counts(parameters):
    assert parameters(GoogLeNet(auxiliary=False), (224, 224, 3)) == 6_624_904
    assert parameters(GoogLeNet(), (224, 224, 3)) == 13_004_888


def test_heads_are_for_training_alone():
    x, key = jnp.zeros((2, 16, 16, 1)), jax.random.key(0)
    variables = jax.eval_shape(TINY.init, key, x)
    assert jax.eval_shape(TINY.apply, variables, x).shape == (2, 4)

    def train(variables, x, training):
        return TINY.apply(variables, x, training, rngs={"dropout": key}, mutable=["batch_stats"])

    heads, _ = jax.eval_shape(train, variables, x, jnp.ones(2))
    assert isinstance(heads, Heads)
    assert [head.shape for head in (heads.main, *heads.auxiliary)] == [(2, 4)] * 3


@pytest.mark.parametrize(("modules", "heads"), [((1, 1, 1), 1), ((1, 4, 1), 2)])
def test_heads_of_the_small_one(modules, heads):
    model = googlenet_small(divide=16, modules=modules)
    x, key = jnp.zeros((2, 28, 28, 1)), jax.random.key(0)
    params = jax.eval_shape(model.init, key, x)["params"]
    assert sum(name.startswith("Auxiliary") for name in params) == heads
    assert sum(name.startswith("Inception") for name in params) == sum(modules)


def test_it_learns(assert_learns):
    """One module, which the first auxiliary head reads."""
    short = TINY.clone(stages=((), STAGES[1][:1], ()))
    assert_learns(short, (8, 8, 1), steps=3)


def test_logits_equal_torch(assert_equals_torch):
    torch = pytest.importorskip("torch")
    nn = torch.nn

    def unit(cin, cout, window, stride=1):
        conv = nn.Conv2d(cin, cout, window, stride, window // 2, bias=False)
        return nn.Sequential(conv, nn.BatchNorm2d(cout, eps=1e-3), nn.ReLU())

    class Inception(nn.Module):
        def __init__(self, cin, widths):
            super().__init__()
            one, reduce_three, three, reduce_five, five, pool = (w // 16 for w in widths)
            self.branches = nn.ModuleList(
                [
                    unit(cin, one, 1),
                    nn.Sequential(unit(cin, reduce_three, 1), unit(reduce_three, three, 3)),
                    nn.Sequential(unit(cin, reduce_five, 1), unit(reduce_five, five, 3)),
                    nn.Sequential(nn.MaxPool2d(3, 1, 1), unit(cin, pool, 1)),
                ]
            )
            self.width = one + three + five + pool

        def forward(self, x):
            return torch.cat([branch(x) for branch in self.branches], 1)

    def halve(window):
        return nn.MaxPool2d(window, 2, ceil_mode=True)

    layers = [unit(3, 4, 7, 2), halve(3), unit(4, 4, 1), unit(4, 12, 3), halve(3)]
    channels = 12
    stages = STAGES[0], STAGES[1][:1], STAGES[2][:1]
    for stage, modules in enumerate(stages):
        layers += [[], [halve(3)], [halve(2)]][stage]
        for widths in modules:
            layers.append(Inception(channels, widths))
            channels = layers[-1].width
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(channels, 7)]
    model = GoogLeNet(7, auxiliary=False, divide=16, stages=stages)
    assert_equals_torch(model, nn.Sequential(*layers), (2, 40, 40, 3))

"""The work of a step that a matrix library leaves on one core, counted from its program."""

import jax
import jax.numpy as jnp
import pytest

from dlfun.learner import Learner
from dlfun.train import cost, options
from dlfun.train.cost import small_products
from dlfun.train.options import Options, settle
from tests.works import make_work


def count(function, *shapes):
    return small_products(jax.make_jaxpr(function)(*map(jnp.zeros, shapes)).jaxpr)


def convolution(groups=1, stride=1):
    def function(image, kernel):
        return jax.lax.conv_general_dilated(
            image,
            kernel,
            (stride, stride),
            "SAME",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=groups,
        )

    return function


@pytest.mark.parametrize(
    ("groups", "stride", "expected"),
    [
        (1, 1, 2 * 6 * 8 * 12 * (3 * 5 * 4)),
        (1, 2, 2 * 3 * 4 * 12 * (3 * 5 * 4)),
        (4, 1, 2 * 6 * 8 * 12 * (3 * 5 * 1)),
    ],
)
def test_a_convolution_is_outputs_times_kernel(groups, stride, expected):
    """Each output takes a multiply-add for each weight that it reads."""
    image, kernel = (2, 6, 8, 4), (3, 5, 4 // groups, 12)
    assert count(convolution(groups, stride), image, kernel) == expected


def recurrence(length):
    def function(weights, inputs, state):
        def step(state, inputs):
            return jnp.tanh(state @ weights + inputs), None

        return jax.lax.scan(step, state, inputs, length)[0]

    return function


def test_products_count_inside_a_scan_only():
    """A scan's, times its length; those outside are spread over the cores."""
    inside = 7 * 3 * 5 * 5
    assert count(recurrence(7), (5, 5), (7, 3, 5), (3, 5)) == inside
    assert count(lambda a, b: a @ b, (64, 32), (32, 16)) == 0
    batched = 4 * 2 * 3 * 5 * 6

    def products(a, b):
        return jax.lax.scan(lambda c, _: (c, jnp.einsum("bij,bjk->bik", a, b)), 0.0, None, 4)[1]

    assert count(products, (2, 3, 5), (2, 5, 6)) == batched


def test_calls_branches_and_scans_are_opened():
    shapes = (2, 6, 8, 4), (3, 5, 4, 12)
    once = count(convolution(), *shapes)
    assert count(jax.jit(convolution()), *shapes) == once
    assert count(jax.checkpoint(convolution()), *shapes) == once

    def branches(image, kernel):
        both = convolution(), lambda *x: convolution()(*x) + convolution()(*x)
        return jax.lax.cond(image.sum() > 0, *both, image, kernel)

    assert count(branches, *shapes) == 2 * once

    def repeated(image, kernel):
        def step(c, _):
            return c, recurrence(7)(image[0, 0, :4], jnp.zeros((7, 3, 4)), jnp.zeros((3, 4)))

        return jax.lax.scan(step, convolution()(image, kernel), None, 2)

    assert count(repeated, *shapes) == once + 2 * 7 * 3 * 4 * 4


def test_two_devices_where_they_pay(digits, monkeypatch):
    """Not for an MLP's large products, nor where the learner takes no averages."""
    stage = make_work(digits).stage
    alone = settle(Options(), [stage])
    assert (alone.devices, alone.parallel, alone.feed) == (1, "jit", "memory")
    monkeypatch.setattr(cost, "MULTIPLY_ADDS", 0)
    two = settle(Options(), [stage])
    assert (two.devices, two.parallel) == (2, "shard_map")
    plain = Learner(stage.learner.init, stage.learner.update, stage.learner.evaluate)
    assert settle(Options(), [stage._replace(learner=plain)]).devices == 1
    assert options.pays_on_two(stage)

"""Small trainings for tests of the loop, below the run directory."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from dlfun import experiment as experiments
from dlfun.train import loop
from dlfun.train.compile import compile_learner
from dlfun.train.loop import Work


def make_work(dataset, seeds=(0,), **fields):
    """The only stage of mnist_mlp, small and short, with some fields of its Config changed."""
    experiment = experiments.load("mnist_mlp")
    values = {"hidden": (16,), "epochs": 2, "seed": seeds[0]} | fields
    (stage,) = experiment.stages(experiment.Config(**values), dataset)
    return Work(stage, seeds)


def programs_of(work, devices=1, parallel="jit", feed="memory"):
    """The compiled programs of a stage without inputs."""
    return compile_learner(
        lambda _: work.stage.learner, devices=devices, parallel=parallel, feed=feed
    )


def finish(work, programs=None, position=None, **options):
    """The last progress of a stage, its arrays on the host."""
    programs = programs or programs_of(work)
    position = position or loop.start(work, programs)
    *_, last = loop.fit(work, position, programs, **options)
    return jax.device_get(last)


def params(progress, number=0):
    """The parameters of a member."""
    return loop.member(progress.position.state.params, number)


def assert_equal(a, b, **tolerance):
    """Fail where two trees differ, in any bit or by more than the tolerance."""
    compare = np.testing.assert_allclose if tolerance else np.testing.assert_array_equal
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        compare(x, y, **tolerance)


def assert_close(a, b, tolerance=1e-5):
    """Fail where trees of one structure differ by more than `tolerance`, absolute plus relative."""
    compare = partial(np.testing.assert_allclose, rtol=tolerance, atol=tolerance)
    jax.tree.map(compare, a, b)


def output_and_gradients(function, *args):
    """y = function(*args), and the gradients of Σᵢ cos(i) yᵢ with respect to args."""
    y, back = jax.vjp(function, *args)
    return y, back(jnp.cos(jnp.arange(y.size, dtype=y.dtype)).reshape(y.shape))


def compiled(learner):
    """The learner with its functions compiled: faster than operation by operation, even once."""
    functions = {
        name: jax.jit(getattr(learner, name))
        for name in ("init", "update", "evaluate", "predict")
        if getattr(learner, name)
    }
    return learner._replace(**functions)

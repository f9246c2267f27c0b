"""Steps a second of agents in an environment, beside loops of PyTorch and Gymnasium, in turns.

`python -m benchmarks.control --help`. It needs `pip install 'dlfun[benchmarks,test]'`. Rates
are per second of processor time, of all threads: what else runs on the machine then counts for
little. Deep Q-learning is that of `cartpole_dqn`, the loop beside it that of cleanrl's dqn.py;
beside REINFORCE stands the loop of PyTorch's example reinforce.py.
"""

import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import jax
import jax.numpy as jnp
from annotated_types import Ge
from jax import lax

from benchmarks import command, control_pytorch, tables
from benchmarks.energy import Comparison, rows
from benchmarks.tables import Rows
from dlfun import experiment as experiments
from dlfun.algorithms.reinforce import reinforce
from dlfun.environments import find, play
from dlfun.errors import UserError
from dlfun.learner import nonempty
from dlfun.nn.models.mlp import MLP
from dlfun.optimizers import make_optimizer

NAME, EPSILON, OTHER = "CartPole-v1", 0.05, "PyTorch and Gymnasium"


@dataclass(frozen=True)
class Benchmark:
    """Time steps in the environment, deep Q-learning and REINFORCE."""

    repeats: Annotated[int, Ge(1)] = 5
    """Runs of each program, of which the median is reported, after one to warm up."""
    quick: bool = False
    """Few steps: only whether it runs."""
    markdown: bool = False
    """Print Markdown instead of a table."""


def acting(quick: bool) -> Comparison:
    """Episodes of random actions, many at once, beside one after another in Gymnasium."""
    episodes = 10 if quick else 1000
    environment = find(NAME)

    def random(states: jax.Array, noise: jax.Array) -> jax.Array:
        return (noise < 0.5).astype(jnp.int32)

    compiled = jax.jit(lambda keys: play(environment, random, keys).states)
    keys = jax.random.split(jax.random.key(0), episodes)

    def run_dlfun() -> int:
        # Steps after the end of an episode are computed as all others are.
        return jax.block_until_ready(compiled(keys)).shape[0] * episodes

    def run_gymnasium() -> int:
        import gymnasium

        made, steps = gymnasium.make(NAME), 10 * episodes
        made.reset(seed=0)
        for _ in range(steps):
            _, _, terminated, truncated, _ = made.step(made.action_space.sample())
            if terminated or truncated:
                made.reset()
        return steps

    work = f"random actions, {episodes:,} episodes at once"
    return Comparison(work, "steps", {"dlfun": run_dlfun, "Gymnasium": run_gymnasium})


def learning(quick: bool, agents: int) -> Comparison:
    """Deep Q-learning from the step on at which it learns, at the last ε.

    Agents are seeds of one population, as a sweep trains them; beside them, one loop of PyTorch.
    """
    experiment, updates = experiments.load("cartpole_dqn"), 20 if quick else 500
    config = experiment.Config(learning_starts=1, first_epsilon=EPSILON, last_epsilon=EPSILON)
    learner = experiment.stages(config, experiment.data(config))[0].learner
    batch = {"weight": jnp.ones(config.batch_size)}

    def train(state: Any, key: jax.Array) -> Any:
        def body(number: jax.Array, state: Any) -> Any:
            with nonempty(batch):
                return learner.update(state, batch, jax.random.fold_in(key, number))[0]

        return lax.fori_loop(0, updates, body, state)

    keys = jax.random.split(jax.random.key(0), agents) if agents > 1 else jax.random.key(0)
    together = jax.vmap if agents > 1 else lambda function: function
    state = [jax.jit(together(lambda key: learner.init(key, batch)))(keys)]
    compiled = jax.jit(together(train))

    def ours() -> int:
        state[0] = jax.block_until_ready(compiled(state[0], keys))
        return updates * config.batch_size * agents

    loop = control_pytorch.deep_q_learning(NAME, config, EPSILON)
    programs = {"dlfun": ours, OTHER: lambda: loop(updates * config.batch_size)}
    named = "one agent" if agents == 1 else f"{agents} agents"
    return Comparison(f"deep Q-learning, {named}", "steps", programs)


def policy_gradient(quick: bool) -> Comparison:
    """REINFORCE without a baseline, once episodes have become long."""
    experiment = experiments.load("cartpole_reinforce")
    config = experiment.Config()
    environment, updates = find(NAME), 1 if quick else 100
    learner = reinforce(environment, MLP(config.hidden, 2), make_optimizer(config.optimizer))
    update, batch = jax.jit(learner.update), {"weight": jnp.ones(config.batch_size)}
    state = [learner.init(jax.random.key(0), batch)]

    def go_on(updates: int) -> int:
        measured = []
        for number in range(updates):
            state[0], metrics = update(state[0], batch, jax.random.key(number))
            measured.append(metrics["return"].total)  # Each step is rewarded by 1.
        return int(sum(measured))

    go_on(updates)
    loop = control_pytorch.policy_gradient(NAME, config.hidden[0], config.discount)
    programs = {"dlfun": lambda: go_on(max(1, updates // 5)), OTHER: lambda: loop(updates)}
    return Comparison(f"REINFORCE, {config.batch_size} episodes an update", "steps", programs)


@command.one_line_errors
def main(arguments: Sequence[str]) -> int:
    """Measure, print the table, and return the exit status."""
    benchmark = command.parse(Benchmark, arguments, "python -m benchmarks.control")
    for module in ("torch", "gymnasium"):
        if importlib.util.find_spec(module) is None:
            raise UserError(f"{module}, to compare with, is not installed: pip install {module}")
    measured = [
        row
        for comparison in (
            acting(benchmark.quick),
            learning(benchmark.quick, 1),
            learning(benchmark.quick, 10),
            policy_gradient(benchmark.quick),
        )
        for row in rows(comparison, benchmark.repeats)
    ]
    header = ("work", "counted", "dlfun, 1/s", "other, 1/s", "other", "dlfun / other")
    table = Rows("Agents in an environment", header, measured)
    print(tables.markdown(table)) if benchmark.markdown else tables.show(table)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Deep Q-learning balances a pole on a cart within 500,000 steps, from eight of ten seeds.

Figure: mean return of the last 100 episodes 495 ± 11, ten seeds; 9 of them ≥ 475
Time: 110 s on one CPU core
Command: python launch.py train cartpole_dqn

CartPole-v1 (Barto, Sutton, Anderson 1983), equal to Gymnasium's: 1 for each step that the pole
stays up, 500 at most. It counts as solved where the mean return of the last 100 episodes of
training, which still act at random one step in twenty, is at least 475. A network 4-120-84-2 learns
from a buffer of the last 10,000 transitions, with the settings of cleanrl's dqn.py (Huang et al.
2022; Mnih et al. 2015). `--double` and `--duelling` are the variants of van Hasselt et al. (2016)
and of Wang et al. (2016). A claim is of the share of seeds that solve it: run it with `--seeds 10`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Le
from jaxtyping import Array

from dlfun.algorithms.dqn import dqn, linear
from dlfun.config import BatchSize, Epochs, Seed, Widths
from dlfun.data.dataset import Dataset, ticks
from dlfun.environments import find
from dlfun.experiment import Animation, Claim, Objective, Quick, Trained
from dlfun.learner import Key, Learner
from dlfun.nn.models.duelling import Duelling
from dlfun.nn.models.mlp import MLP
from dlfun.optimizers import Optimizer, make_optimizer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SOURCE = "Gymnasium's threshold; cleanrl, dqn.py"
FORMULA = r"""
L(\theta) = \mathbb{E} \left(y - Q(s, a; \theta)\right)^2, \quad y = r + \gamma \max_{a'} Q(s',
a'; \theta^-)
"""
CLAIMS = [
    Claim("train/solved", SOURCE, at_least=0.8),
    Claim("train/latest_return", SOURCE, 488.69, at_least=475),
]
QUICK = Quick(
    {
        "environment": "CartPole-v0",
        "steps": 5_000,
        "epochs": 6,
        "learning_starts": 1_000,
        "exploration": 10_000,
        "optimizer.learning_rate": 1e-3,
    },
    [Claim("train/latest_return", SOURCE, at_least=50)],
)
OBJECTIVE = Objective("return", "max")
EPISODES = 100
"""Episodes of an evaluation, without random actions."""


@dataclass(frozen=True)
class Config:
    """Deep Q-learning of the pole on a cart."""

    environment: str = "CartPole-v1"
    """CartPole-v1, of 500 steps, or CartPole-v0, of 200."""
    hidden: Widths = (120, 84)
    """Widths of the hidden layers."""
    double: bool = False
    """The network chooses the action whose value the target network gives."""
    duelling: bool = False
    """The network adds the value of the state and the advantages of actions."""
    discount: Annotated[float, Ge(0), Le(1)] = 0.99
    """γ, by which a reward counts less for each step that it is away."""
    buffer: Annotated[int, Ge(1)] = 10_000
    """Transitions that are remembered."""
    replayed: Annotated[int, Ge(1)] = 128
    """Transitions of a step of gradient descent."""
    learning_starts: Annotated[int, Ge(1)] = 10_000
    """Steps in the environment before the first of gradient descent."""
    target_every: Annotated[int, Ge(1)] = 500
    """Steps in the environment after which the target network is renewed."""
    first_epsilon: Annotated[float, Ge(0), Le(1)] = 1.0
    """Share of random actions at the start."""
    last_epsilon: Annotated[float, Ge(0), Le(1)] = 0.05
    """The share to which it falls linearly."""
    exploration: Annotated[int, Ge(1)] = 250_000
    """Steps in the environment over which it falls."""
    steps: Annotated[int, Ge(1)] = 50_000
    """Steps in the environment in an epoch."""
    epochs: Epochs = 10
    batch_size: BatchSize = 10
    """Steps in the environment for one of gradient descent."""
    optimizer: Optimizer = Optimizer(learning_rate=2.5e-4)
    seed: Seed = 0


def data(config: Config) -> Dataset:
    """A dataset of empty examples, one for each step in the environment and each test episode."""
    return ticks(config.steps, EPISODES)


def learner(config: Config, dataset: Dataset) -> Learner:
    """The agent."""
    c, environment = config, find(config.environment)
    return dqn(
        environment,
        (Duelling if c.duelling else MLP)(c.hidden, environment.actions),
        make_optimizer(c.optimizer, dataset.steps_per_epoch(c.batch_size), c.epochs),
        linear(c.first_epsilon, c.last_epsilon, c.exploration),
        discount=c.discount,
        capacity=c.buffer,
        replayed=c.replayed,
        learning_starts=c.learning_starts,
        target_every=c.target_every,
        double=c.double,
    )


def latest_return(trained: Trained) -> float:
    """The mean return of the last 100 episodes of training."""
    return float(trained.state.acting.latest.returns.mean())


def measure(trained: Trained, key: Key) -> dict[str, float]:
    """The mean return of the last 100 episodes of training, and whether it counts as solved."""
    latest, threshold = latest_return(trained), find(trained.config.environment).threshold
    return {"train/latest_return": latest, "train/solved": float(latest >= threshold)}


def sample(trained: Trained, key: Key, count: int) -> Iterator[Animation]:
    """Episodes without random actions."""
    from dlfun.plots.cart_pole import animations

    def best(states: Array, noise: Array) -> Array:
        assert trained.learner.predict is not None
        return trained.learner.predict(trained.state, {"state": states}).argmax(axis=1)

    yield from animations(find(trained.config.environment), best, key, count)


def figures(trained: Trained, rows: list[dict[str, Any]]) -> Iterator[tuple[str, "Figure"]]:
    """Return against the steps in the environment, in training and without random actions."""
    from dlfun.plots.returns import returns

    c = trained.config
    title = f"Deep Q-learning: a mean return of {latest_return(trained):.0f} in the end"
    yield "returns", returns(title, rows, {"": ""}, find(c.environment), c.steps, "steps")

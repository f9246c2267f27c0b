"""REINFORCE balances a pole on a cart within 2,000 episodes, and sooner with a baseline.

Figure: mean return of the last 100 episodes 496 ± 3, ten seeds; without a baseline, 8 solve it
Time: 6 s on one CPU core
Command: python launch.py train cartpole_reinforce

CartPole-v1 (Barto, Sutton, Anderson 1983), equal to Gymnasium's: 1 for each step that the pole
stays up, 500 at most. It counts as solved where the mean return of the last 100 of 2,000 episodes
of training, which act by the policy's probabilities, is at least 475. Two agents (Williams 1992),
each with a policy 4-128-2 as in PyTorch's example reinforce.py, play ten episodes for each step of
Adam, at a rate that falls to 0. One subtracts a baseline from the returns, a network 4-128-1 fitted
to them (Sutton, Barto 2018, sec. 13.4). A claim is of the share of seeds that solve it: run it with
`--seeds 10`. Episodes 801 to 900 have a mean return of 482 with the baseline, of 408 without.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Le
from jaxtyping import Array

from dlfun.algorithms.reinforce import draw_action, reinforce
from dlfun.config import BatchSize, Epochs, Seed, Widths
from dlfun.data.dataset import Dataset, ticks
from dlfun.environments import find
from dlfun.experiment import Animation, Claim, Objective, Quick, Trained
from dlfun.learner import Key, Learner
from dlfun.nn.models.mlp import MLP
from dlfun.optimizers import Optimizer, Schedule, make_optimizer
from dlfun.transforms import compare

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAMES = {"baseline": "with a baseline", "plain": "without"}
SOURCE = "Gymnasium's threshold; Williams (1992)"
FORMULA = r"""
\nabla J(\theta) = \mathbb{E} \sum_t \nabla \log \pi_\theta(a_t \mid s_t) \, (G_t - b(s_t)), \quad
G_t = \sum_{k \ge 0} \gamma^k r_{t+k}
"""
CLAIMS = [
    Claim("train/baseline_solved", SOURCE, at_least=0.8),
    Claim("train/baseline_latest_return", SOURCE, at_least=475),
    Claim("train/plain_solved", SOURCE, at_least=0.8),
]
QUICK = Quick(
    {"environment": "CartPole-v0", "episodes": 50, "epochs": 10, "hidden": (64,)},
    [Claim("train/baseline_latest_return", SOURCE, at_least=50)],
)
OBJECTIVE = Objective("baseline_return", "max")
EPISODES = 100
"""Episodes of an evaluation."""


@dataclass(frozen=True)
class Config:
    """REINFORCE with and without a baseline on the pole on a cart."""

    environment: str = "CartPole-v1"
    """CartPole-v1, of 500 steps, or CartPole-v0, of 200."""
    hidden: Widths = (128,)
    """Widths of the hidden layers of each network."""
    discount: Annotated[float, Ge(0), Le(1)] = 0.99
    """γ, by which a reward counts less for each step that it is away."""
    episodes: Annotated[int, Ge(1)] = 100
    """Episodes in an epoch."""
    epochs: Epochs = 20
    batch_size: BatchSize = 10
    """Episodes for each update."""
    optimizer: Optimizer = Optimizer(learning_rate=1e-2, schedule=Schedule("cosine", 0.0))
    """Optimizer of each network."""
    seed: Seed = 0


def data(config: Config) -> Dataset:
    """A dataset of empty examples, one for each episode."""
    return ticks(config.episodes, EPISODES)


def learner(config: Config, dataset: Dataset) -> Learner:
    """Both agents, compared."""
    c, environment = config, find(config.environment)
    agent = partial(
        reinforce,
        environment,
        MLP(c.hidden, environment.actions),
        make_optimizer(c.optimizer, dataset.steps_per_epoch(c.batch_size), c.epochs),
        discount=c.discount,
    )
    return compare({"baseline": agent(baseline=MLP(c.hidden, 1)), "plain": agent()})


def latest_return(trained: Trained, name: str) -> float:
    """An agent's mean return in the last 100 episodes of training."""
    return float(trained.state[name].collections["latest"].returns.mean())


def measure(trained: Trained, key: Key) -> dict[str, float]:
    """Each agent's mean return in the last 100 episodes, and whether that counts as solved."""
    threshold, measured = find(trained.config.environment).threshold, dict[str, float]()
    for name in NAMES:
        latest = latest_return(trained, name)
        measured[f"train/{name}_latest_return"] = latest
        measured[f"train/{name}_solved"] = float(latest >= threshold)
    return measured


def sample(trained: Trained, key: Key, count: int) -> Iterator[Animation]:
    """Episodes of the agent with a baseline."""
    from dlfun.plots.cart_pole import animations

    def policy(states: Array, noise: Array) -> Array:
        assert trained.learner.predict is not None
        logits = trained.learner.predict(trained.state, {"state": states})
        return draw_action(logits["baseline"], noise)

    yield from animations(find(trained.config.environment), policy, key, count)


def figures(trained: Trained, rows: list[dict[str, Any]]) -> Iterator[tuple[str, "Figure"]]:
    """Return against the episodes of training, with and without a baseline."""
    from dlfun.plots.returns import returns

    c = trained.config
    latest = {name: latest_return(trained, name) for name in NAMES}
    title = f"REINFORCE: a mean return of {latest['baseline']:.0f} in the end with a baseline, "
    title += f"{latest['plain']:.0f} without"
    labels = {f"{name}_": label for name, label in NAMES.items()}
    yield "returns", returns(title, rows, labels, find(c.environment), c.episodes, "episodes")

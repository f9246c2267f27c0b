"""Deep Q-learning and REINFORCE in PyTorch and Gymnasium: what `benchmarks.control` compares with.

Functions import PyTorch, which is optional. One thread: more are slower for so small networks.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np


def network(*widths: int) -> Any:
    """Dense layers with ReLUs between them."""
    from torch import nn

    layers = [part for pair in pairwise(widths) for part in (nn.Linear(*pair), nn.ReLU())]
    return nn.Sequential(*layers[:-1])


def deep_q_learning(name: str, config: Any, epsilon: float) -> Callable[[int], int]:
    """The function that makes some more steps in an environment, as cleanrl's dqn.py makes them.

    `config` is that of `cartpole_dqn`.
    """
    import gymnasium
    import torch
    from torch.nn.functional import mse_loss

    torch.manual_seed(0)
    torch.set_num_threads(1)
    made, rng = gymnasium.make(name), np.random.default_rng(0)
    online, target = (network(4, *config.hidden, 2) for _ in range(2))
    target.load_state_dict(online.state_dict())
    optimizer = torch.optim.Adam(online.parameters(), lr=config.optimizer.learning_rate)
    size = config.buffer
    states, after = np.zeros((2, size, 4), np.float32)
    actions, rewards, terminal = np.zeros((size, 1), int), *np.zeros((2, size), np.float32)
    state, done = made.reset(seed=0)[0], 0

    def learn() -> None:
        row = rng.integers(0, min(done, size), config.replayed)
        with torch.no_grad():
            best = target(torch.as_tensor(after[row])).max(dim=1).values
            going_on = 1 - torch.as_tensor(terminal[row])
            y = torch.as_tensor(rewards[row]) + config.discount * best * going_on
        value = online(torch.as_tensor(states[row])).gather(1, torch.as_tensor(actions[row]))
        loss = mse_loss(value[:, 0], y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def go_on(steps: int) -> int:
        nonlocal state, done
        for _ in range(steps):
            if rng.random() < epsilon:
                action = int(rng.integers(2))
            else:
                with torch.no_grad():
                    action = int(online(torch.as_tensor(state)[None]).argmax(dim=1))
            new, reward, terminated, truncated, _ = made.step(action)
            row = done % size
            states[row], after[row], actions[row] = state, new, action
            rewards[row], terminal[row] = reward, terminated
            state = made.reset()[0] if terminated or truncated else new
            done += 1
            if done % config.batch_size == 0:
                learn()
            if done % config.target_every == 0:
                target.load_state_dict(online.state_dict())
        return steps

    return go_on


def policy_gradient(name: str, hidden: int, discount: float) -> Callable[[int], int]:
    """The function that plays some more episodes, as PyTorch's example reinforce.py plays them."""
    import gymnasium
    import torch
    from torch.distributions import Categorical

    torch.manual_seed(0)
    torch.set_num_threads(1)
    made, policy = gymnasium.make(name), network(4, hidden, 2)
    optimizer = torch.optim.Adam(policy.parameters(), lr=1e-2)

    def go_on(episodes: int) -> int:
        steps = 0
        for _ in range(episodes):
            state, ended = made.reset()[0], False
            logs: list[torch.Tensor] = []
            rewards: list[float] = []
            while not ended:
                chosen = Categorical(logits=policy(torch.as_tensor(state)[None]))
                action = chosen.sample()
                logs.append(chosen.log_prob(action))
                state, reward, terminated, truncated, _ = made.step(int(action))
                rewards.append(float(reward))
                ended = terminated or truncated
            returns: list[float] = []
            total = 0.0
            for reward in reversed(rewards):
                total = reward + discount * total
                returns.insert(0, total)
            loss = -(torch.cat(logs) * torch.tensor(returns)).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            steps += len(rewards)
        return steps

    return go_on

"""The game of a generator and a critic of images, its samples, and what they are like over time."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float
from scipy.stats import spearmanr

from dlfun.algorithms.adversarial import GAMES, Players, adversarial, check_updates, make_optimizers
from dlfun.algorithms.frozen_layers import blank, freeze, with_frozen
from dlfun.data.dataset import Dataset
from dlfun.data.images import as_images, log_odds, pixels
from dlfun.errors import UserError
from dlfun.experiment import Stage, Trained
from dlfun.learner import Batch, Key, Learner
from dlfun.nn.models.convolutional_gan import ConvCritic, ConvGenerator
from dlfun.transforms import recorded

from .judge import (
    classes_read,
    classifier,
    covered,
    distance_ratio,
    features,
    halves_of_test,
    in_chunks,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.Image import Image

JUDGE_EPOCHS = 2
SHOWN = 10
"""Images in a row of a figure."""

Condition = Callable[[Batch], Array | None]
Draw = Callable[..., Float[np.ndarray, "count pixels"]]


class Course(NamedTuple):
    """Measurements of a game, a number for each part of the training that was done."""

    epochs: Float[np.ndarray, " parts"]
    """The epoch at its end."""
    estimates: Float[np.ndarray, " parts"]
    """Minus the critic's loss: up to a factor and a constant, its estimate of a distance between
    data and samples, Jensen-Shannon's in the original game, Wasserstein's in the other."""
    ratios: Float[np.ndarray, " parts"]
    """Fréchet distance at its end, over that of the halves of the test images."""

    def rank_correlation(self) -> float:
        """Spearman's ρ of estimates and distances."""
        return float(spearmanr(self.estimates, self.ratios).statistic)


def players(config: Any, dataset: Dataset) -> Players:
    """Transposed convolutions against convolutions, on pixels of 0 to 1.

    The generator starts near the mean image, not at grey ones: what it adds to are log-odds.
    """
    c, train = config, dataset.splits["train"]["image"]
    shape, start = train.shape[1:], log_odds(train)
    critic = ConvCritic(shape, c.channels[::-1], c.spectral)
    return Players(
        ConvGenerator(shape, c.channels), critic, c.noise, lambda z: jax.nn.sigmoid(z + start)
    )


def game(config: Any, dataset: Dataset, condition: Condition = lambda batch: None) -> Learner:
    """The two players, with the generator and the mean losses of each part of the training."""
    c, steps = config, dataset.steps_per_epoch(config.batch_size)
    check_updates(steps * c.epochs, c.critic_steps)
    if steps * c.epochs < 2:
        raise UserError("a rank correlation over the training: expected 2 updates or more, got 1")
    learner = adversarial(
        players(c, dataset),
        GAMES[c.game],
        make_optimizers(c.optimizer, c.critic_rate, steps, c.epochs),
        lambda batch: pixels(batch["image"]),
        condition,
        critic_steps=c.critic_steps,
        clip=c.clip,
        penalty=c.penalty,
    )
    kept = partial(recorded, keep=lambda state: state.generator.variables, names=["loss"])
    return kept(learner, parts=c.parts, updates=steps * c.epochs)


def judged(
    config: Any, dataset: Dataset, condition: Condition = lambda batch: None
) -> Sequence[Stage]:
    """The network that judges in a stage, and the game in another."""
    c, judge = config, classifier(dataset)
    learner = above(game(c, dataset, condition), (blank(judge, dataset),))
    return [
        Stage(above(judge, ()), dataset, JUDGE_EPOCHS, 64, "judge"),
        Stage(learner, dataset, c.epochs, c.batch_size, "gan", freeze),
    ]


def above(learner: Learner, frozen: tuple[Any, ...]) -> Learner:
    """The learner with networks in its state that are used after it, and that it does not read."""
    return with_frozen(learner, frozen, lambda _, batch: batch)


def drawer(trained: Trained) -> Draw:
    """A function that draws images from the generator, compiled once.

    Its arguments are a key, the number of images, the part of the training at whose end the
    generator is taken (by default the last), and a condition, [count, features], if any.
    """
    generate = jax.jit(players(trained.config, trained.dataset).generate)

    def draw(
        key: Key, count: int, part: int = -1, condition: Any = None
    ) -> Float[np.ndarray, "count pixels"]:
        variables = jax.tree.map(lambda leaf: leaf[part], trained.state.top.kept)
        noise = jax.random.normal(key, (count, trained.config.noise))
        conditions = () if condition is None else (condition,)
        return in_chunks(partial(generate, variables), noise, *conditions)

    return draw


def course(trained: Trained, key: Key) -> Course:
    """The measurements of the game and the samples of each part, all from the same noise."""
    c, dataset, loss = trained.config, trained.dataset, trained.state.top.measured["loss"]
    judge, count, draw = trained.state.below[0], np.asarray(loss.count), drawer(trained)
    halves, done = halves_of_test(dataset, judge, c.scored), np.flatnonzero(count)
    ratios = [
        distance_ratio(features(dataset, judge, draw(key, c.scored, part)), halves)
        for part in done.tolist()
    ]
    estimates = -np.asarray(loss.total)[done] / count[done]
    return Course(c.epochs * (done + 1) / c.parts, estimates, np.array(ratios))


def measure(trained: Trained, key: Key) -> dict[str, float]:
    """The distance of the samples, classes that they cover, and whether the loss follows it."""
    judge, went = trained.state.below[0], course(trained, key)
    seen = features(trained.dataset, judge, drawer(trained)(key, trained.config.scored))
    return {
        "test/distance_ratio": float(went.ratios[-1]),
        "test/digits": covered(classes_read(judge, seen), len(trained.dataset.classes)),
        "test/rank_correlation": went.rank_correlation(),
    }


def sample(trained: Trained, key: Key, count: int) -> Iterator["Image"]:
    """Images from the generator."""
    shape = trained.dataset.splits["test"]["image"].shape[1:3]
    yield from as_images(drawer(trained)(key, count), shape)


def figures(trained: Trained, rows: list[dict[str, Any]]) -> Iterator[tuple[str, "Figure"]]:
    """Samples over the training; the critic's loss beside their distance."""
    from .drawing import loss_and_distance, samples_over_training

    key, shape = jax.random.key(0), trained.dataset.splits["test"]["image"].shape[1:3]
    went, draw = course(trained, key), drawer(trained)
    last = len(went.epochs)
    chosen: list[int] = np.unique(np.geomspace(1, last, 6).round().astype(int) - 1).tolist()
    by_epoch = {float(went.epochs[n]): draw(key, SHOWN, n).reshape(-1, *shape) for n in chosen}
    yield "training", samples_over_training(by_epoch)
    yield "loss_and_distance", loss_and_distance(went)

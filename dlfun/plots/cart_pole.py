"""Pictures of the cart with a pole, and animations of episodes."""

import math
from collections.abc import Callable, Iterator
from functools import partial

import jax
import numpy as np
from jaxtyping import Array, Float
from PIL import Image, ImageDraw

from dlfun.environments import Environment, play
from dlfun.environments.cart_pole import FARTHEST, HALF_LENGTH, SECONDS
from dlfun.experiment import Animation
from dlfun.learner import Key
from dlfun.plots.style import INK, PALETTE

WIDTH, HEIGHT, TRACK = 300, 120, 100
"""Size of a picture and the height of the track in it, in pixels."""
METRE = WIDTH / (2 * FARTHEST + 1)


def animations(
    environment: Environment, policy: Callable, key: Key, count: int
) -> Iterator[Animation]:
    """Episodes under a policy (`dlfun.environments.play`), as fast as the pole moves."""
    played = jax.jit(partial(play, environment, policy))(jax.random.split(key, count))
    for number in range(count):
        made = np.asarray(played.present[:, number]) > 0
        states = np.asarray(played.states[:, number])[made]
        yield Animation([frame(state) for state in states], round(1000 * SECONDS))


def frame(state: Float[np.ndarray, "4"] | Array) -> Image.Image:
    """A picture of the state (x, x', θ, θ'): the pole turns to the right as θ grows."""
    image = Image.new("P", (WIDTH, HEIGHT))
    image.putpalette([*_rgb("#FFFFFF"), *_rgb(INK), *_rgb(PALETTE[0]), *_rgb(PALETTE[1])])
    draw, length = ImageDraw.Draw(image), 2 * HALF_LENGTH * METRE
    x, angle = WIDTH / 2 + float(state[0]) * METRE, float(state[2])
    top = TRACK - 10
    draw.line((0, TRACK, WIDTH, TRACK), fill=1)
    draw.rectangle((x - 15, top - 8, x + 15, top + 8), fill=2)
    tip = (x + length * math.sin(angle), top - length * math.cos(angle))
    draw.line((x, top, *tip), fill=3, width=5)
    return image


def _rgb(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour.removeprefix("#")))

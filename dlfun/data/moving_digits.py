"""Videos of a digit that moves in one of eight directions, of which no single frame tells.

`moving_digit` makes one video from a random key and an image, and is pure.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, UInt8

from dlfun.data.dataset import Dataset
from dlfun.data.images import check_grey
from dlfun.errors import UserError
from dlfun.random import stream

DIRECTIONS = {
    "up": (-1, 0),
    "up right": (-1, 1),
    "right": (0, 1),
    "down right": (1, 1),
    "down": (1, 0),
    "down left": (1, -1),
    "left": (0, -1),
    "up left": (-1, -1),
}
"""Rows and columns by which a digit moves at a speed of 1, by the direction's name."""
SHRINK = 2
"""Factor by which a digit is made smaller, each pixel the mean of `SHRINK`², without fractions."""
FASTEST = 3
"""Pixels from a frame to the next at most; the speed is uniform from 1 on."""


def moving_digit(
    key: Key[Array, ""], image: UInt8[Array, "height width 1"], frames: int, size: int
) -> dict[str, Array]:
    """A video of an image on a canvas whose borders are joined, and the number of its direction.

    "video" is uint8 [frames, size, size, 1] and "label" int32. What leaves the canvas on one side
    comes back on the other, and the first place is uniform: so the place in each frame is uniform
    whatever the direction, and one frame alone says nothing of it.
    """
    direction_key, speed_key, place_key = jax.random.split(key, 3)
    label = jax.random.randint(direction_key, (), 0, len(DIRECTIONS))
    speed = jax.random.randint(speed_key, (), 1, FASTEST + 1)
    first = jax.random.randint(place_key, (2,), 0, size)
    step = speed * jnp.array([*DIRECTIONS.values()])[label]
    places = first + step * jnp.arange(frames)[:, None]
    blank = jnp.zeros((size, size, 1), jnp.uint8)
    canvas = jax.lax.dynamic_update_slice(blank, shrunk(image), (0, 0, 0))
    video = jax.vmap(lambda place: jnp.roll(canvas, place, axis=(0, 1)))(places)
    return {"video": video, "label": label.astype(jnp.int32)}


def videos(digits: Dataset, frames: int, size: int, test: int) -> Dataset:
    """The dataset with `test` videos of the digits held out, drawn once, as its "test" split.

    They are the same for every seed of a training. The classes are the directions' names. Raises
    UserError where images have several channels, or the canvas is smaller than a digit.
    """
    check_grey(digits)
    held_out = digits.splits["test"]["image"]
    if size < (least := max(held_out.shape[1:3]) // SHRINK):
        raise UserError(f"--canvas must be at least {least}, the size of a digit, not {size}")
    images = jnp.asarray(held_out[np.arange(test) % len(held_out)])
    draw = jax.jit(jax.vmap(partial(moving_digit, frames=frames, size=size)))
    columns = draw(jax.random.split(stream(0, "test videos"), test), images)
    drawn = {name: np.asarray(column) for name, column in columns.items()}
    splits = {"train": digits.splits["train"], "test": drawn}
    return Dataset("moving digits", splits, tuple(DIRECTIONS), digits.order)


def shrunk(image: UInt8[Array, "height width 1"]) -> UInt8[Array, "less_height less_width 1"]:
    """The image at 1 / `SHRINK` of its height and width, a last odd row or column left out."""
    height, width = (n // SHRINK for n in image.shape[:2])
    blocks = image[: height * SHRINK, : width * SHRINK]
    blocks = blocks.reshape(height, SHRINK, width, SHRINK, 1).astype(jnp.int32)
    return (blocks.sum(axis=(1, 3)) // SHRINK**2).astype(jnp.uint8)


def correlated(
    video: UInt8[np.ndarray, "n frames height width 1"],
) -> Int[np.ndarray, " n"]:
    """The direction in which frames, moved by it, agree best with the next ones.

    Of all directions and speeds the one with the largest Σ_t Σ_p frame_{t+1}(p + step) frame_t(p)
    is taken, borders joined.
    """
    frames: Float[np.ndarray, "n frames height width 1"] = video.astype(np.float32)
    scores = [
        [
            (np.roll(frames[:, :-1], (speed * down, speed * right), (2, 3)) * frames[:, 1:]).sum(
                axis=(1, 2, 3, 4)
            )
            for speed in range(1, FASTEST + 1)
        ]
        for down, right in DIRECTIONS.values()
    ]
    return np.max(scores, axis=1).argmax(axis=0)

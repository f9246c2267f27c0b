"""Generated tasks of long memory: adding, copying, and the order of two symbols.

Each function makes one example from a random key and is pure, so a learner may draw new examples in
every update (`dlfun.transforms.drawing`) in place of a training set.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from dlfun.data.dataset import Dataset, ticks
from dlfun.errors import UserError
from dlfun.random import stream

COPIED = 10
"""Symbols that are to be remembered in the copy task, of `ALPHABET` kinds."""
ALPHABET = 8
BLANK, GO = ALPHABET, ALPHABET + 1
"""The copy task's symbol between, and the one that asks for the copy."""
ORDER_SYMBOLS = 8
"""Kinds of symbols of `temporal_order`: a, b, c, d, X, Y, the first and the last."""

Draw = Callable[[Key[Array, ""]], dict[str, Array]]


def adding(key: Key[Array, ""], length: int) -> dict[str, Float[Array, "..."]]:
    """Numbers from U(0, 1), two of them marked: y is their sum (Hochreiter, Schmidhuber, 1997).

    "x" is [length, 2], the number and the mark (0 or 1); "y" is [1]. One mark lies in the first
    half, the other in the second. Predicting 1 has a mean squared error of 1/6.
    """
    numbers, first, second = jax.random.split(key, 3)
    value = jax.random.uniform(numbers, (length,))
    half = length // 2
    marked = jnp.stack(
        [jax.random.randint(first, (), 0, half), jax.random.randint(second, (), half, length)]
    )
    mark = jnp.zeros(length).at[marked].set(1.0)
    return {"x": jnp.stack([value, mark], axis=1), "y": value[marked].sum()[None]}


def copying(key: Key[Array, ""], delay: int) -> dict[str, Array]:
    """10 symbols of 8 kinds, to be given back after a delay (Arjovsky et al., 2016, sec. 5.1).

    Both columns have delay + 20 steps. "x", one-hot in 10, has the symbols, delay - 1 blanks, the
    sign to begin, and 10 blanks; "y", integers, has delay + 10 blanks and then the symbols. Blanks
    first and any of the 8 afterwards has a cross entropy of 10 ln 8 / (delay + 20) a step.
    """
    symbols = jax.random.randint(key, (COPIED,), 0, ALPHABET)

    def blanks(count: int) -> Int[Array, " count"]:
        return jnp.full(count, BLANK, symbols.dtype)

    sign = jnp.full(1, GO, symbols.dtype)
    x = jnp.concatenate([symbols, blanks(delay - 1), sign, blanks(COPIED)])
    y = jnp.concatenate([blanks(delay + COPIED), symbols])
    return {"x": jax.nn.one_hot(x, ALPHABET + 2), "y": y}


def temporal_order(key: Key[Array, ""], length: int) -> dict[str, Array]:
    """X or Y early and X or Y late among a, b, c, d: which of the four cases it is.

    Task 6a of Hochreiter and Schmidhuber (1997). "x" is [length, 8], one-hot; "y" is twice the
    first symbol plus the second, of X = 0 and Y = 1. The places are uniform in steps
    [length/10, length/5) and [length/2, 3 length/5).
    """
    others, symbols, first, second = jax.random.split(key, 4)
    x = jax.random.randint(others, (length,), 0, 4)
    kinds = jax.random.randint(symbols, (2,), 0, 2)
    positions = jnp.stack(
        [
            jax.random.randint(first, (), length // 10, length // 5),
            jax.random.randint(second, (), length // 2, 3 * length // 5),
        ]
    )
    x = x.at[positions].set(4 + kinds).at[jnp.array([0, length - 1])].set(jnp.array([6, 7]))
    return {"x": jax.nn.one_hot(x, ORDER_SYMBOLS), "y": 2 * kinds[0] + kinds[1]}


def drawn(name: str, draw: Draw, train: int, test: int) -> Dataset:
    """Dataset of `train` empty examples and a test set of `test` drawn ones.

    The empty ones say how many examples an epoch draws. The test set is the same for every seed of
    a training, as that of MNIST is: so several seeds are trained as one program.
    """
    columns = jax.vmap(draw)(jax.random.split(stream(0, "test examples"), test))
    held_out = {column: np.asarray(array) for column, array in columns.items()}
    empty = ticks(train)
    return empty._replace(name=name, splits={"train": empty.splits["train"], "test": held_out})


def check_length(name: str, length: int, least: int) -> None:
    """Raise UserError where sequences are too short for a task."""
    if length < least:
        raise UserError(f"{name} must be at least {least}, not {length}")

"""Padding and output sizes of convolution and pooling.

Sizes have one entry for each spatial axis.
"""

from collections.abc import Sequence

import jax.numpy as jnp
from jax import Array, lax

Padding = str | int | Sequence[tuple[int, int]]
Pads = Sequence[tuple[int, int]]


def per_axis(value: int | Sequence[int], axes: int, least: int = 1) -> tuple[int, ...]:
    """Numbers for each axis, of one for all or one for each.

    Raises:
        ValueError: another count, or a number below `least`.
    """
    values = (value,) * axes if isinstance(value, int) else tuple(value)
    if len(values) != axes:
        raise ValueError(f"expected one number or {axes}, one for each axis, not {values}")
    if min(values) < least:
        raise ValueError(f"expected integers of {least} or more, not {value}")
    return values


def span(window: Sequence[int], dilation: Sequence[int]) -> tuple[int, ...]:
    """Extent of a window whose positions are `dilation` apart: d (k - 1) + 1 for each axis."""
    return tuple(d * (k - 1) + 1 for k, d in zip(window, dilation, strict=True))


def pads(
    size: Sequence[int], reach: Sequence[int], strides: Sequence[int], padding: Padding
) -> list[tuple[int, int]]:
    """Positions added before and after each axis, for a window of extent `reach`.

    `padding` is a number for all sides, a pair (before, after) for each axis, "VALID" (none),
    "SAME" (outputs of ⌈size / stride⌉; an odd position is added at the end) or "FULL" (reach - 1 on
    all sides, so that each overlap of window and input gives an output).

    Raises:
        ValueError: another padding.
    """
    if padding in ("SAME", "VALID"):
        return [(lo, hi) for lo, hi in lax.padtype_to_pads(size, reach, strides, padding)]
    if padding == "FULL":
        return [(r - 1, r - 1) for r in reach]
    if isinstance(padding, int) and padding >= 0:
        return [(padding, padding)] * len(size)
    if not isinstance(padding, str | int):
        pairs = [tuple(pair) for pair in padding]
        if len(pairs) == len(size) and all(len(p) == 2 and min(p) >= 0 for p in pairs):
            return [(lo, hi) for lo, hi in pairs]
    raise ValueError(
        'padding is "SAME", "VALID", "FULL", a number of 0 or more, or a pair of them for each of '
        f"{len(size)} axes, not {padding!r}"
    )


def pad(x: Array, around: Pads) -> Array:
    """x [batch, *space, channels] with zeros before and after each axis; negative numbers crop."""
    if not any(map(any, around)):
        return x
    borders = [(lo, hi, 0) for lo, hi in ((0, 0), *around, (0, 0))]
    return lax.pad(x, jnp.zeros((), x.dtype), borders)


def output_size(
    size: Sequence[int], reach: Sequence[int], strides: Sequence[int], around: Pads
) -> tuple[int, ...]:
    """⌊(W + before + after - reach) / stride⌋ + 1 for each axis [T3, sec. 3.2.1].

    With P on both sides of W, for a kernel of K at stride S: ⌊(W - K + 2P) / S⌋ + 1. ([T1, sec.
    3.2.1] misprints the divisor as S + 1; the "+ 1" stands outside the fraction.)

    Raises:
        ValueError: a window that does not fit in; the message has the smallest size that would do.
    """
    if min(reach, default=1) < 1:
        raise ValueError(f"a {times(reach)} window has no position")
    if any(w + sum(p) < r for w, r, p in zip(size, reach, around, strict=True)):
        least = [max(r - sum(p), 1) for r, p in zip(reach, around, strict=True)]
        padded = f", padded by {list(around)}," if any(map(any, around)) else ""
        raise ValueError(
            f"a {times(size)} image{padded} leaves no output under a {times(reach)} window; "
            f"it has to be at least {times(least)}"
        )
    return tuple(
        (w + sum(p) - r) // s + 1 for w, r, s, p in zip(size, reach, strides, around, strict=True)
    )


def times(size: Sequence[int]) -> str:
    """Text of a size, such as 28x28."""
    return "x".join(map(str, size))

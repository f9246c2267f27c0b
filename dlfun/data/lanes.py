"""A long text as rows that continue one another, for truncated backpropagation through time."""

import numpy as np
from jaxtyping import Int, Shaped

from dlfun.data.dataset import Split
from dlfun.errors import UserError


def lanes(
    tokens: Int[np.ndarray, " n"], batch_size: int, length: int, name: str = "whole"
) -> dict[str, Shaped[np.ndarray, "rows ..."]]:
    """Lay a text out in `batch_size` lanes: row b of batch t + 1 continues row b of batch t.

    For a `Dataset` in the order `in_order`, trained with this batch size. The text is cut into
    `batch_size` consecutive parts of equal length, the lanes, and each lane into rows of `length`
    tokens; tokens at the end of the text that fill no row in every lane are left out. A learner
    keeps a carry for each lane in its state and resets it where `first` is 1. An error calls
    it the `name` text: `name` is that of its split.

    Returns:
        "x": int32 [rows, length], the tokens;
        "y": int32 [rows, length], the token after each;
        "first": float32 [rows], 1 for the first row of each lane, else 0.

    Raises:
        UserError: the text is too short for one row in every lane.
    """
    batches = (len(tokens) - 1) // (batch_size * length)
    if batches < 1:
        needed = batch_size * length + 1
        rows = f"{batch_size:,} row{'' if batch_size == 1 else 's'} of {length:,}"
        raise UserError(
            f"the {name} text has {len(tokens):,} tokens: expected at least {needed:,}, for {rows}"
        )

    def arrange(part: np.ndarray) -> np.ndarray:
        by_lane = part.reshape(batch_size, batches, length)
        return np.ascontiguousarray(by_lane.swapaxes(0, 1).reshape(-1, length), np.int32)

    count = batch_size * batches * length
    first = np.zeros((batches, batch_size), np.float32)
    first[0] = 1
    split: Split = {
        "x": arrange(tokens[:count]),
        "y": arrange(tokens[1 : count + 1]),
        "first": first.reshape(-1),
    }
    return split

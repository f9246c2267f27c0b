"""Truth tables of logical gates."""

import itertools
from collections.abc import Callable

import numpy as np

from dlfun.data.dataset import Dataset, repeat
from dlfun.errors import UserError, nearest

GATES: dict[str, Callable[..., bool]] = {
    "and": lambda a, b: a and b,
    "or": lambda a, b: a or b,
    "not": lambda a: not a,
    "nand": lambda a, b: not (a and b),
    "nor": lambda a, b: not (a or b),
    "xor": lambda a, b: a != b,
}


def inputs(gate: str) -> int:
    """Number of inputs of a gate. Raises UserError for an unknown gate."""
    if gate not in GATES:
        expected = f"expected one of {', '.join(GATES)}"
        raise UserError(f"no gate '{gate}'{nearest(gate, GATES)}: {expected}")
    return GATES[gate].__code__.co_argcount


def truth_tables(*gates: str, copies: int = 1) -> Dataset:
    """Dataset of all combinations of inputs, with a column of outputs for each gate.

    "test" is the table once: {"x": float32 [2ⁿ, n] of 0 and 1, and for each gate NAME: float32 [2ⁿ]
    and, as labels for a classifier, "NAME_label": int32 [2ⁿ]}. "train" is the table `copies` times,
    so that an epoch has several updates.

    Raises:
        UserError: an unknown gate; gates of different numbers of inputs.
    """
    sizes = {inputs(gate) for gate in gates}
    if len(sizes) != 1:
        raise UserError(f"the gates {', '.join(gates)} differ in their number of inputs")
    rows = list(itertools.product([False, True], repeat=sizes.pop()))
    table = {"x": np.array(rows, np.float32)}
    for gate in gates:
        outputs = [bool(GATES[gate](*row)) for row in rows]
        table |= {gate: np.array(outputs, np.float32), f"{gate}_label": np.array(outputs, np.int32)}
    return repeat(Dataset("truth tables", {"train": table, "test": table}, ("0", "1")), copies)

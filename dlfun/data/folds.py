"""Folds for cross-validation, balanced by class."""

import numpy as np
from jaxtyping import Int

from dlfun.errors import UserError


def balanced_folds(
    labels: Int[np.ndarray, " n"], folds: int, seed: int, classes: tuple[str, ...]
) -> Int[np.ndarray, " n"]:
    """The number of each example's fold: of each class the folds hold equally many, within one.

    Which ones is a function of (labels, folds, seed). Raises UserError where a class has fewer
    examples than there are folds.
    """
    draws = np.random.Philox(key=seed).random_raw(len(labels))
    fold = np.zeros(len(labels), np.int32)
    for label, name in enumerate(classes):
        chosen = np.flatnonzero(labels == label)
        if len(chosen) < folds:
            raise UserError(
                f"class '{name}' has {len(chosen)} of the {folds} sentences that {folds} folds "
                "need: give more, or fewer folds"
            )
        fold[chosen[np.argsort(draws[chosen], kind="stable")]] = np.arange(len(chosen)) % folds
    return fold

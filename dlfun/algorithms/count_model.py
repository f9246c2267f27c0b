"""Language models by counting: the baseline of each network that predicts the next character."""

import numpy as np
from jaxtyping import Int


def count_losses(
    train: Int[np.ndarray, " n"], test: Int[np.ndarray, " m"], vocabulary: int, order: int
) -> list[float]:
    """Mean loss on `test`, in nats a token, of the models that see 0, 1, …, `order` tokens back.

    Interpolated by the estimate of Witten and Bell (1991). With the number C of times that a token
    t or a context h occurs in the training text, and the number T(h) of tokens that follow h there,
    each counted once,

        p(t | h) = (C(h t) + T(h) p(t | h')) / (C(h) + T(h))

    where h' is h without its first token, and 1/vocabulary stands for p(t | h') of the empty h. The
    first tokens of the test text have the context that is there.
    """
    p = np.full(len(test), 1 / vocabulary)
    means = []
    for length in range(order + 1):
        pairs, counts = np.unique(_windows(train, length + 1, vocabulary), return_counts=True)
        contexts, first = np.unique(pairs // vocabulary, return_index=True)
        kinds = np.diff(first, append=len(pairs))
        seen = _windows(test, length + 1, vocabulary)
        occurred = _look_up(contexts, np.add.reduceat(counts, first), seen // vocabulary)
        followers = _look_up(contexts, kinds, seen // vocabulary)
        mixed = _look_up(pairs, counts, seen) + followers * p[length:]
        has_occurred = occurred > 0
        p[length:][has_occurred] = mixed[has_occurred] / (occurred + followers)[has_occurred]
        means.append(-float(np.log(p).mean()))
    return means


def _windows(
    tokens: Int[np.ndarray, " n"], length: int, vocabulary: int
) -> Int[np.ndarray, " windows"]:
    """Each run of `length` tokens as one number in base `vocabulary`, the last token its units."""
    codes = np.zeros(len(tokens) - length + 1, np.int64)
    for start in range(length):
        codes = codes * vocabulary + tokens[start : start + len(codes)]
    return codes


def _look_up(
    keys: Int[np.ndarray, " k"], values: Int[np.ndarray, " k"], wanted: Int[np.ndarray, " n"]
) -> Int[np.ndarray, " n"]:
    """The value of each wanted key, 0 of one that is missing; `keys` ascend."""
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[at] == wanted, values[at], 0)

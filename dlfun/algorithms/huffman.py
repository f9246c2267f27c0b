"""Huffman's code of words: the tree of a hierarchical softmax."""

import heapq
from itertools import count
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int


class Codes(NamedTuple):
    """The path from the root to each word, filled up to the longest.

    Attributes:
        nodes: the inner nodes passed, the root first; they are numbered from 0, the root last.
        bits: the branch taken at each, 0 or 1.
        lengths: number of nodes passed, which is the length of the word's code.
    """

    nodes: Int[np.ndarray, "words longest"]
    bits: Bool[np.ndarray, "words longest"]
    lengths: Int[np.ndarray, " words"]


def huffman(counts: Int[np.ndarray, " words"]) -> Codes:
    """The prefix code of least mean length Σ counts · lengths (Huffman 1952), for 2 words or more.

    The two rarest subtrees are joined until one is left: n words have n - 1 inner nodes.
    """
    words, number = len(counts), count()
    # Of equal counts the tree made first is taken, so that the code is a function of the counts.
    heap = [(c, next(number), node) for node, c in enumerate(counts.tolist())]
    heapq.heapify(heap)
    parent, bit = np.zeros(2 * words - 1, np.int64), np.zeros(2 * words - 1, bool)
    for made in range(words, 2 * words - 1):
        a, b = heapq.heappop(heap), heapq.heappop(heap)
        parent[[a[2], b[2]]], bit[b[2]] = made, True
        heapq.heappush(heap, (a[0] + b[0], next(number), made))
    root, at, steps = 2 * words - 2, np.arange(words), []
    while (at != root).any():
        steps.append((np.where(at == root, -1, parent[at] - words), bit[at]))
        at = np.where(at == root, root, parent[at])
    nodes, bits = (np.stack(columns[::-1], axis=1) for columns in zip(*steps, strict=True))
    lengths = (nodes >= 0).sum(axis=1)
    # Paths were read from the word up to the root: a short one is filled up in front.
    order = np.argsort(nodes < 0, axis=1, kind="stable")
    nodes, bits = (np.take_along_axis(columns, order, axis=1) for columns in (nodes, bits))
    return Codes(np.maximum(nodes, 0).astype(np.int32), bits, lengths.astype(np.int32))

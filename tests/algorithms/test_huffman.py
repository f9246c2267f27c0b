"""Huffman's code is a prefix code of least mean length."""

import itertools

import numpy as np
import pytest

from dlfun.algorithms.huffman import huffman


def paths(counts):
    """The nodes and the bits of each word's path."""
    nodes, bits, lengths = huffman(np.array(counts))
    return [
        ([*map(int, row[:n])], [*map(int, b[:n])])
        for row, b, n in zip(nodes, bits, lengths, strict=True)
    ]


def test_the_lengths_of_a_code_made_by_hand():
    # 5 + 9 = 14, 12 + 13 = 25, 14 + 16 = 30, 25 + 30 = 55, 45 + 55 = 100.
    lengths = huffman(np.array([45, 13, 12, 16, 9, 5])).lengths
    np.testing.assert_array_equal(lengths, [1, 3, 3, 3, 4, 4])


@pytest.mark.parametrize("counts", [[7, 3], [8, 4, 2, 1], [5, 5, 5, 5, 5], [9, 9, 1, 1, 1]])
def test_no_other_prefix_code_is_shorter(counts):
    lengths = huffman(np.array(counts)).lengths
    possible = [
        of
        for of in itertools.product(range(1, len(counts)), repeat=len(counts))
        if sum(2.0**-n for n in of) <= 1  # Kraft's inequality.
    ]
    assert counts @ lengths == min(np.array(counts) @ np.array(of) for of in possible)


def test_paths_lead_from_the_root_to_each_word_alone():
    found = paths([30, 20, 10, 5, 5, 1])
    codes = ["".join(map(str, bits)) for _, bits in found]
    for a, b in itertools.permutations(codes, 2):
        assert not b.startswith(a)
    taken = {}
    for nodes, bits in found:
        assert nodes[0] == 4  # The root is the last of 5 inner nodes.
        for node, bit, following in zip(nodes, bits, nodes[1:], strict=False):
            assert taken.setdefault((node, bit), following) == following

"""The pipeline without learned parts: cut at empty columns, then look up each piece."""

import numpy as np
from jaxtyping import Float, Int, UInt8

SIDE = 28
"""Height and width of a piece, its ink in the middle."""
Grey = UInt8[np.ndarray, "height width"]


def pieces(image: Grey) -> list[np.ndarray]:
    """The parts of an image between its empty columns, from left to right, each as high as it."""
    ink = np.concatenate([[False], image.any(axis=0), [False]])
    borders = np.flatnonzero(ink[1:] != ink[:-1]).reshape(-1, 2)
    return [image[:, left:right] for left, right in borders]


def centred(piece: Grey) -> Float[np.ndarray, " pixels"]:
    """The ink of a piece in the middle of `SIDE`² pixels, of norm 1; what is wider is cut off."""
    rows = np.flatnonzero(piece.any(axis=1))
    ink = piece[rows[0] : rows[-1] + 1] if len(rows) else piece
    ink = np.pad(ink, SIDE)
    top, left = ((n - SIDE) // 2 for n in ink.shape)
    middle = ink[top : top + SIDE, left : left + SIDE].astype(np.float32).ravel()
    return middle / max(float(np.linalg.norm(middle)), 1.0)


def nearest_captions(
    images: UInt8[np.ndarray, "n height width channels"],
    digits: UInt8[np.ndarray, "count side side channels"],
    labels: Int[np.ndarray, " count"],
) -> list[list[int]]:
    """The label of the nearest digit, by the cosine, for each piece of each image."""
    known = np.stack([centred(digit.max(axis=-1)) for digit in digits])
    cut = [pieces(image.max(axis=-1)) for image in images]
    vectors = np.stack([centred(piece) for parts in cut for piece in parts])
    blocks = np.array_split(vectors, -(-len(vectors) // 1000))
    read = np.concatenate([labels[(block @ known.T).argmax(axis=1)] for block in blocks])
    ends = np.cumsum([len(parts) for parts in cut])[:-1]
    return [part.tolist() for part in np.split(read, ends)]

"""Local descriptors: histograms of oriented gradients, on a dense grid."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, UInt8

ORIENTATIONS, CELL, STRIDE = 8, 4, 2


def describe(
    images: UInt8[Array, "batch height width channels"],
) -> Float[Array, "batch rows columns features"]:
    """A descriptor of 32 numbers for each patch of 8×8 pixels, two pixels apart.

    A patch has 2×2 cells of 4×4 pixels, and of each cell a histogram of the directions of the
    gradient in 8 bins, each pixel counted by its gradient's length and shared between the two bins
    next to it; the 32 counts are scaled to length 1 (after Lowe, 2004; Dalal & Triggs, 2005). An
    image of 28×28 has 11×11. Channels are averaged.
    """
    gray = images.astype(jnp.float32).mean(axis=-1) / 255
    edges = jnp.pad(gray, ((0, 0), (1, 1), (1, 1)), mode="edge")
    down = edges[:, 2:, 1:-1] - edges[:, :-2, 1:-1]
    right = edges[:, 1:-1, 2:] - edges[:, 1:-1, :-2]
    angle = jnp.arctan2(down, right) * (ORIENTATIONS / (2 * jnp.pi))
    offset = jnp.mod(angle[..., None] - jnp.arange(float(ORIENTATIONS)), ORIENTATIONS)
    share = jnp.maximum(1 - jnp.minimum(offset, ORIENTATIONS - offset), 0)
    votes = share * jnp.hypot(down, right)[..., None]
    window, stride = (1, CELL, CELL, 1), (1, STRIDE, STRIDE, 1)
    cells = jax.lax.reduce_window(votes, 0.0, jax.lax.add, window, stride, "valid")
    step = CELL // STRIDE
    corners = [cells[:, :-step, :-step], cells[:, :-step, step:]]
    corners += [cells[:, step:, :-step], cells[:, step:, step:]]
    patches = jnp.concatenate(corners, axis=-1)
    # The descriptor of a flat patch has length 0 and stays 0.
    return patches / jnp.maximum(jnp.linalg.norm(patches, axis=-1, keepdims=True), 0.1)

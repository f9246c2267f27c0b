"""Convolution (cross-correlation, as every deep learning library has it)."""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float


def conv(
    x: Float[Array, "batch *space in"],
    kernel: Float[Array, "*window in out"],
    *,
    strides: int | Sequence[int] = 1,
    padding: str | int = "SAME",
) -> Float[Array, "batch *out_space out"]:
    """Cross-correlate `x` with `kernel`."""
    kh, kw, cin, cout = kernel.shape
    sh, sw = (strides, strides) if isinstance(strides, int) else strides
    pads = (
        [(padding, padding)] * 2
        if isinstance(padding, int)
        else lax.padtype_to_pads(x.shape[1:3], (kh, kw), (sh, sw), padding)
    )
    x = jnp.pad(x, [(0, 0), *pads, (0, 0)])
    oh, ow = (x.shape[1] - kh) // sh + 1, (x.shape[2] - kw) // sw + 1
    cols = [
        x[:, i : i + (oh - 1) * sh + 1 : sh, j : j + (ow - 1) * sw + 1 : sw]
        for i in range(kh)
        for j in range(kw)
    ]
    return jnp.concatenate(cols, -1) @ kernel.reshape(kh * kw * cin, cout)


class Conv(nn.Module):
    """Convolution with learned `kernel` [*kernel_size, in, features] and `bias` [features]."""

    features: int
    kernel_size: tuple[int, ...] = (3, 3)
    strides: int | Sequence[int] = 1
    padding: str | int = "SAME"
    use_bias: bool = True

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch *space in"]
    ) -> Float[Array, "batch *out_space features"]:
        """Convolve `x`."""
        shape = (*self.kernel_size, x.shape[-1], self.features)
        kernel = self.param("kernel", nn.initializers.lecun_normal(), shape)
        y = conv(x, kernel, strides=self.strides, padding=self.padding)
        if self.use_bias:
            y = y + self.param("bias", nn.initializers.zeros_init(), (self.features,))
        return y

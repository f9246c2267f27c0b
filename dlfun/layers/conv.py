"""Convolution (cross-correlation, as in every deep learning library).

The GPU and the TPU take the platform's native convolution. XLA's own convolution for the CPU is
slow, most of all inside a loop, so there a convolution is written as matrix products.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial

import flax.linen as nn
from jax import Array, lax
from jaxtyping import Float

from dlfun.initializers import fan_in_uniform, uniform
from dlfun.layers.lowerings import Pads, native, slices, tiled, winograd


def conv(
    x: Float[Array, "batch *space in"],
    kernel: Float[Array, "*window kernel_in out"],
    bias: Float[Array, "out"] | None = None,
    *,
    strides: int | Sequence[int] = 1,
    padding: str | int = "SAME",
) -> Float[Array, "batch *out_space out"]:
    """Cross-correlate images with a kernel: y[o] = Σ_k x[o·stride + k − pad] kernel[k] + bias.

    `padding` is a number of zeros on every side, "VALID" (none) or "SAME" (an output of
    ⌈size / stride⌉, the odd zero at the end). With P zeros on every side an axis of W under a
    kernel of K at stride S has ⌊(W − K + 2P) / S⌋ + 1 outputs [T3, sec. 3.2.1].

    Raises:
        ValueError: an input that is not [batch, height, width, channels], channels that differ
            between input and kernel, an unknown padding, or sizes that leave no output.
    """
    if x.ndim != 4 or kernel.ndim != 4:
        raise ValueError(
            "conv: expected input [batch, height, width, in] and kernel [height, width, in, out], "
            f"got {x.shape} and {kernel.shape}"
        )
    if x.shape[3] != kernel.shape[2]:
        raise ValueError(
            f"conv: the input has {x.shape[3]} channels, the kernel takes {kernel.shape[2]}"
        )
    steps = (strides, strides) if isinstance(strides, int) else tuple(strides)
    pads = _pads(x.shape[1:3], kernel.shape[:2], steps, padding)
    args = (x, kernel) if bias is None else (x, kernel, bias)
    cpu = _cpu_lowering(x.shape, kernel.shape, steps)
    return lax.platform_dependent(
        *args,
        cpu=partial(cpu, strides=steps, pads=pads),
        default=partial(native, strides=steps, pads=pads),
    )


def _cpu_lowering(x: Sequence[int], kernel: Sequence[int], strides: Sequence[int]) -> Callable:
    """The fastest lowering on a CPU for an input and a kernel of these shapes."""
    # CPU milliseconds on one core for the gradients (of the kernel and, from 4 channels up, of the
    # input) of 32 images inside a loop, float32, 3x3 kernels at stride 1, JAX 0.10.2, AMD EPYC:
    #   size, in → out    native  slices  tiled  winograd
    #   28,  1 → 32          9.4     1.5    0.6
    #   32,  3 → 16         39.1     2.7    1.0      1.8
    #   28,  4 → 32         38.4     2.3    2.2      2.6
    #   28,  8 → 32         83.6     4.1    4.1      3.5
    #   32, 16 → 16        242.1    11.8    5.3      5.2
    #   14, 32 → 64        150.1     4.9             2.3
    #    8, 256 → 256               36.2            14.0
    # Other kernels and strides, native against slices: 5x5, 28, 1 → 6: 3.8, 1.6; 5x5, 14, 6 → 16:
    # 8.3, 0.5; 3x3 at stride 2, 32, 16 → 32: 138.9, 2.2.
    if tuple(kernel[:2]) != (3, 3) or tuple(strides) != (1, 1):
        return slices
    return winograd if x[3] >= 8 else tiled


class Conv(nn.Module):
    """Convolution of `features` output channels, with parameters `kernel` and `bias`; see `conv`.

    The kernel [*kernel_size, in, features] and the bias start from U(±1/√F_in), where
    F_in = positions · in.
    """

    features: int
    kernel_size: tuple[int, ...] = (3, 3)
    strides: int | Sequence[int] = 1
    padding: str | int = "SAME"
    use_bias: bool = True

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch *space in"]
    ) -> Float[Array, "batch *out_space features"]:
        """Convolve images [batch, height, width, channels]."""
        shape = (*self.kernel_size, x.shape[-1], self.features)
        kernel = self.param("kernel", fan_in_uniform, shape)
        bias = None
        if self.use_bias:
            bound = math.prod(shape[:-1]) ** -0.5
            bias = self.param("bias", uniform(bound), (self.features,))
        return conv(x, kernel, bias, strides=self.strides, padding=self.padding)


def _pads(
    size: Sequence[int], window: Sequence[int], strides: Sequence[int], padding: str | int
) -> Pads:
    if isinstance(padding, int) and padding >= 0:
        pads = [(padding, padding)] * 2
    elif padding in ("SAME", "VALID"):
        pads = lax.padtype_to_pads(size, window, strides, padding)
    else:
        raise ValueError(
            f'conv: padding is "SAME", "VALID" or a number of 0 or more, not {padding!r}'
        )
    if any(s + lo + hi < k for s, k, (lo, hi) in zip(size, window, pads, strict=True)):
        raise ValueError(
            f"conv: a {size[0]}x{size[1]} input with padding {padding} leaves no output under a "
            f"{window[0]}x{window[1]} kernel"
        )
    return [(lo, hi) for lo, hi in pads]

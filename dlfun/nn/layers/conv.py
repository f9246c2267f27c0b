"""Convolution in one, two or three dimensions (cross-correlation, as in all libraries).

GPUs and TPUs use XLA's convolution. On a CPU XLA's convolution is slow, above all inside a loop, so
there a convolution is mostly computed by matrix products.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial

import flax.linen as nn
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float

from dlfun.errors import with_layer_path
from dlfun.nn.initializers import Initializer, fan_in_uniform, uniform
from dlfun.nn.kernels import geometry
from dlfun.nn.kernels.depthwise import depthwise
from dlfun.nn.kernels.direct import direct
from dlfun.nn.kernels.geometry import Padding
from dlfun.nn.kernels.lowerings import im2col, xla_conv
from dlfun.nn.kernels.winograd import winograd


def conv(
    x: Float[Array, "batch *space in"],
    kernel: Float[Array, "*window kernel_in out"],
    bias: Float[Array, "out"] | None = None,
    *,
    strides: int | Sequence[int] = 1,
    padding: Padding = "SAME",
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    flip: bool = False,
) -> Float[Array, "batch *out_space out"]:
    """Cross-correlate over 1, 2 or 3 axes: y[o] = Σ_k x[o·stride + k·dilation - pad] kernel[k] + b.

    With P zeros on every side an axis of W under a kernel of K at stride S has
    ⌊(W − K + 2P) / S⌋ + 1 outputs [T3, sec. 3.2.1]. On a CPU an infinite or NaN input can
    also make outputs NaN that do not depend on it: some lowerings multiply inputs by zeros.

    Args:
        x: images, channels last.
        kernel: a window of kernel_in = in / groups channels for each output channel.
        bias: a number for each output channel.
        strides: distance between two outputs, in positions of the input; one for all axes or one
            for each.
        padding: zeros around the input: a number for all sides, "VALID", "SAME", "FULL" or a pair
            (before, after) for each axis, see `geometry.pads`.
        dilation: distance between two positions of the kernel.
        groups: number of groups of channels; outputs of group g depend only on inputs of group g.
            With as many groups as channels the convolution is depthwise, which T1 (sec. 3.2.3)
            calls multi-channel.
        flip: reverse the kernel, for true convolution Σ_k x[o - k] kernel[k].

    Raises:
        ValueError: an input that is not [batch, *space, channels] of 1 to 3 axes, channels that
            differ between input and kernel or do not divide into the groups, strides or dilation
            below 1, an unknown padding, or sizes that leave no output.
    """
    axes = kernel.ndim - 2
    if x.ndim != kernel.ndim or not 1 <= axes <= 3:
        raise ValueError(
            "conv: expected input [batch, *space, in] and kernel [*window, in, out] of 1 to 3 "
            f"axes of space, got {x.shape} and {kernel.shape}"
        )
    check_channels(x.shape[-1], kernel.shape[-1], groups)
    if x.shape[-1] != kernel.shape[-2] * groups:
        grouped = f" in each of {groups} groups" if groups > 1 else ""
        raise ValueError(
            f"the input has {x.shape[-1]} channels, the kernel takes {kernel.shape[-2]}" + grouped
        )
    steps, dilations = geometry.per_axis(strides, axes), geometry.per_axis(dilation, axes)
    reach = geometry.span(kernel.shape[:-2], dilations)
    pads = geometry.pads(x.shape[1:-1], reach, steps, padding)
    geometry.output_size(x.shape[1:-1], reach, steps, pads)
    if flip:
        kernel = jnp.flip(kernel, tuple(range(axes)))
    args = (x, kernel) if bias is None else (x, kernel, bias)
    xla = partial(xla_conv, pads=pads, strides=steps, dilation=dilations, groups=groups)
    if 0 in (x.size, kernel.size):
        return xla(*args)
    cpu = _cpu_lowering(x.shape[-1], kernel.shape, steps, dilations, groups)
    return lax.platform_dependent(*args, cpu=partial(cpu, pads=pads), default=xla)


class Conv(nn.Module):
    """Convolution of `features` output channels, with parameters `kernel` and `bias`; see `conv`.

    The kernel is [*kernel_size, in / groups, features]. It and the bias start by default from
    U(±1/√F_in), where F_in = positions · in / groups. The input has as many spatial axes as
    `kernel_size` has entries.
    """

    features: int
    kernel_size: tuple[int, ...] = (3, 3)
    strides: int | Sequence[int] = 1
    padding: Padding = "SAME"
    use_bias: bool = True
    dilation: int | Sequence[int] = 1
    groups: int = 1
    flip: bool = False
    kernel_init: Initializer = fan_in_uniform
    bias_init: Initializer | None = None

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch *space in"]
    ) -> Float[Array, "batch *out_space features"]:
        """Convolve x. Raises `conv`'s ValueErrors, with the name of the layer."""
        with with_layer_path(self):
            check_channels(x.shape[-1], self.features, self.groups)
            shape = (*self.kernel_size, x.shape[-1] // self.groups, self.features)
            kernel = self.param("kernel", self.kernel_init, shape)
            bias = None
            if self.use_bias:
                start = self.bias_init or uniform(math.prod(shape[:-1]) ** -0.5)
                bias = self.param("bias", start, (self.features,))
            return conv(
                x,
                kernel,
                bias,
                strides=self.strides,
                padding=self.padding,
                dilation=self.dilation,
                groups=self.groups,
                flip=self.flip,
            )


def _cpu_lowering(
    channels: int,
    kernel: Sequence[int],
    strides: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Callable[..., Array]:
    """The fastest lowering on a CPU for an input and a kernel of these shapes."""
    # `python -m benchmarks.convolution` times every lowering at the shapes of the networks here.
    # The deciding times, in CPU ms on one core inside a loop, float32, JAX 0.10.2, AMD EPYC:
    # Few channels or features, output of 32 images of 28×28 by XLA, im2col and `by_columns`:
    #   1 →  8, 5×5            1.08  0.76  0.11      8 → 16, 3×3            0.81  0.69  0.51
    #   1 → 32, 3×3            0.15  0.40  0.13     16 →  8, 3×3            1.13  1.98  0.80
    #   3 → 16, 3×3            0.91  0.49  0.23      4 → 32, 3×3            0.32  0.52  0.43
    #   3 → 32, 3×3            1.31  0.56  0.34      8 → 32, 5×5            1.44  4.35  3.12
    #   3 → 64, 3×3            0.43  0.61  0.62      1 → 16, 4×4, stride 2  0.22  0.11  0.05
    # `direct` takes the faster of XLA's and `by_columns`. 3×3 at stride 1, the output and the
    # gradients of kernel and input of 128 images on two cores:
    #   size, in → out   direct  winograd      size, in → out   direct  winograd
    #   28,  4 → 16         3.4       5.9      28, 16 → 16        11.2       9.2
    #   28,  8 → 32         6.2      11.1      14, 16 → 32         2.9       2.2
    #   28, 12 → 24        11.1      11.4      28, 32 → 32        21.1      25.1
    # and of 64 images, for which Winograd's tile is chosen by the fewest products:
    #   size, in → out          F(2×2)  F(4×4)  F(5×5)
    #   28, 32 → 32               44.1    23.7    26.5
    #   14, 32 → 32                8.4     8.0     4.9
    #    7, 64 → 64                8.6     5.6     8.5
    # Other windows, output / input's gradient / kernel's gradient of n images:
    #   n, size, in → out, window           XLA                im2col
    #   64,  28, 16 → 32, 3×3, stride 2  2.3  / 4.3  / 4.2    5.4  / 6.1  / 5.6
    #    8, 112,  3 → 64, 7×7, stride 2  5.5  / 14.1 / 5.9   12.2  / 35.7 / 19.9
    #    8,  28, 64 → 256, 1×1           3.2  / 3.7  / 10.1   2.6  / 2.9  / 5.3
    # Groups, XLA against im2col, 16×16, 64 → 64 in 2, 8, 32 groups: 735, 30; 215, 26; 115, 78.
    # Depthwise, 3×3, 32 images of 28×28, 32 channels, by im2col and by `depthwise`: output 0.33,
    # 0.23; gradients of input 0.31, 0.30, and kernel 3.2, 0.87. PyTorch's three take 0.9 together.
    # The gradient of the input of n images at strides above 1, by XLA, which multiplies zeros, and
    # by `transpose_by_blocks`, for which a window is filled up to blocks of the strides:
    #   n, size, in → out, window            XLA   blocks
    #    64, 28,  1 → 32, 4×4, stride 2      0.37   0.20
    #    64, 14, 16 → 32, 4×4, stride 2      0.58   0.39
    #    64, 14, 32 → 64, 4×4, stride 2      1.30   1.11
    #   128, 28, 16 → 32, 3×3, stride 2      6.8    3.3
    #    64, 15, 16 → 32, 3×3, stride 2      0.41   0.44
    #   128, 14, 32 → 64, 3×3, stride 2      1.6    2.6
    #    64, 28, 16 → 32, 5×5, stride 2      7.2    5.1
    #     8, 112, 3 → 64, 7×7, stride 2     11.7    8.0
    #     8, 115, 3 → 64, 11×11, stride 4    4.4    3.7
    # `direct` uses blocks where the strides divide the window or the input has few channels.
    ones = set(strides) == set(dilation) == {1}
    if ones and groups == 1 and tuple(kernel[:-2]) == (3, 3) and channels >= 16:
        return winograd
    if ones and len(strides) == 2 and 1 < groups == channels == kernel[-1]:
        return depthwise
    if len(strides) == 2 and groups == 1 and math.prod(kernel[:-2]) > 1:
        return partial(direct, strides=strides, dilation=dilation)
    return partial(im2col, strides=strides, dilation=dilation, groups=groups)


def check_channels(channels: int, features: int, groups: int) -> None:
    """Raise ValueError where input or output channels do not divide into groups."""
    if groups < 1 or channels % groups or features % groups:
        raise ValueError(f"{channels} → {features} channels do not divide into {groups} groups")

"""Transposed convolution: the linear map by which `conv` propagates gradients to its input."""

import math
from collections.abc import Sequence
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float

from dlfun.errors import with_layer_path
from dlfun.nn.initializers import fan_in_uniform, uniform
from dlfun.nn.kernels import geometry
from dlfun.nn.kernels.blocks import divides, transpose_by_blocks
from dlfun.nn.layers.conv import check_channels, conv


def conv_transpose(
    x: Float[Array, "batch *space in"],
    kernel: Float[Array, "*window kernel_out in"],
    bias: Float[Array, "out"] | None = None,
    *,
    strides: int | Sequence[int] = 1,
    padding: int | Sequence[tuple[int, int]] = 0,
    output_padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Float[Array, "batch *out_space out"]:
    """Transpose of `conv` as a linear map of its input (Dumoulin & Visin, 2016, ch. 4).

    y[i·stride + k·dilation - pad] += x[i] kernel[k]ᵀ: each input adds a kernel to the output.
    `kernel` is that of the convolution which is transposed, from out to in channels, kernel_out =
    out / groups. An axis of W becomes (W - 1)·stride - before - after + dilation·(K - 1) + 1 +
    output_padding, which the convolution reduces to W. The result equals PyTorch's.

    Raises:
        ValueError: channels that do not fit the kernel or the groups, an output padding of a stride
            or more, or padding that leaves no output.
    """
    axes = kernel.ndim - 2
    if x.ndim != kernel.ndim or x.shape[-1] != kernel.shape[-1]:
        raise ValueError(
            "conv_transpose: expected input [batch, *space, in] and kernel [*window, out, in], "
            f"got {x.shape} and {kernel.shape}"
        )
    features = kernel.shape[-2] * groups
    check_channels(x.shape[-1], features, groups)
    steps, dilations = geometry.per_axis(strides, axes), geometry.per_axis(dilation, axes)
    extra = geometry.per_axis(output_padding, axes, least=0)
    if any(e >= s for e, s in zip(extra, steps, strict=True)):
        raise ValueError(f"output padding {extra} must be below strides {steps}")
    reach = geometry.span(kernel.shape[:-2], dilations)
    pads = geometry.pads(x.shape[1:-1], reach, steps, padding)
    size = output_size(x.shape[1:-1], reach, steps, pads, extra)

    def by_gradient(x: Array, kernel: Array) -> Array:
        forward = partial(
            conv, kernel=kernel, strides=steps, padding=pads, dilation=dilations, groups=groups
        )
        # The map is linear, so its gradient is the same at all points; 0 is as good as any.
        return jax.vjp(forward, jnp.zeros((len(x), *size, features), x.dtype))[1](x)[0]

    if groups == 1 and set(dilations) == {1} and divides(steps, kernel.shape[:-2]):
        by_blocks = partial(transpose_by_blocks, strides=steps, pads=pads, size=size)
        y = lax.platform_dependent(x, kernel, cpu=by_blocks, default=by_gradient)
    else:
        y = by_gradient(x, kernel)
    return y if bias is None else y + bias


class ConvTranspose(nn.Module):
    """`conv_transpose` to `features` channels, with parameters `kernel` and `bias`.

    The kernel is [*kernel_size, features / groups, in]. It and the bias start from U(±1/√F), where
    F = positions · features / groups, as PyTorch's do.
    """

    features: int
    kernel_size: tuple[int, ...] = (3, 3)
    strides: int | Sequence[int] = 1
    padding: int | Sequence[tuple[int, int]] = 0
    output_padding: int | Sequence[int] = 0
    use_bias: bool = True
    dilation: int | Sequence[int] = 1
    groups: int = 1

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch *space in"]
    ) -> Float[Array, "batch *out_space features"]:
        """Enlarge x. Raises `conv_transpose`'s ValueErrors, with the name of the layer."""
        with with_layer_path(self):
            check_channels(x.shape[-1], self.features, self.groups)
            shape = (*self.kernel_size, self.features // self.groups, x.shape[-1])
            kernel = self.param("kernel", fan_in_uniform, shape)
            bias = None
            if self.use_bias:
                bound = math.prod(shape[:-1]) ** -0.5
                bias = self.param("bias", uniform(bound), (self.features,))
            return conv_transpose(
                x,
                kernel,
                bias,
                strides=self.strides,
                padding=self.padding,
                output_padding=self.output_padding,
                dilation=self.dilation,
                groups=self.groups,
            )


def output_size(
    size: Sequence[int],
    reach: Sequence[int],
    strides: Sequence[int],
    pads: geometry.Pads,
    extra: Sequence[int],
) -> tuple[int, ...]:
    """Size (W - 1)·stride - before - after + reach + output padding for each axis.

    Raises ValueError where a size is less than 1.
    """
    sizes = tuple(
        (w - 1) * s - sum(p) + r + e
        for w, s, p, r, e in zip(size, strides, pads, reach, extra, strict=True)
    )
    if min(sizes) < 1:
        raise ValueError(
            f"a {geometry.times(size)} image under a {geometry.times(reach)} window leaves no "
            f"output once {list(pads)} are cut off"
        )
    return sizes

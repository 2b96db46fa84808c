"""Layers that behave as Keras's do: padding, batch-norm constants, initial weights."""

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

Pair = tuple[int, int]
Padding = Literal["same", "valid"]

LEAKY_SLOPE = 0.3
"""The slope of Keras's LeakyReLU below zero."""


def pair(value: int | Pair) -> Pair:
    """Return (rows, columns) of a number that may stand for both."""
    return (value, value) if isinstance(value, int) else value


def same_pads(size: int, extent: int, stride: int) -> Pair:
    """Return how many pixels Keras's "same" padding adds before and after `size` pixels.

    Parameters
    ----------
    size, extent, stride
        Of the picture, of the kernel and between two of its places, in pixels. With stride 2 an even size
        is padded at the end only, where PyTorch's `padding=1` pads the start too and so shifts the picture
        by a pixel.
    """
    # The first case is the second's result, without arithmetic on a size that an exporter cannot know.
    total = extent - 1 if 1 in (stride, extent) else max((-(-size // stride) - 1) * stride + extent - size, 0)
    return total // 2, total - total // 2


def pad_same(x: Tensor, extent: Pair, stride: Pair, value: float = 0.0) -> Tensor:
    """Return (N, C, H, W) with Keras's "same" padding around it."""
    rows = same_pads(x.shape[-2], extent[0], stride[0])
    columns = same_pads(x.shape[-1], extent[1], stride[1])
    return functional.pad(x, (*columns, *rows), value=value) if any((*rows, *columns)) else x


def _initialise(layer: nn.Conv2d | nn.ConvTranspose2d) -> None:
    nn.init.xavier_uniform_(layer.weight)  # Keras calls it Glorot uniform.
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


class Conv(nn.Conv2d):
    """Keras's Conv2D: with "same" padding, `ceil(size / stride)` out of `size`."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int | Pair = 3,
        stride: int | Pair = 1,
        *,
        dilation: int | Pair = 1,
        groups: int = 1,
        bias: bool = True,
        padding: Padding = "same",
    ) -> None:
        super().__init__(
            channels_in, channels_out, kernel, stride, dilation=dilation, groups=groups, bias=bias
        )
        self.same = padding == "same"
        _initialise(self)

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        around = (0, 0)
        if self.same:
            rows, columns = (
                same_pads(size, (kernel - 1) * dilation + 1, stride)
                for size, kernel, dilation, stride in zip(
                    x.shape[-2:], self.kernel_size, self.dilation, self.stride, strict=True
                )
            )
            if rows[0] == rows[1] and columns[0] == columns[1]:
                around = (rows[0], columns[0])
            else:
                x = functional.pad(x, (*columns, *rows))
        return functional.conv2d(x, self.weight, self.bias, self.stride, around, self.dilation, self.groups)


class UpConv(nn.ConvTranspose2d):
    """Keras's Conv2DTranspose: with "same" padding, `size * stride` out of `size`.

    It is the transpose of a convolution. With kernel 3 and stride 2 that one pads at the bottom and right,
    so the surplus row and column are cut off there.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int | Pair = 3,
        stride: int | Pair = 2,
        *,
        dilation: int | Pair = 1,
        groups: int = 1,
        bias: bool = True,
        padding: Padding = "same",
        output_padding: int | Pair | None = None,
    ) -> None:
        super().__init__(
            channels_in,
            channels_out,
            pair(kernel),
            pair(stride),
            dilation=pair(dilation),
            groups=groups,
            bias=bias,
        )
        self.same = padding == "same"
        self.keras_output_padding = None if output_padding is None else pair(output_padding)
        _initialise(self)

    @property
    def by_sub_pixels(self) -> bool:
        """Whether it is the usual one, kernel 3 and stride 2, which is computed by sub-pixels."""
        usual = (self.kernel_size, self.stride, self.dilation) == ((3, 3), (2, 2), (1, 1))
        return usual and self.same and self.groups == 1 and self.keras_output_padding is None

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:  # noqa: D102
        if self.by_sub_pixels:
            kernels, bias = self.sub_pixel_weights()
            return functional.pixel_shuffle(
                functional.conv2d(functional.pad(x, (1, 0, 1, 0)), kernels, bias), 2
            )
        (top, bottom, below), (left, right, beyond) = self._cuts(0), self._cuts(1)
        y = functional.conv_transpose2d(
            x, self.weight, self.bias, self.stride, 0, (below, beyond), self.groups, self.dilation
        )
        return y[..., top : y.shape[-2] - bottom, left : y.shape[-1] - right]

    def sub_pixel_weights(self) -> tuple[Tensor, Tensor | None]:
        """Return the weights of four convolutions, one for each pixel of a 2 x 2 square.

        Their results, interleaved, are the transposed convolution's. A CPU computes and differentiates that
        in half the time, batch norm after it included, because what comes out is contiguous. W. Shi et al.,
        "Is the deconvolution layer the same as a convolutional layer?", arXiv:1609.07009.

        Returns
        -------
        weight : torch.Tensor
            (4 C', C, 2, 2), in the order of pixel_shuffle, for input padded at the top and left.
        bias : torch.Tensor or None
            (4 C').
        """
        channels_in, channels_out = self.weight.shape[:2]
        # Output pixel 2 i + a takes input pixel i - 1 + p through tap 2 (1 - p) + a; the fourth tap is zero.
        taps = functional.pad(self.weight, (0, 1, 0, 1)).reshape(channels_in, channels_out, 2, 2, 2, 2)
        kernels = taps.flip(2, 4).permute(1, 3, 5, 0, 2, 4).reshape(4 * channels_out, channels_in, 2, 2)
        return kernels, None if self.bias is None else self.bias.repeat_interleave(4)

    def _cuts(self, axis: int) -> tuple[int, int, int]:
        """Return how much Keras cuts off the transpose's start and end, and adds at its end."""
        kernel, stride = self.kernel_size[axis], self.stride[axis]
        extent = (kernel - 1) * self.dilation[axis] + 1
        # The unpadded transpose has (size - 1) * stride + extent pixels: so many more than Keras keeps.
        if self.keras_output_padding is not None:
            border = extent // 2 if self.same else 0
            surplus = 2 * border - self.keras_output_padding[axis]
        else:
            surplus = extent - stride if self.same else min(extent - stride, 0)
        start = max(surplus, 0) // 2 if self.same else 0
        return start, max(surplus, 0) - start, max(-surplus, 0)


class BatchNorm(nn.BatchNorm2d):
    """Batch normalisation with Keras's constants: epsilon 1e-3, momentum 0.99 (0.01 as PyTorch says it)."""

    def __init__(
        self,
        channels: int,
        *,
        epsilon: float = 1e-3,
        momentum: float = 0.01,
        scale: bool = True,
        center: bool = True,
    ) -> None:
        super().__init__(channels, eps=epsilon, momentum=momentum)
        if not scale:
            self.register_parameter("weight", None)
        if not center:
            self.register_parameter("bias", None)

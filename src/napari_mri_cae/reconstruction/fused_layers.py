"""Layers for inference on a processor: fewer passes over memory, weights laid out once."""

from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_mri_cae.models.architectures.keras_layers import Conv, UpConv, same_pads

# Errors of operations that a build of torch lacks, or refuses on this processor.
_MISSING = (AttributeError, NotImplementedError, RuntimeError, TypeError)
_CHANNELS_LAST = torch.channels_last
# A convolution to few channels fills a vector register with this square of pixels.
_SQUARE = 4
_FEW_CHANNELS = 2


@cache
def has_fused_convolutions(dtype: torch.dtype) -> bool:
    """Return whether this torch has oneDNN's convolutions with an activation or a sum, and they work.

    They are what torch.compile calls, and no public part of torch: hence the trial.
    """
    x = torch.linspace(-1, 1, 8 * 25).reshape(1, 8, 5, 5).to(dtype).contiguous(memory_format=_CHANNELS_LAST)
    conv = nn.Conv2d(8, 8, 3, padding=1).to(dtype).requires_grad_(False)
    try:
        layer = FusedConv(conv, dtype, activation="relu")
        layer.fused = True
        added = FusedConv(conv, dtype)
        added.fused = True
        with torch.inference_mode():
            plain = conv(x)
            close = torch.allclose(layer(x), plain.relu(), atol=0.02, rtol=0.02)
            return close and torch.allclose(added(x, x.clone()), plain + x, atol=0.02, rtol=0.02)
    except _MISSING:
        return False


class FusedConv(nn.Module):
    """A convolution, its activation and the sum with another tensor in one pass.

    Parameters
    ----------
    conv : torch.nn.Conv2d
        With zero padding; of Keras's kind too.
    dtype : torch.dtype
        What it computes in, and returns.
    activation : {"none", "relu", "leaky_relu"}
        What follows.
    slope : float
        Of leaky_relu below zero.
    """

    def __init__(
        self, conv: nn.Conv2d, dtype: torch.dtype, *, activation: str = "none", slope: float = 0.0
    ) -> None:
        super().__init__()
        self.dtype = dtype
        self.fused = False
        self.weight = conv.weight.detach().to(dtype).contiguous(memory_format=_CHANNELS_LAST)
        self.bias = None if conv.bias is None else conv.bias.detach().to(dtype)
        self.stride, self.dilation, self.groups = conv.stride, conv.dilation, conv.groups
        self.activation, self.slope = activation, slope
        self._same = isinstance(conv, Conv) and conv.same
        assert isinstance(conv.padding, tuple)
        self._padding = conv.padding
        self._packed: tuple[torch.Size, Tensor] | None = None

    def forward(self, x: Tensor, add_to: Tensor | None = None) -> Tensor:
        """Return (N, C', H', W'); with `add_to`, that tensor, which must be of this shape and is changed."""
        x, padding = self._pad(x.to(self.dtype))
        if not self.fused:
            y = functional.conv2d(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)
            if self.activation == "relu":
                y = y.relu_()
            elif self.activation == "leaky_relu":
                y = functional.leaky_relu_(y, self.slope)
            return y if add_to is None else add_to.add_(y)
        x = x.contiguous(memory_format=_CHANNELS_LAST)
        common: tuple[Any, ...] = (self.bias, padding, self.stride, self.dilation, self.groups)
        weight, ops = self._weight_for(x, padding), torch.ops.mkldnn
        if add_to is not None:
            result: Tensor = ops._convolution_pointwise_.binary(
                add_to, x, weight, *common, "add", 1.0, None, [], None
            )
            return result
        scalars = [self.slope] if self.activation == "leaky_relu" else []
        result = ops._convolution_pointwise(x, weight, *common, self.activation, scalars, "")
        return result  # noqa: RET504 (its type is told here)

    def _pad(self, x: Tensor) -> tuple[Tensor, tuple[int, int]]:
        if not self._same:
            return x, self._padding  # type: ignore[return-value]
        kernel = self.weight.shape[-2:]
        rows, columns = (
            same_pads(size, (extent - 1) * dilation + 1, stride)
            for size, extent, dilation, stride in zip(
                x.shape[-2:], kernel, self.dilation, self.stride, strict=True
            )
        )
        if rows[0] == rows[1] and columns[0] == columns[1]:
            return x, (rows[0], columns[0])
        return functional.pad(x, (*columns, *rows)), (0, 0)

    def _weight_for(self, x: Tensor, padding: tuple[int, int]) -> Tensor:
        """Return the weights in the order that suits this size of slices; any other would do, but slower."""
        if self._packed is None or self._packed[0] != x.shape:
            packed = torch.ops.mkldnn._reorder_convolution_weight(
                self.weight, padding, self.stride, self.dilation, self.groups, list(x.shape)
            )
            self._packed = x.shape, packed
        return self._packed[1]


def _plain_conv(weight: Tensor, bias: Tensor | None, stride: int, padding: int) -> nn.Conv2d:
    conv = nn.Conv2d(
        weight.shape[1],
        weight.shape[0],
        (weight.shape[2], weight.shape[3]),
        stride,
        padding,
        bias=bias is not None,
        device="meta",
    )
    conv.weight = nn.Parameter(weight, requires_grad=False)
    if bias is not None:
        conv.bias = nn.Parameter(bias, requires_grad=False)
    return conv


def _by_squares(weight: Tensor, side: int) -> Tensor:
    """Return the kernel that computes a square of output pixels at once.

    (C', C, K, K) to (C' side**2, C, K + side - 1, K + side - 1), in the order of pixel_shuffle.
    """
    channels_out, channels_in, rows, columns = weight.shape
    squares = weight.new_zeros(channels_out, side, side, channels_in, rows + side - 1, columns + side - 1)
    for row in range(side):
        for column in range(side):
            squares[:, row, column, :, row : row + rows, column : column + columns] = weight
    return squares.flatten(0, 2)


def _after_doubling(weight: Tensor) -> Tensor:
    """Return the 3 x 3 kernel that, before nearest-neighbour doubling, does what `weight` does after it.

    Of each output pixel's nine taps, several fall on the same pixel of the smaller image: their weights are
    summed. (4 C', C, 3, 3), in the order of pixel_shuffle.
    """
    # rows[a, i, k]: output row 2 r + a takes the small image's row r - 1 + i through tap k.
    taps = weight.new_tensor([[[1, 0, 0], [0, 1, 1], [0, 0, 0]], [[0, 0, 0], [1, 1, 0], [0, 0, 1]]])
    return torch.einsum("aik,bjl,ockl->oabcij", taps, taps, weight).flatten(0, 2)


class FewChannelsConv(nn.Module):
    """A 3 x 3 convolution to one or two channels, computed by squares of pixels.

    A processor computes 16 or more output channels at a time, and with only one of them does the work of
    all. So a square of 4 x 4 pixels becomes 16 channels, of a larger kernel with a stride. After a
    nearest-neighbour doubling, the convolution is moved in front of it. The result is float32: it is small,
    and what follows, a sigmoid say, rounded to bfloat16 would be the largest error of the network.

    Parameters
    ----------
    conv : torch.nn.Conv2d
        One that `suits` says yes to.
    dtype : torch.dtype
        What it computes in.
    doubled : bool
        Whether the input is still to be doubled (nearest neighbour) first.
    """

    def __init__(self, conv: nn.Conv2d, dtype: torch.dtype, *, doubled: bool = False) -> None:
        super().__init__()
        weight, bias = conv.weight.detach(), None if conv.bias is None else conv.bias.detach()
        self.doubled = doubled
        self.side = _SQUARE // 2 if doubled else _SQUARE
        if doubled:
            weight = _after_doubling(weight)
            bias = None if bias is None else bias.repeat_interleave(4)
        self.plain = FusedConv(_plain_conv(weight, bias, 1, 1), dtype)
        weight = _by_squares(weight, self.side)
        if doubled:
            # Of each channel the half pixel's row and column, then the pixel's: sorted by rows, then columns.
            weight = weight.reshape(-1, 2, 2, 2, 2, *weight.shape[1:]).permute(0, 3, 1, 4, 2, 5, 6, 7)
            weight = weight.flatten(0, 4)
        bias = None if bias is None else bias.repeat_interleave(self.side**2)
        self.squares = FusedConv(_plain_conv(weight, bias, self.side, 1), dtype)

    @staticmethod
    def suits(conv: nn.Conv2d) -> bool:
        """Return whether a convolution can be computed so."""
        same = conv.same if isinstance(conv, Conv) else conv.padding == (1, 1)
        plain = (conv.kernel_size, conv.stride, conv.dilation) == ((3, 3), (1, 1), (1, 1))
        return same and plain and conv.groups == 1 and conv.out_channels <= _FEW_CHANNELS

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        if x.shape[-2] % self.side or x.shape[-1] % self.side:
            y: Tensor = self.plain(x).float()
            return functional.pixel_shuffle(y, 2) if self.doubled else y
        # Shuffling is faster from planes than from pixels.
        planes = self.squares(x).to(torch.float32, memory_format=torch.contiguous_format)
        return functional.pixel_shuffle(planes, _SQUARE)


class SubPixelUpConv(nn.Module):
    """Keras's transposed convolution (kernel 3, stride 2, "same") by sub-pixels, its kernels made once."""

    def __init__(
        self, up: UpConv, dtype: torch.dtype, *, activation: str = "none", slope: float = 0.0
    ) -> None:
        super().__init__()
        weight, bias = up.sub_pixel_weights()
        # A border of one pixel on all sides computes a row and a column too many, and needs no padded copy.
        # Output channels go last within a square of pixels: then each pixel's are moved in one piece.
        channels = up.out_channels
        weight = weight.detach().reshape(channels, 4, -1, 2, 2).transpose(0, 1).flatten(0, 1)
        bias = None if bias is None else bias.detach().reshape(channels, 4).t().flatten()
        self.conv = FusedConv(_plain_conv(weight, bias, 1, 1), dtype, activation=activation, slope=slope)
        self.few = channels <= _FEW_CHANNELS

    @staticmethod
    def suits(up: nn.Module) -> bool:
        """Return whether a transposed convolution can be computed so."""
        return isinstance(up, UpConv) and up.by_sub_pixels

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        count, _, height, width = x.shape
        y: Tensor = self.conv(x)[..., :-1, :-1].permute(0, 2, 3, 1)
        y = y.float() if self.few else y  # as with FewChannelsConv
        squares = y.reshape(count, height, width, 2, 2, -1).transpose(2, 3)
        return squares.reshape(count, 2 * height, 2 * width, -1).permute(0, 3, 1, 2)


class HalvingMaxPool(nn.Module):
    """The larger of 2 x 2 pixels, without the positions that torch's max-pooling notes."""

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        x = x[..., : x.shape[-2] // 2 * 2, : x.shape[-1] // 2 * 2]
        columns = torch.maximum(x[..., ::2], x[..., 1::2])
        return torch.maximum(columns[..., ::2, :], columns[..., 1::2, :])

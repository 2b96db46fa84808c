"""Layers that behave as Keras's do: "same" padding, batch-norm constants, initial weights."""

from torch import Tensor, nn
from torch.nn import functional


def _initialise(layer: nn.Conv2d | nn.ConvTranspose2d) -> None:
    nn.init.xavier_uniform_(layer.weight)  # Keras calls it Glorot uniform.
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


class Conv(nn.Conv2d):
    """Convolution with Keras's "same" padding: `ceil(size / stride)` out of `size`.

    With stride 2 Keras pads an even size at the bottom and right only, where PyTorch's `padding=1` pads
    the top and left too and so shifts the picture by a pixel.
    """

    def __init__(self, channels_in: int, channels_out: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__(channels_in, channels_out, kernel, stride)
        _initialise(self)

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        kernel, stride = self.kernel_size[0], self.stride[0]
        pads: list[int] = []
        for size in (x.shape[-1], x.shape[-2]):
            total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            pads += [total // 2, total - total // 2]
        if pads[0] == pads[1] and pads[2] == pads[3]:
            return functional.conv2d(x, self.weight, self.bias, self.stride, (pads[2], pads[0]))
        return functional.conv2d(functional.pad(x, pads), self.weight, self.bias, self.stride)


class UpConv(nn.ConvTranspose2d):
    """3x3 transposed convolution of stride 2 with Keras's "same" padding: `2 * size` out of `size`.

    It is the transpose of a convolution that pads at the bottom and right, so the surplus row and column
    are cut off there.
    """

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__(channels_in, channels_out, 3, stride=2)
        _initialise(self)

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:  # noqa: D102
        return super().forward(x, output_size)[..., :-1, :-1]


class BatchNorm(nn.BatchNorm2d):
    """Batch normalisation with Keras's constants: epsilon 1e-3, momentum 0.99 (0.01 as PyTorch says it)."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=1e-3, momentum=0.01)

"""A transposed convolution that doubles the size."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class Doubling(nn.ConvTranspose2d):
    """`nn.ConvTranspose2d` with kernel 2 and stride 2: each pixel becomes a square of four.

    (N, C, H, W) to (N, C', 2 H, 2 W). Squares do not overlap, so it is one matrix product per pixel and
    their rearrangement; a CPU computes and differentiates that in bfloat16 in half the time.
    """

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__(channels_in, channels_out, 2, stride=2)

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:  # noqa: D102
        mixed = x.device.type == "cpu" and torch.is_autocast_enabled("cpu")
        if not (mixed and torch.is_grad_enabled()):
            return super().forward(x, output_size)
        count, channels_in, height, width = x.shape
        assert self.bias is not None
        weight = self.weight.permute(2, 3, 1, 0).reshape(-1, channels_in)
        squares = functional.linear(x.permute(0, 2, 3, 1), weight, self.bias.repeat(4))
        squares = squares.reshape(count, height, width, 2, 2, -1).transpose(2, 3)
        return squares.reshape(count, 2 * height, 2 * width, -1).permute(0, 3, 1, 2)

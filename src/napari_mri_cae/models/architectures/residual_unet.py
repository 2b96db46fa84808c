"""A U-Net of residual blocks that predicts what to add to its input."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from napari_mri_cae.models.architectures.doubling import Doubling
from napari_mri_cae.models.architectures.neighbours import MOST_NEIGHBOURS, Neighbours


class ResidualBlock(nn.Module):
    """Two convolutions whose result is added to the input; no batch norm, no activation on the way out."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        y: Tensor = self.second(torch.relu(self.first(x)))
        return x + y


def _blocks(channels: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock(channels) for _ in range(count)))


class ResidualUNet(nn.Module):
    """U-Net of residual blocks with a full-resolution skip: output = input + correction(input).

    `(N, 1, H, W)` to the same shape; H and W must be multiples of `2**(len(channels) - 1)`. What comes up
    from the deeper level is added to what went down, not concatenated, which costs half the arithmetic of
    the first convolution after it. The last sum is formed in the input's precision, so that a correction
    computed in bfloat16 leaves the rest of the slice as exact as it came. The last convolution starts at
    zero: an untrained network returns its input.

    Parameters
    ----------
    channels
        Of each level, the full resolution first.
    blocks
        Residual blocks of each level on the way down; the last number is the bottom's.
    up_blocks
        Residual blocks of each level on the way up, the full resolution first.
    neighbours
        How many slices before and behind each it also looks at, which makes it a 2.5-D network: it then takes
        `(N, 1 + 2 neighbours, H, W)`, the slice itself in the middle, or single slices without neighbours,
        and gives `(N, 1, H, W)`.

    References
    ----------
    K. Zhang et al., "Plug-and-play image restoration with deep denoiser prior" (DRUNet), IEEE TPAMI 2021.
    """

    def __init__(
        self,
        channels: Sequence[int] = (32, 64, 128, 256),
        blocks: Sequence[int] = (1, 2, 2, 2),
        up_blocks: Sequence[int] = (1, 2, 2),
        neighbours: int = 0,
    ) -> None:
        super().__init__()
        for name, values, length, most in (
            ("channels", channels, len(channels), 1024),
            ("blocks", blocks, len(channels), 16),
            ("up_blocks", up_blocks, len(channels) - 1, 16),
        ):
            if len(values) != length or not all(
                type(value) is int and 1 <= value <= most for value in values
            ):
                raise ValueError(f"{name} must be {length} whole numbers from 1 to {most}")
        if not 2 <= len(channels) <= 7:
            raise ValueError("channels must name 2 to 7 levels")
        if not (type(neighbours) is int and 0 <= neighbours <= MOST_NEIGHBOURS):
            raise ValueError(f"neighbours must be a whole number from 0 to {MOST_NEIGHBOURS}")
        self.neighbours = neighbours
        self.multiple_of = 2 ** (len(channels) - 1)
        steps = list(pairwise(channels))
        if neighbours:
            self.stack = Neighbours(neighbours)
        self.first = nn.Conv2d(1 + 2 * neighbours, channels[0], 3, padding=1)
        self.encoders = nn.ModuleList(map(_blocks, channels[:-1], blocks))
        self.downs = nn.ModuleList(nn.Conv2d(wide, deep, 2, stride=2) for wide, deep in steps)
        self.bottom = _blocks(channels[-1], blocks[-1])
        self.ups = nn.ModuleList(Doubling(deep, wide) for wide, deep in steps)
        self.decoders = nn.ModuleList(map(_blocks, channels[:-1], up_blocks))
        self.last = nn.Conv2d(channels[0], 1, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        assert self.last.bias is not None
        nn.init.zeros_(self.last.bias)

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        if self.neighbours:
            x = self.stack(x)
        y = self.first(x.to(self.last.weight.dtype))
        skips: list[Tensor] = []
        for encoder, down in zip(self.encoders, self.downs, strict=True):
            skips.append(encoder(y))
            y = down(skips[-1])
        y = self.bottom(y)
        for up, decoder in zip(reversed(self.ups), reversed(self.decoders), strict=True):
            y = decoder(up(y) + skips.pop())
        correction: Tensor = self.last(y)
        own = x[:, self.neighbours : self.neighbours + 1] if self.neighbours else x
        return own + correction.to(x.dtype)

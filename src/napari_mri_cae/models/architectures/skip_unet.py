"""A plain U-Net that predicts what to add to its input."""

import torch
from torch import Tensor, nn

from napari_mri_cae.models.architectures.doubling import Doubling


def _convs(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(channels_out, channels_out, 3, padding=1),
        nn.ReLU(inplace=True),
    )


class SkipUNet(nn.Module):
    """U-Net without batch norm, with a full-resolution skip: output = input + correction(input).

    `(N, 1, H, W)` to the same shape; H and W must be multiples of `unshuffle * 2**levels`. The sum is
    formed in the input's precision, so that a correction computed in bfloat16 leaves the rest of the slice
    as exact as it came. The last convolution starts at zero: an untrained network returns its input.

    Parameters
    ----------
    channels
        Of the first level; each deeper level has twice as many.
    levels
        How many times the resolution is halved on the way down.
    unshuffle
        With 2, each 2 x 2 square of pixels becomes four channels at the entry and the reverse happens at
        the exit: a quarter of the pixels for every convolution. 1 keeps the full resolution.

    References
    ----------
    O. Ronneberger et al., "U-Net", MICCAI 2015. K. Zhang et al., "Beyond a Gaussian denoiser" (residual
    learning), IEEE TIP 2017, and "FFDNet" (unshuffled input), IEEE TIP 2018.
    """

    def __init__(self, channels: int = 32, levels: int = 2, unshuffle: int = 1) -> None:
        super().__init__()
        for name, value, most in (
            ("channels", channels, 1024),
            ("levels", levels, 6),
            ("unshuffle", unshuffle, 8),
        ):
            if not isinstance(value, int) or not 1 <= value <= most:
                raise ValueError(f"{name} must be a whole number from 1 to {most}")
        widths = [channels * 2**level for level in range(levels + 1)]
        folded = unshuffle**2
        self.multiple_of = unshuffle * 2**levels
        self.entry = nn.PixelUnshuffle(unshuffle) if unshuffle > 1 else nn.Identity()
        self.encoders = nn.ModuleList(
            _convs(narrow, wide) for narrow, wide in zip([folded, *widths], widths[:-1], strict=False)
        )
        self.down = nn.MaxPool2d(2)
        self.bottom = _convs(widths[-2], widths[-1])
        self.ups = nn.ModuleList(
            Doubling(wide, narrow) for narrow, wide in zip(widths[-2::-1], widths[:0:-1], strict=True)
        )
        self.decoders = nn.ModuleList(_convs(2 * width, width) for width in widths[-2::-1])
        self.last = nn.Conv2d(channels, folded, 3, padding=1)
        self.exit = nn.PixelShuffle(unshuffle) if unshuffle > 1 else nn.Identity()
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                assert layer.bias is not None
                nn.init.zeros_(layer.bias)
        nn.init.zeros_(self.last.weight)

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        y = self.entry(x.to(self.last.weight.dtype))
        skips: list[Tensor] = []
        for encoder in self.encoders:
            y = encoder(y)
            skips.append(y)
            y = self.down(y)
        y = self.bottom(y)
        for up, decoder in zip(self.ups, self.decoders, strict=True):
            y = decoder(torch.cat([up(y), skips.pop()], 1))
        correction: Tensor = self.exit(self.last(y))
        return x + correction.to(x.dtype)

"""An autoencoder with a bottleneck and no way round it, for normative models."""

from collections.abc import Sequence

from torch import Tensor, nn

from napari_mri_cae.models.architectures.doubling import Doubling
from napari_mri_cae.models.architectures.residual_unet import ResidualBlock


class BottleneckAutoencoder(nn.Module):
    """Strided encoder, narrow code, decoder; nothing passes from the one to the other but the code.

    `(N, 1, H, W)` to the same shape; H and W must be multiples of `2**len(channels)`. The code has
    `code_channels / 4**len(channels)` numbers for each pixel (1/8 by default), so that the network cannot
    hand its input through and has to know what brains look like.

    Parameters
    ----------
    channels
        Of each level, from half the resolution downwards.
    code_channels
        Of the code.
    last_channels
        Of the decoder at full resolution.

    References
    ----------
    C. Baur et al., "Autoencoders for unsupervised anomaly segmentation in brain MR images: a comparative
    study", Medical Image Analysis 2021 (the dense and the spatial bottleneck).
    """

    def __init__(
        self,
        channels: Sequence[int] = (32, 64, 128, 128),
        code_channels: int = 32,
        last_channels: int = 16,
    ) -> None:
        super().__init__()
        widths = [*channels, code_channels, last_channels]
        if not channels or not all(isinstance(value, int) and 1 <= value <= 1024 for value in widths):
            raise ValueError("channels, code_channels and last_channels must be whole numbers from 1 to 1024")
        self.multiple_of = 2 ** len(channels)
        down = [
            layer
            for wide, deep in zip([1, *channels], channels, strict=False)
            for layer in (nn.Conv2d(wide, deep, 4, stride=2, padding=1), ResidualBlock(deep))
        ]
        self.encoder = nn.Sequential(*down, nn.ReLU(), nn.Conv2d(channels[-1], code_channels, 1))
        upwards = list(reversed(channels))
        up = [
            layer
            for deep, wide in zip(upwards, [*upwards[1:], last_channels], strict=True)
            for layer in (
                ResidualBlock(deep),
                Doubling(deep, wide),
            )
        ]
        self.decoder = nn.Sequential(
            nn.Conv2d(code_channels, upwards[0], 1),
            *up,
            ResidualBlock(last_channels),
            nn.Conv2d(last_channels, 1, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        y: Tensor = self.decoder(self.encoder(x.to(next(self.parameters()).dtype)))
        return y.to(x.dtype)

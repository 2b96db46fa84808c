"""The residual U-Net of Arnaiz Rodríguez, master's thesis, UOC 2021."""

import torch
from torch import Tensor, nn

from napari_mri_cae.models.architectures.keras_layers import Conv
from napari_mri_cae.models.architectures.uoc2021_blocks import PreActivationBlock, up


class ResidualUNet(nn.Module):
    """The thesis's own network: residual blocks and skip connections, strides instead of pooling.

    483,649 parameters as Keras counts. `(N, 1, H, W)` in [0, 1] to the same shape in [0, 1]; H and W must
    be multiples of 8.

    References
    ----------
    A. Arnaiz Rodríguez, "Deep Convolutional Autoencoders for reconstructing magnetic resonance images of
    the healthy brain", Universitat Oberta de Catalunya, 2021.
    """

    multiple_of = 8

    def __init__(self) -> None:
        super().__init__()
        self.encoder1 = Conv(1, 32, stride=2)
        self.encoder2 = nn.Sequential(PreActivationBlock(32, 64, 2), PreActivationBlock(64, 64, 1))
        self.encoder3 = PreActivationBlock(64, 128, 2)
        self.decoder3 = up(128, 64)
        self.decoder2 = up(64 + 64, 32)
        self.decoder1 = up(32 + 32, 16)
        self.output = Conv(16, 1)

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        half = self.encoder1(x)
        quarter = self.encoder2(half)
        y = self.decoder3(self.encoder3(quarter))
        y = self.decoder2(torch.cat([y, quarter], 1))
        y = self.decoder1(torch.cat([y, half], 1))
        return torch.sigmoid(self.output(y))

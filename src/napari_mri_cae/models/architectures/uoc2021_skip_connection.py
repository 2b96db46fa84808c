"""The skip-connection autoencoder of Arnaiz Rodríguez, master's thesis, UOC 2021."""

import torch
from torch import Tensor, nn

from napari_mri_cae.models.architectures.keras_layers import BatchNorm, Conv, UpConv


class SkipConnection(nn.Module):
    """A plain autoencoder that adds what the encoder saw to what the decoder makes of it.

    What is added is the batch norm's output, before its ReLU. 191,041 parameters as Keras counts.
    `(N, 1, H, W)` in [0, 1] to the same shape in [0, 1]; H and W must be multiples of 8.

    References
    ----------
    A. Arnaiz Rodríguez, "Deep Convolutional Autoencoders for reconstructing magnetic resonance images of
    the healthy brain", Universitat Oberta de Catalunya, 2021.
    """

    multiple_of = 8

    def __init__(self) -> None:
        super().__init__()
        self.encoder1 = nn.Sequential(Conv(1, 32, stride=2), BatchNorm(32))
        self.encoder2 = nn.Sequential(Conv(32, 64, stride=2), BatchNorm(64))
        self.encoder3 = nn.Sequential(Conv(64, 128, stride=2), BatchNorm(128))
        self.decoder3 = nn.Sequential(UpConv(128, 64), BatchNorm(64))
        self.decoder2 = nn.Sequential(UpConv(64, 32), BatchNorm(32))
        self.decoder1 = nn.Sequential(UpConv(32, 16), BatchNorm(16))
        self.output = Conv(16, 1)

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        half = self.encoder1(x)
        quarter = self.encoder2(half.relu())
        y = self.encoder3(quarter.relu()).relu()
        y = (self.decoder3(y) + quarter).relu()
        y = (self.decoder2(y) + half).relu()
        y = self.decoder1(y).relu()
        return torch.sigmoid(self.output(y))

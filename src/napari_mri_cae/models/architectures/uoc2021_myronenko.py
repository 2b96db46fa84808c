"""The autoencoder after Myronenko in Arnaiz Rodríguez's master's thesis, UOC 2021."""

import torch
from torch import Tensor, nn

from napari_mri_cae.models.architectures.keras_layers import Conv
from napari_mri_cae.models.architectures.uoc2021_blocks import PreActivationBlock, up


def _residual(channels_in: int, channels_out: int) -> PreActivationBlock:
    return PreActivationBlock(channels_in, channels_out, 1, always_adjust=True)


class Myronenko(nn.Module):
    """The deepest of the thesis's networks: residual blocks with a 1x1 convolution on every shortcut.

    991,041 parameters as Keras counts. `(N, 1, H, W)` in [0, 1] to the same shape in [0, 1]; H and W must be
    multiples of 8.

    References
    ----------
    A. Arnaiz Rodríguez, "Deep Convolutional Autoencoders for reconstructing magnetic resonance images of
    the healthy brain", Universitat Oberta de Catalunya, 2021; after A. Myronenko, "3D MRI brain tumor
    segmentation using autoencoder regularization", BrainLes 2018.
    """

    multiple_of = 8

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            Conv(1, 32),
            nn.Dropout2d(0.1),
            _residual(32, 32),
            Conv(32, 32, stride=2),
            _residual(32, 64),
            _residual(64, 64),
            Conv(64, 64, stride=2),
            _residual(64, 128),
            _residual(128, 128),
            Conv(128, 128, stride=2),
        )
        self.decoder = nn.Sequential(up(128, 64), up(64, 32), up(32, 16))
        self.output = Conv(16, 1)

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        return torch.sigmoid(self.output(self.decoder(self.encoder(x))))

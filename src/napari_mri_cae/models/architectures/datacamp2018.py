"""The convolutional autoencoder of a DataCamp tutorial, 2018."""

import torch
from torch import Tensor, nn

from napari_mri_cae.models.architectures.keras_layers import BatchNorm, Conv


def _convs(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(
        Conv(channels_in, channels_out),
        nn.ReLU(),
        BatchNorm(channels_out),
        Conv(channels_out, channels_out),
        nn.ReLU(),
        BatchNorm(channels_out),
    )


class DataCamp2018(nn.Module):
    """A plain autoencoder: two max-poolings down, two nearest-neighbour upsamplings back, no skips.

    427,713 parameters as Keras counts. `(N, 1, H, W)` in [0, 1] to the same shape in [0, 1]; H and W must be
    multiples of 4.

    References
    ----------
    "Reconstructing Brain MRI Images Using Deep Learning (Convolutional Autoencoder)", DataCamp, 2018.
    """

    multiple_of = 4

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            _convs(1, 32), nn.MaxPool2d(2), _convs(32, 64), nn.MaxPool2d(2), _convs(64, 128)
        )
        self.decoder = nn.Sequential(
            _convs(128, 64), nn.Upsample(scale_factor=2), _convs(64, 32), nn.Upsample(scale_factor=2)
        )
        self.output = Conv(32, 1)

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        return torch.sigmoid(self.output(self.decoder(self.encoder(x))))

"""The strided denoising autoencoder of a DEV Community post."""

from torch import Tensor, nn

from napari_mri_cae.models.architectures.keras_layers import LEAKY_SLOPE, BatchNorm, Conv, UpConv


def _block(conv: nn.Conv2d | nn.ConvTranspose2d) -> nn.Sequential:
    nn.init.orthogonal_(conv.weight)
    return nn.Sequential(conv, nn.LeakyReLU(LEAKY_SLOPE), nn.Dropout(0.2), BatchNorm(conv.out_channels))


class DevtoDenoiser(nn.Module):
    """Three strided convolutions down, three transposed ones back, no skip connections.

    The last block ends like the others, in LeakyReLU, dropout and batch norm, so outputs are not confined to
    [0, 1]. 872,709 parameters as Keras counts. `(N, 1, H, W)` to the same shape; H and W must be multiples
    of 8.

    References
    ----------
    "Denoising MRI data with Tensorflow-Python", DEV Community.
    """

    multiple_of = 8

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            _block(Conv(1, 64, 3, 2)), _block(Conv(64, 128, 5, 2)), _block(Conv(128, 256, 3, 2))
        )
        self.decoder = nn.Sequential(_block(UpConv(256, 128)), _block(UpConv(128, 64)), _block(UpConv(64, 1)))

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        y: Tensor = self.decoder(self.encoder(x))
        return y

"""The shallow residual autoencoder of Arnaiz Rodríguez, master's thesis, UOC 2021."""

import torch
from torch import Tensor, nn

from napari_mri_cae.models.architectures.keras_layers import Conv
from napari_mri_cae.models.architectures.uoc2021_blocks import OriginalBlock, PreActivationBlock, up

_BLOCKS = {"full-pre": PreActivationBlock, "original": OriginalBlock}


class ShallowResidual(nn.Module):
    """Three residual blocks down to an eighth of the size, three transposed convolutions back up.

    As Keras counts, 460,609 parameters with full pre-activation blocks and 460,993 with original ones.
    (Files of the original kind published with the thesis have 462,017: batch norm comes twice after each
    block's first convolution.) `(N, 1, H, W)` in [0, 1] to the same shape in [0, 1]; H and W must be
    multiples of 8.

    Parameters
    ----------
    block : {"full-pre", "original"}
        The kind of residual block.

    References
    ----------
    A. Arnaiz Rodríguez, "Deep Convolutional Autoencoders for reconstructing magnetic resonance images of
    the healthy brain", Universitat Oberta de Catalunya, 2021.
    """

    multiple_of = 8

    def __init__(self, block: str = "full-pre") -> None:
        super().__init__()
        if block not in _BLOCKS:
            raise ValueError(f"block must be one of {', '.join(_BLOCKS)}")
        residual = _BLOCKS[block]
        self.encoder = nn.Sequential(
            Conv(1, 32, stride=2), residual(32, 64, 2), residual(64, 64, 1), residual(64, 128, 2)
        )
        self.decoder = nn.Sequential(up(128, 64), up(64, 32), up(32, 16))
        self.output = Conv(16, 1)

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        return torch.sigmoid(self.output(self.decoder(self.encoder(x))))

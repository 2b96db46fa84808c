"""The building blocks of Arnaiz Rodríguez's networks (master's thesis, UOC 2021)."""

from torch import Tensor, nn

from napari_mri_cae.models.architectures.keras_layers import BatchNorm, Conv, UpConv


def shortcut(channels_in: int, channels_out: int, stride: int) -> nn.Module:
    """Return what a block's input goes through: a 1x1 convolution where the block has a stride."""
    return nn.Identity() if stride == 1 else Conv(channels_in, channels_out, 1, stride)


class OriginalBlock(nn.Module):
    """Residual block as first published (He et al. 2015): conv, BN, ReLU, conv, BN; plus the input; ReLU."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            Conv(channels_in, channels_out, stride=stride),
            BatchNorm(channels_out),
            nn.ReLU(),
            Conv(channels_out, channels_out),
            BatchNorm(channels_out),
        )
        self.shortcut = shortcut(channels_in, channels_out, stride)

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        total: Tensor = self.body(x) + self.shortcut(x)
        return total.relu()


class PreActivationBlock(nn.Module):
    """Full pre-activation residual block (He et al. 2016): BN, ReLU, conv, BN, ReLU, conv, plus the input.

    With a stride, the input goes through a 1x1 convolution of that stride; with `always_adjust`, it goes
    through one in any case.
    """

    def __init__(
        self, channels_in: int, channels_out: int, stride: int, *, always_adjust: bool = False
    ) -> None:
        super().__init__()
        self.body = nn.Sequential(
            BatchNorm(channels_in),
            nn.ReLU(),
            Conv(channels_in, channels_out, stride=stride),
            BatchNorm(channels_out),
            nn.ReLU(),
            Conv(channels_out, channels_out),
        )
        if always_adjust:
            self.shortcut: nn.Module = Conv(channels_in, channels_out, 1, stride)
        else:
            self.shortcut = shortcut(channels_in, channels_out, stride)

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        total: Tensor = self.body(x) + self.shortcut(x)
        return total


def up(channels_in: int, channels_out: int) -> nn.Sequential:
    """Return a transposed convolution of stride 2, batch norm and ReLU."""
    return nn.Sequential(UpConv(channels_in, channels_out), BatchNorm(channels_out), nn.ReLU())

"""Slices with those before and behind them, as channels."""

from typing import Final

from torch import Tensor, nn
from torch.nn import functional

MOST_NEIGHBOURS: Final = 8


class Neighbours(nn.Module):
    """Give slices that come alone empty neighbours: (N, 1, H, W) to (N, 1 + 2 `count`, H, W).

    Those that have theirs, (N, 1 + 2 `count`, H, W), stay as they are. A neighbour that is not there, beyond
    the end of a volume, is 0 everywhere.
    """

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        if x.shape[1] > 1:
            return x
        return functional.pad(x, (0, 0, 0, 0, self.count, self.count))

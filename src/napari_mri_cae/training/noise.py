"""Where the corruptions of a training get their randomness, so that batches come out the same everywhere."""

from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor

from napari_mri_cae.corruptions import BatchSource, SliceSource

# Apart from what training and validation draw, slices that keep their noise.
_ONCE = 0x0CE
_VALIDATION = 0x5EED


class SharedSource:
    """Draws for a whole batch, and gives a process its share.

    So the processes that train together see the noise that one alone would see.

    Parameters
    ----------
    source
        Of the whole batch.
    total
        Slices in the whole batch.
    positions
        Of this process's slices among them.
    """

    def __init__(self, source: BatchSource, total: int, positions: slice) -> None:
        self._source = source
        self._total = total
        self._positions = positions

    def for_corruption(self, kind: str, occurrence: int = 0) -> Self:
        """Return this source: its numbers come in sequence, whatever they are for."""
        return self

    def normal(self, shape: Sequence[int], like: Tensor) -> Tensor:
        """Return standard normal numbers (N, *shape) with the device and dtype of `like` (N, ...)."""
        return self._source.normal(shape, self._whole(like))[self._positions]

    def uniform(self, shape: Sequence[int], like: Tensor) -> Tensor:
        """Return numbers uniform in [0, 1), (N, *shape), with the device and dtype of `like` (N, ...)."""
        return self._source.uniform(shape, self._whole(like))[self._positions]

    def _whole(self, like: Tensor) -> Tensor:
        return like.new_empty((self._total, 0))


def drawn_anew(
    seed: int, number: int, total: int, positions: slice, device: torch.device
) -> BatchSource | SharedSource:
    """Return the randomness of a training batch: a function of (seed, its number) alone."""
    source = BatchSource(torch.Generator(device).manual_seed((seed << 32) + number))
    return source if positions == slice(0, total) else SharedSource(source, total, positions)


def drawn_once(seed: int, ids: Sequence[int]) -> SliceSource:
    """Return randomness that each slice keeps, whatever the epoch and its place in a batch."""
    return SliceSource((_ONCE << 32) + seed, "axial", ids)


def for_validation(seed: int, ids: Sequence[int]) -> SliceSource:
    """Return the randomness of validation slices, the same after every epoch."""
    return SliceSource((_VALIDATION << 32) + seed, "axial", ids)

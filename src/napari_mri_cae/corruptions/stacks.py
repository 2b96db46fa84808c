"""Randomness for slices that come with their neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from napari_mri_cae.corruptions.random import Source

if TYPE_CHECKING:
    from torch import Tensor


class StackSource:
    """Draws for every slice of a stack its own field, out of the source of the stacks.

    Parameters
    ----------
    source
        Of N stacks.
    count
        Slices in each. What asks has them one after the other, (N * count, 1, H, W).
    """

    def __init__(self, source: Source, count: int) -> None:
        self._source = source
        self._count = count

    def for_corruption(self, kind: str, occurrence: int = 0) -> StackSource:
        """Return the source for the `occurrence`-th corruption of this kind in a chain."""
        return StackSource(self._source.for_corruption(kind, occurrence), self._count)

    def normal(self, shape: Sequence[int], like: Tensor) -> Tensor:
        """Return standard normal numbers (N * count, *shape), placed like `like` (N * count, ...)."""
        drawn = self._source.normal((self._count, *shape), like[:: self._count])
        return drawn.flatten(0, 1)

    def uniform(self, shape: Sequence[int], like: Tensor) -> Tensor:
        """Return numbers uniform in [0, 1), shaped and placed as by `normal`."""
        drawn = self._source.uniform((self._count, *shape), like[:: self._count])
        return drawn.flatten(0, 1)

"""The slices of a volume, corrupted as they are asked for, with or without their neighbours."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from napari_mri_cae.corruptions.base import Corruption, corrupt
from napari_mri_cae.planes import Plane, plane_axis
from napari_mri_cae.slices import FloatArray, take_slices

if TYPE_CHECKING:
    from torch import Tensor


class CorruptedSlices:
    """Corrupts slices of a volume, and remembers the last ones, which are others' neighbours.

    Threads may share it.

    Parameters
    ----------
    array
        (I, P, L) float32 on the volume's scale.
    corruptions
        Applied in this order.
    plane
        That the slices are taken in.
    seed
        0 to 2**64 - 1.
    device
        Where it is done.
    """

    def __init__(
        self,
        array: FloatArray,
        corruptions: Sequence[Corruption],
        *,
        plane: Plane,
        seed: int,
        device: str = "cpu",
    ) -> None:
        self._array, self._plane, self._device = array, plane, device
        self._corruptions, self._seed = tuple(corruptions), seed
        self._n_slices = array.shape[plane_axis(plane)]
        self._remembered: OrderedDict[int, Tensor] = OrderedDict()
        self._most = 0
        self._lock = threading.Lock()

    def clean(self, indices: Sequence[int]) -> Tensor:
        """Return slices as they are, (N, 1, H, W), on the device."""
        return take_slices(self._array, self._plane, tuple(indices)).to(self._device)

    def __call__(self, indices: Sequence[int], neighbours: int = 0) -> Tensor:
        """Return corrupted slices on the device.

        Parameters
        ----------
        indices
            Of N slices.
        neighbours
            How many slices before and behind each to return with it. Each is corrupted as it is for itself;
            those beyond the ends of the volume are 0.

        Returns
        -------
        Tensor
            (N, 1 + 2 * neighbours, H, W), each slice in the middle; a new tensor.

        Raises
        ------
        IndexError
            If there is no such slice.
        """
        import torch

        places = [range(index - neighbours, index + neighbours + 1) for index in indices]
        there = sorted({place for each in places for place in each if 0 <= place < self._n_slices})
        if not set(indices) <= set(there):
            raise IndexError(f"there are {self._n_slices} slices, which {indices} are not all among")
        with self._lock:
            self._remember(there)
            nothing = torch.zeros_like(self._remembered[there[0]])
            stacks = torch.stack(
                [torch.cat([self._remembered.get(place, nothing) for place in each]) for each in places]
            )
            # As many again are there for the next ones, on either side.
            self._most = max(self._most, 2 * len(there))
            while len(self._remembered) > self._most:
                self._remembered.popitem(last=False)
        return stacks

    def _remember(self, indices: Sequence[int]) -> None:
        """Have these slices, (1, H, W) each, among those that are remembered, the last to be forgotten."""
        missing = [index for index in indices if index not in self._remembered]
        if missing:
            self._remembered.update(zip(missing, self._corrupt(missing), strict=True))
        for index in indices:
            self._remembered.move_to_end(index)

    def _corrupt(self, indices: Sequence[int]) -> Tensor:
        return corrupt(
            self.clean(indices), self._corruptions, seed=self._seed, plane=self._plane, indices=indices
        )

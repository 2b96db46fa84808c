"""Whole volumes, slice by slice."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_mri_cae.planes import Plane, plane_axis

if TYPE_CHECKING:
    from torch import Tensor

FloatArray = npt.NDArray[np.float32]
OnProgress = Callable[[int, int], object]
"""Called with how many slices are done, and of how many."""


def take_slices(array: FloatArray, plane: Plane, indices: tuple[int, ...], neighbours: int = 0) -> "Tensor":
    """Return slices of an (I, P, L) array as a new tensor, float32, on the CPU.

    (N, 1, H, W); or each in the middle of its neighbours, so many before and so many behind it,
    (N, 1 + 2 * neighbours, H, W). Those beyond the ends of the volume are 0. An index that the volume has not
    is an IndexError.
    """
    import torch

    axis = plane_axis(plane)
    last = array.shape[axis] - 1
    if not all(0 <= index <= last for index in indices):
        raise IndexError(f"there are {last + 1} slices, which {indices} are not all among")
    if not neighbours:
        taken = np.take(array, indices, axis)
        return torch.from_numpy(np.ascontiguousarray(np.moveaxis(taken, axis, 0))).unsqueeze(1)
    wanted = np.array(indices, int)[:, None] + np.arange(-neighbours, neighbours + 1)
    # What is a neighbour of several is fetched once, which for sagittal slices is what takes long.
    places, where = np.unique(wanted.clip(0, last), return_inverse=True)
    slices = np.moveaxis(np.take(array, places, axis), axis, 0)[where.reshape(wanted.shape)]
    slices[(wanted < 0) | (wanted > last)] = 0
    return torch.from_numpy(np.ascontiguousarray(slices))


def batches(n_slices: int, batch_size: int) -> Iterator[tuple[int, ...]]:
    """Yield all slice indices in order, `batch_size` at a time."""
    for start in range(0, n_slices, batch_size):
        yield tuple(range(start, min(start + batch_size, n_slices)))


def map_slices(
    array: FloatArray,
    plane: Plane,
    function: Callable[["Tensor", tuple[int, ...]], "Tensor"],
    *,
    batch_size: int = 8,
    on_progress: OnProgress | None = None,
) -> FloatArray:
    """Apply a function of slices to a whole volume.

    Parameters
    ----------
    array : numpy.ndarray
        (I, P, L) float32.
    plane : {"axial", "coronal", "sagittal"}
    function : callable
        From slices (N, 1, H, W) and their N indices to slices of the same shape, on any device.
    batch_size : int
        The largest N.
    on_progress : callable, optional
        Called with (slices done, all slices) after each batch.

    Returns
    -------
    numpy.ndarray
        (I, P, L) float32, C-contiguous.
    """
    axis = plane_axis(plane)
    result = np.empty(array.shape, np.float32)
    n_slices = array.shape[axis]
    for indices in batches(n_slices, batch_size):
        slices = function(take_slices(array, plane, indices), indices)
        np.moveaxis(result, axis, 0)[list(indices)] = slices[:, 0].cpu().numpy()
        if on_progress is not None:
            on_progress(indices[-1] + 1, n_slices)
    return result

"""Reconstruct a whole volume."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from napari_mri_cae.planes import check_plane, plane_axis
from napari_mri_cae.reconstruction.reconstructor import Reconstructor
from napari_mri_cae.slices import FloatArray, OnProgress, take_slices

if TYPE_CHECKING:
    from torch import Tensor


def reconstruct_volume(
    array: FloatArray,
    reconstructor: Reconstructor,
    *,
    plane: str = "axial",
    on_progress: OnProgress | None = None,
) -> FloatArray:
    """Return a volume reconstructed slice by slice, a 2.5-D model looking at the slices beside each.

    Parameters
    ----------
    array : numpy.ndarray
        (I, P, L) float32, on the volume's scale [0, 1], such as `Volume.normalized`.
    reconstructor : Reconstructor
        A model on a device.
    plane : {"axial", "coronal", "sagittal"}
        The plane the slices are taken in.
    on_progress : callable, optional
        Called with (slices done, all slices) after each batch.

    Returns
    -------
    numpy.ndarray
        (I, P, L) float32, on the volume's scale.

    Raises
    ------
    InputError
        If there is no such plane.
    """
    plane = check_plane(plane)
    axis = plane_axis(plane)
    result = np.empty(array.shape, np.float32)
    by_slices = np.moveaxis(result, axis, 0)
    n_slices, start = array.shape[axis], 0
    # OpenVINO takes slices one by one, whatever the batch; what Python does around it is done once for some.
    at_a_time = 1 if reconstructor.device.openvino is None else 8
    unfinished: tuple[slice, Callable[[], Tensor]] | None = None

    def finish() -> None:
        if unfinished is not None:
            where, fetch = unfinished
            by_slices[where] = fetch()[:, 0].numpy()
            if on_progress is not None:
                on_progress(where.stop, n_slices)

    while start < n_slices:
        # Asked for each time: a device that runs out of memory gets smaller batches from then on.
        stop = min(start + reconstructor.batch_size * at_a_time, n_slices)
        slices = take_slices(array, plane, tuple(range(start, stop)), reconstructor.neighbours)
        arriving = _copy_back(reconstructor(_on_the_way(slices, reconstructor)))
        # While a card computes this batch, the one before is put in its place.
        finish()
        unfinished, start = (slice(start, stop), arriving), stop
    finish()
    return result


def _on_the_way(slices: "Tensor", reconstructor: Reconstructor) -> "Tensor":
    """Return slices on their way to the device, without waiting for them where that is possible."""
    if reconstructor.device.torch_device.type != "cuda":
        return slices
    return slices.pin_memory().to(reconstructor.device.torch_device, non_blocking=True)


def _copy_back(slices: "Tensor") -> "Callable[[], Tensor]":
    """Begin to copy slices to the CPU, and return what waits for them."""
    import torch

    if slices.device.type != "cuda":
        there = slices.cpu()
        return lambda: there
    there = torch.empty(slices.shape, dtype=slices.dtype, pin_memory=True)
    there.copy_(slices, non_blocking=True)
    copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
    copied.record(torch.cuda.current_stream(slices.device))

    def fetch() -> "Tensor":
        copied.synchronize()
        return there

    return fetch

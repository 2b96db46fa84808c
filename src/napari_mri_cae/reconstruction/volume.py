"""Reconstruct a whole volume."""

from napari_mri_cae.planes import check_plane
from napari_mri_cae.reconstruction.reconstructor import Reconstructor
from napari_mri_cae.slices import FloatArray, OnProgress, map_slices


def reconstruct_volume(
    array: FloatArray,
    reconstructor: Reconstructor,
    *,
    plane: str = "axial",
    on_progress: OnProgress | None = None,
) -> FloatArray:
    """Return a volume reconstructed slice by slice.

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
    return map_slices(
        array,
        check_plane(plane),
        lambda slices, _: reconstructor(slices),
        batch_size=reconstructor.batch_size,
        on_progress=on_progress,
    )

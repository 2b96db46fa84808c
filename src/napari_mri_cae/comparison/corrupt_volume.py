"""Corrupt a whole volume as a comparison does."""

from collections.abc import Sequence

from napari_mri_cae.corruptions import Corruption, corrupt
from napari_mri_cae.planes import check_plane
from napari_mri_cae.slices import FloatArray, OnProgress, map_slices
from napari_mri_cae.volume import Volume


def corrupt_volume(
    volume: Volume,
    corruptions: Sequence[Corruption],
    *,
    plane: str = "axial",
    seed: int = 0,
    on_progress: OnProgress | None = None,
) -> FloatArray:
    """Return a volume corrupted slice by slice: the `corrupted` of a `Comparison`, bit for bit.

    Parameters
    ----------
    volume : Volume
        A single volume; of a series, one `frame`.
    corruptions : sequence of Corruption
        Applied in this order.
    plane : {"axial", "coronal", "sagittal"}
        The plane the slices are taken in.
    seed : int
        Noise is a function of (seed, corruption, plane, slice).
    on_progress : callable, optional
        Called with (slices done, all slices) now and then.

    Returns
    -------
    numpy.ndarray
        (I, P, L) float32, on the volume's scale. Not clipped to [0, 1] unless a corruption does.

    Raises
    ------
    InputError
        If the volume is a series, or there is no such plane.
    """
    chosen = check_plane(plane)
    return map_slices(
        volume.normalized,
        chosen,
        lambda slices, indices: corrupt(slices, corruptions, seed=seed, plane=chosen, indices=indices),
        on_progress=on_progress,
    )

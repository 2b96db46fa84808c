"""Measure one volume against another on the same grid."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_mri_cae.comparison.table import psnr_from_mse
from napari_mri_cae.errors import InputError
from napari_mri_cae.metrics import compare
from napari_mri_cae.planes import Plane, check_plane, plane_axis
from napari_mri_cae.slices import FloatArray, OnProgress, batches, take_slices
from napari_mri_cae.volume import Volume

# Largest difference between two affines that still counts as the same grid, in mm (their entries' unit).
_SAME_GRID_MM = 1e-3


@dataclass(frozen=True)
class Measured:
    """How far one volume is from its reference, at a data range of 1 on the reference's scale.

    Attributes
    ----------
    psnr : float
        dB, from one MSE over all voxels; infinite where the two are equal.
    ssim : float
        Mean over the slices of the plane.
    mse : float
        Mean over all voxels, on the volume's scale squared.
    dssim : float
        (1 - SSIM) / 2.
    psnr_slices : float
        dB, the mean over slices of the slices' own PSNR, as most papers give it. A slice that equals the
        reference has none and is left out.
    plane : {"axial", "coronal", "sagittal"}
    n_slices : int
    """

    psnr: float
    ssim: float
    mse: float
    dssim: float
    psnr_slices: float
    plane: Plane
    n_slices: int


def measure(
    reference: Volume, test: Volume, *, plane: str = "axial", on_progress: OnProgress | None = None
) -> Measured:
    """Measure a volume against its reference, both on the reference's scale.

    Parameters
    ----------
    reference : Volume
        Its window is 0 to 1 for both.
    test : Volume
        On the same grid: shape and affine in I-P-L order; the files may have different axis orders.
    plane : {"axial", "coronal", "sagittal"}
        The plane the slices are taken in.
    on_progress : callable, optional
        Called with (slices done, all slices) now and then.

    Raises
    ------
    InputError
        If one is a series, if the grids differ, if the reference is constant, or if there is no such plane.
    """
    chosen = check_plane(plane)
    original = reference.normalized
    _check_same_grid(reference, test)
    scaled = _on_window_of(reference, test)
    n_slices = original.shape[plane_axis(chosen)]
    rows: list[npt.NDArray[np.float64]] = []
    for indices in batches(n_slices, 8):
        first, second = (take_slices(array, chosen, indices) for array in (original, scaled))
        values = compare(first, [second], data_range=1.0)[0]
        rows.append(np.array([values.mse.numpy(), values.psnr.numpy(), values.ssim.numpy()], np.float64))
        if on_progress is not None:
            on_progress(indices[-1] + 1, n_slices)
    mse, psnr, ssim = np.concatenate(rows, axis=1)
    finite = psnr[np.isfinite(psnr)]
    volume_mse, volume_ssim = float(mse.mean()), float(ssim.mean())
    return Measured(
        psnr=psnr_from_mse(volume_mse),
        ssim=volume_ssim,
        mse=volume_mse,
        dssim=(1 - volume_ssim) / 2,
        psnr_slices=float(finite.mean()) if len(finite) else psnr_from_mse(volume_mse),
        plane=chosen,
        n_slices=n_slices,
    )


def _on_window_of(reference: Volume, test: Volume) -> FloatArray:
    """Return the test on the reference's scale, not clipped.

    Noise may go beyond the window, and counts. But where the reference itself is above its window, and so has
    been clipped to 1, everything from 1 upwards is the same: a volume equals itself.
    """
    window = reference.window
    if not window.high > window.low:
        raise InputError(f"{reference.name} is constant: there is no intensity window to measure on.")
    gain = 1 / (window.high - window.low)
    scaled = np.empty(test.data.shape, np.float32)
    # In double precision and in the order of `Window.normalize`, for the same bits; a slab at a time.
    for source, target in zip(test.data, scaled, strict=True):
        target[...] = (source.astype(np.float64) - window.low) * gain
    np.nan_to_num(scaled, copy=False, nan=0.0, posinf=1.0, neginf=0.0)
    return np.minimum(scaled, 1, out=scaled, where=reference.normalized >= 1)


def _check_same_grid(reference: Volume, test: Volume) -> None:
    if test.is_series:
        raise InputError(f"{test.name} is a series of {test.n_frames} volumes: choose one frame of it.")
    shapes = [" x ".join(map(str, volume.data.shape)) for volume in (reference, test)]
    if shapes[0] != shapes[1]:
        raise InputError(
            f"{reference.name} and {test.name} have different grids, {shapes[0]} and {shapes[1]} voxels: "
            "resample one to the other first."
        )
    apart = float(np.abs(reference.ipl_affine - test.ipl_affine).max())
    if not apart <= _SAME_GRID_MM:
        raise InputError(
            f"{reference.name} and {test.name} lie on different grids, their affines differ by up to "
            f"{apart:.4g} mm: resample one to the other first."
        )

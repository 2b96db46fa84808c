"""A file's own grid: where its voxels lie and in which order it keeps them."""

from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from napari_mri_cae.errors import InputError
from napari_mri_cae.volume.orientation import Orientation
from napari_mri_cae.volume.units import MM, header_units


@dataclass(frozen=True, eq=False)
class Grid:
    """The geometry of a volume or a series, in its file's own axis order.

    Attributes
    ----------
    shape : tuple of int
        The file's own shape, with every trailing axis of length 1 it has.
    affine : numpy.ndarray
        (4, 4) float64, voxel to RAS, in the file's unit of length, finite and invertible.
    header : nibabel header or None
        The file's header, with what cannot be used put right; None for a volume that is from no file.
    """

    shape: tuple[int, ...]
    affine: npt.NDArray[np.float64]
    header: Any = None

    @cached_property
    def orientation(self) -> Orientation:
        """How the file's axes lie in I-P-L order."""
        return Orientation.of(self.affine)

    @property
    def frames(self) -> int:
        """Number of volumes: 1 unless it is a series."""
        return prod(self.shape[3:])

    @property
    def ipl_shape(self) -> tuple[int, ...]:
        """(I, P, L), or (T, I, P, L) of a series."""
        spatial = self.orientation.ipl_shape(self.shape)
        return (self.frames, *spatial) if self.frames > 1 else spatial

    @property
    def ipl_affine(self) -> npt.NDArray[np.float64]:
        """(4, 4) float64, I-P-L index to RAS mm."""
        affine = self.orientation.ipl_affine(self.affine, self.shape)
        affine[:3] *= self.mm
        return affine

    @property
    def mm(self) -> float:
        """Millimetres in the file's unit of length."""
        return MM.get(header_units(self.header)[0], 1.0)

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distance between voxels along I, P and L, in mm."""
        i, p, left = np.linalg.norm(self.ipl_affine[:3, :3], axis=0).tolist()
        return i, p, left

    def one_frame(self) -> Self:
        """Return the 3-D grid of each volume of a series."""
        return replace(self, shape=self.shape[:3])


def check_shape(shape: tuple[int, ...], name: str) -> None:
    """Check that a shape is a volume's or a series'.

    Raises
    ------
    InputError
        If it has fewer than three axes, no voxels, or more than one axis besides the three of space.
    """
    described = " x ".join(str(length) for length in shape)
    if any(length < 1 for length in shape) or not shape:
        raise InputError(
            f"{name} holds no voxels (its header says {described or 'no shape'}): choose another file."
        )
    if len(shape) < 3:
        raise InputError(
            f"{name} is a {len(shape)}-D image ({described}): choose a 3-D volume or a 4-D series."
        )
    if sum(length > 1 for length in shape[3:]) > 1:
        raise InputError(
            f"{name} has {len(shape)} axes ({described}): split it into 4-D series and choose one of them."
        )


def is_usable(affine: npt.NDArray[np.float64]) -> bool:
    """Tell whether an affine is finite and can be inverted."""
    if not np.isfinite(affine).all():
        return False
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    return bool((lengths > 0).all() and np.linalg.cond(affine[:3, :3] / lengths) < 1e6)

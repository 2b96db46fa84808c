"""The one orientation rule: voxels in I-P-L order, by flips and axis swaps only.

Axis 0 runs from superior to inferior, axis 1 from anterior to posterior, axis 2 from the patient's right to
the left. Affines map voxel indices to RAS millimetres, as in nibabel.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from nibabel.orientations import io_orientation

# Which RAS axis each of I, P and L lies on. Along all three of them the RAS coordinate decreases.
_RAS_AXES = (2, 1, 0)


@dataclass(frozen=True)
class Orientation:
    """How a file's own axes lie in I-P-L order.

    Attributes
    ----------
    axes : tuple of int
        The file's axis that becomes I, P and L.
    flips : tuple of bool
        Whether that axis runs the other way in the file.
    """

    axes: tuple[int, int, int]
    flips: tuple[bool, bool, bool]

    @classmethod
    def of(cls, affine: npt.NDArray[np.float64]) -> Self:
        """Find the nearest axes of a (4, 4) affine, which must be finite and invertible."""
        ras_axes, directions = io_orientation(affine).T
        axes = [int(np.flatnonzero(ras_axes == axis)[0]) for axis in _RAS_AXES]
        flips = [bool(directions[axis] > 0) for axis in axes]
        return cls((axes[0], axes[1], axes[2]), (flips[0], flips[1], flips[2]))

    def to_ipl(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """View an array of the file's order, (x, y, z) or (x, y, z, t), as (I, P, L) or (t, I, P, L)."""
        flipped = self._flip(array.transpose(*self.axes, *range(3, array.ndim)))
        return np.moveaxis(flipped, -1, 0) if array.ndim == 4 else flipped

    def to_file(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """View an (I, P, L) or (t, I, P, L) array in the file's order, (x, y, z) or (x, y, z, t)."""
        spatial_first = np.moveaxis(array, 0, -1) if array.ndim == 4 else array
        back = np.argsort(self.axes)
        return self._flip(spatial_first).transpose(*back, *range(3, array.ndim))

    def ipl_shape(self, shape: tuple[int, ...]) -> tuple[int, int, int]:
        """Return the shape in I-P-L order of a file's (x, y, z)."""
        return shape[self.axes[0]], shape[self.axes[1]], shape[self.axes[2]]

    def ipl_affine(self, affine: npt.NDArray[np.float64], shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
        """Return the (4, 4) affine from I-P-L indices to RAS mm of a file's grid (x, y, z)."""
        to_file_index = np.zeros((4, 4))
        to_file_index[3, 3] = 1.0
        for ipl_axis, (axis, flip) in enumerate(zip(self.axes, self.flips, strict=True)):
            to_file_index[axis, ipl_axis] = -1.0 if flip else 1.0
            to_file_index[axis, 3] = shape[axis] - 1 if flip else 0.0
        return affine @ to_file_index

    def _flip(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return array[tuple(slice(None, None, -1) if flip else slice(None) for flip in self.flips)]

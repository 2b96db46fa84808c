"""Clean slices on the scale that a training wants."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_mri_cae.intensity import SCALINGS, scale
from napari_mri_cae.training.data.cache import CachedVolume
from napari_mri_cae.training.data.prepared import Prepared, volume_extremes

if TYPE_CHECKING:
    from torch import Tensor

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Scaling:
    """How the values of a volume become what the network sees.

    Attributes
    ----------
    gain, offset
        value * gain + offset, after clipping at 1 where `clipped`.
    per_slice
        The scaling of each slice by itself that comes after it.
    """

    gain: float = 1.0
    offset: float = 0.0
    clipped: bool = True
    per_slice: str = "volume"

    def of_volume(self, values: Array) -> Array:
        """Return values of `CachedVolume.voxels` of any shape on the scale of the volume, a copy."""
        scaled = np.minimum(values, np.float32(1)) if self.clipped else values.copy()
        if (self.gain, self.offset) != (1.0, 0.0):
            scaled *= np.float32(self.gain)
            scaled += np.float32(self.offset)
        return scaled

    def of_slices(self, slices: "Tensor") -> "Tensor":
        """Return slices (N, 1, H, W) on the scale of the volume, each on its own scale."""
        return scale(slices, self.per_slice)[0]


def scaling_of(prepared: Prepared) -> Callable[[int], Scaling]:
    """Return the scaling of each volume, by its number.

    Everything but "dataset-min-max" and "volume-min-max" starts from the volume scale, which is what a
    model is given when it is used.
    """
    config, table = prepared.config, prepared.table

    def scaling(number: int) -> Scaling:
        volume = prepared.volumes[number]
        if config.intensity == "dataset-min-max":
            return _between(volume, *prepared.extremes)
        if config.intensity == "volume-min-max":
            low, high = volume_extremes(volume, table, config.planes, table.volume == number)
            return _affine(low, high - low, clipped=False)
        if config.intensity == "volume-z-score":
            return _affine(*volume.moments)
        return Scaling(per_slice=config.intensity if config.intensity in SCALINGS else "volume")

    return scaling


def _between(volume: CachedVolume, low: float, high: float) -> Scaling:
    """Return what takes a volume's own intensities, `low` to `high`, to 0 to 1."""
    if high <= low:
        return Scaling(0.0, 0.0, clipped=False)
    base, extent = volume.window[0], volume.window[1] - volume.window[0]
    return Scaling(extent / (high - low), (base - low) / (high - low), clipped=False)


def _affine(middle: float, extent: float, *, clipped: bool = True) -> Scaling:
    """Return what takes `middle` to 0 and `middle + extent` to 1; what has no extent becomes 0."""
    if not extent > 0:
        return Scaling(0.0, 0.0, clipped)
    return Scaling(1 / extent, -middle / extent, clipped)

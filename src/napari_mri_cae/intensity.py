"""Invertible scaling of intensities: the window of a volume, and what a model wants on top of it.

Everything is compared on one scale: a volume's own window mapped to [0, 1]. A model may ask, in its card, for
another scaling of the slices it sees. That scaling is applied around the network and undone after it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, Self, get_args

import numpy as np
import numpy.typing as npt

from napari_mri_cae.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

Scaling = Literal["volume", "slice-min-max", "slice-percentile", "slice-z-score"]
SCALINGS: Final[tuple[Scaling, ...]] = get_args(Scaling)

WINDOW_PERCENTILE: Final = 99.95
"""The percentile of the finite voxels that becomes 1 on the volume scale."""

SLICE_PERCENTILES: Final = (1.0, 99.0)
"""The percentiles of a slice that "slice-percentile" maps to 0 and 1."""

# Voxels handled at a time where float64 temporaries would otherwise be as large as the volume.
_BLOCK = 1 << 18


@dataclass(frozen=True)
class Window:
    """The intensities that become 0 and 1 on the volume scale.

    Attributes
    ----------
    low : float
        Intensity that becomes 0: the minimum of the finite voxels.
    high : float
        Intensity that becomes 1: the 99.95th percentile of the finite voxels (linear interpolation, as
        `numpy.percentile`). Where that percentile is the minimum itself, as in a volume that is almost
        everywhere zero, it is the maximum.
    clipped_fraction : float
        Share of the finite voxels above `high`, 0 to 1. They become 1, and cannot be told apart afterwards.
    """

    low: float
    high: float
    clipped_fraction: float

    @classmethod
    def of(cls, intensities: npt.NDArray[np.floating[Any]]) -> Self:
        """Find the window of an array of any shape; (0, 0) where it has no finite value."""
        low, high = float(intensities.min(initial=np.inf)), float(intensities.max(initial=-np.inf))
        if not (np.isfinite(low) and np.isfinite(high)):
            intensities = intensities[np.isfinite(intensities)]
            if intensities.size == 0:
                return cls(0.0, 0.0, 0.0)
            low, high = float(intensities.min()), float(intensities.max())
        percentile = _high_percentile(intensities.reshape(-1), WINDOW_PERCENTILE)
        if percentile <= low:
            return cls(low, high, 0.0)
        above = int(np.count_nonzero(intensities > percentile))
        return cls(low, percentile, above / intensities.size)

    def normalize(self, intensities: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float32]:
        """Map intensities to [0, 1], clipped.

        Returns
        -------
        numpy.ndarray
            float32, C-contiguous, the shape of `intensities`. NaN and -Inf become 0, Inf becomes 1. All other
            voxels become 0 where the window is empty.
        """
        scaled = np.empty(intensities.shape, np.float32)
        source, target = intensities.reshape(-1), scaled.reshape(-1)
        gain = 1.0 / (self.high - self.low) if self.high > self.low else 0.0
        with np.errstate(invalid="ignore"):
            for start in range(0, source.size, _BLOCK):
                block = source[start : start + _BLOCK].astype(np.float64)
                infinite = np.isposinf(block) if gain == 0.0 else None
                block -= self.low
                block *= gain
                if infinite is not None:
                    block[infinite] = 1.0
                np.clip(block, 0.0, 1.0, out=block)
                np.nan_to_num(block, copy=False, nan=0.0)
                target[start : start + _BLOCK] = block
        return scaled

    def to_intensities(self, scaled: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Map the volume scale back to intensities.

        Parameters
        ----------
        scaled : array_like
            Real numbers of any shape. Values outside [0, 1] are extrapolated linearly.

        Returns
        -------
        numpy.ndarray
            float32, C-contiguous, the shape of `scaled`.
        """
        given = np.ascontiguousarray(scaled)
        intensities = np.empty(given.shape, np.float32)
        source, target = given.reshape(-1), intensities.reshape(-1)
        with np.errstate(invalid="ignore", over="ignore"):
            for start in range(0, source.size, _BLOCK):
                block = source[start : start + _BLOCK].astype(np.float64)
                block *= self.high - self.low
                block += self.low
                target[start : start + _BLOCK] = block
        return intensities


def _high_percentile(values: npt.NDArray[np.floating[Any]], percentile: float) -> float:
    """Return a high percentile of finite values as `numpy.percentile` does, without copying them all.

    Only the largest values matter. A thin sample tells where they begin, so that a few of them are sorted
    instead of the whole volume.
    """
    position = (values.size - 1) * (percentile / 100.0)
    below = int(position)
    wanted = values.size - below  # the value at `below` is the smallest of these, the largest ones
    sample = values[:: max(1, values.size // 100_000)]
    share = min(1.0, 4.0 * wanted / values.size + 0.001)
    rank = int((1.0 - share) * (sample.size - 1))
    threshold = np.partition(sample, rank)[rank]
    top = values[values >= threshold]
    if top.size < wanted:
        top = values
    first = top.size - wanted
    ordered = np.partition(top, [first, min(first + 1, top.size - 1)])
    lower, upper = float(ordered[first]), float(ordered[min(first + 1, top.size - 1)])
    return lower + (upper - lower) * (position - below)


def check_scaling(name: str) -> Scaling:
    """Return `name` as a scaling.

    Raises
    ------
    InputError
        If no scaling has this name.
    """
    if name not in SCALINGS:
        raise InputError(f"{name!r} is not an intensity scaling: choose {', '.join(SCALINGS)}.")
    return name


def scale(slices: "Tensor", scaling: str) -> "tuple[Tensor, Callable[[Tensor], Tensor]]":
    """Put slices on the scale that a model wants.

    Parameters
    ----------
    slices : torch.Tensor
        (N, 1, H, W), floating point, finite, on the volume scale; on any device. Not changed.
    scaling : str
        One of `SCALINGS`. "volume": as it is. "slice-min-max": each slice's minimum becomes 0 and its maximum
        1. "slice-percentile": each slice's 1st percentile becomes 0 and its 99th 1, unclipped.
        "slice-z-score": each slice gets mean 0 and (population) standard deviation 1.

    Returns
    -------
    scaled : torch.Tensor
        (N, 1, H, W). A slice without any contrast becomes 0.
    undo : callable
        Takes a tensor (N, 1, ..., ...) of the same N back to the volume scale, whatever its values. A slice
        without any contrast goes back to its one value: what a network makes of it has no unit.

    Raises
    ------
    InputError
        If no scaling has this name.
    """
    name = check_scaling(scaling)
    if name == "volume":
        return slices, _unchanged
    offset, extent = _slice_statistics(slices, name)
    # Differences below what the slice's own numbers can resolve are rounding, not contrast.
    flat = extent <= 1e-7 * offset.abs()
    extent = extent.masked_fill(flat, 0.0)
    scaled = (slices - offset) / extent.masked_fill(flat, 1.0)
    scaled = scaled.masked_fill(flat, 0.0)

    def undo(output: "Tensor") -> "Tensor":
        return output * extent + offset

    return scaled, undo


def _unchanged(output: "Tensor") -> "Tensor":
    return output


def _slice_statistics(slices: "Tensor", scaling: Scaling) -> "tuple[Tensor, Tensor]":
    """Return what becomes 0 and how much becomes 1, both (N, 1, 1, 1)."""
    if scaling == "slice-z-score":
        offset = slices.mean(dim=(1, 2, 3), keepdim=True)
        extent = slices.std(dim=(1, 2, 3), correction=0, keepdim=True)
        return offset, extent
    if scaling == "slice-min-max":
        low, high = slices.amin(dim=(1, 2, 3), keepdim=True), slices.amax(dim=(1, 2, 3), keepdim=True)
        return low, high - low
    low, high = (_slice_percentile(slices, percentile) for percentile in SLICE_PERCENTILES)
    return low, high - low


def _slice_percentile(slices: "Tensor", percentile: float) -> "Tensor":
    """Return a percentile of each slice (linear interpolation), (N, 1, 1, 1)."""
    # torch.quantile refuses more than 2**24 values at a time, fewer than a batch can have.
    ordered = slices.flatten(1).sort(dim=1).values
    position = (ordered.shape[1] - 1) * percentile / 100.0
    below = int(position)
    above = min(below + 1, ordered.shape[1] - 1)
    value = ordered[:, below].lerp(ordered[:, above], position - below)
    return value.reshape(-1, 1, 1, 1)

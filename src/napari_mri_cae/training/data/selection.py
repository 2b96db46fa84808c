"""Which slices of a volume a training uses."""

import numpy as np
import numpy.typing as npt

from napari_mri_cae.planes import Plane, plane_axis
from napari_mri_cae.training.config import (
    AllSlices,
    BrainSlices,
    ContentSlices,
    MeanSlices,
    MiddleSlices,
    SliceRange,
    SliceRule,
)
from napari_mri_cae.training.data.cache import CONTENT, CachedVolume

Indices = npt.NDArray[np.intp]


def choose_slices(rule: SliceRule, volume: CachedVolume, plane: Plane) -> Indices:
    """Return the indices of the slices of a plane that a rule chooses, in rising order."""
    count = volume.n_slices(plane)
    if isinstance(rule, AllSlices):
        return np.arange(count)
    if isinstance(rule, MiddleSlices):
        first = max(0, (count - rule.count) // 2)
        return np.arange(first, min(count, first + rule.count))
    if isinstance(rule, SliceRange):
        return np.arange(min(rule.first, count), min(rule.last, count))
    if isinstance(rule, BrainSlices):
        return np.flatnonzero(volume.brain_shares(plane) >= rule.least)
    if isinstance(rule, MeanSlices):
        return np.flatnonzero(volume.means[plane] >= rule.least)
    return np.flatnonzero(_content(rule, volume, plane) >= rule.least)


def _content(rule: ContentSlices, volume: CachedVolume, plane: Plane) -> npt.NDArray[np.float64]:
    if rule.above == CONTENT:
        return volume.content[plane]
    others = tuple(axis for axis in range(3) if axis != plane_axis(plane))
    return np.asarray((volume.voxels > rule.above).mean(others))


def explain_rule(rule: SliceRule) -> str:
    """Return what a rule keeps, as the end of a sentence: "... of 90 slices are kept: at least ..."."""
    if isinstance(rule, AllSlices):
        return "all of them"
    if isinstance(rule, MiddleSlices):
        return f"the middle {rule.count} of each volume"
    if isinstance(rule, SliceRange):
        return f"those from {rule.first} to {rule.last - 1}"
    if isinstance(rule, BrainSlices):
        return f"those of which at least {rule.least:.3g} is brain"
    if isinstance(rule, MeanSlices):
        return f"those with a mean of at least {rule.least:.3g} on the volume scale"
    return f"those of which at least {rule.least:.3g} is brighter than {rule.above:.3g} on the volume scale"

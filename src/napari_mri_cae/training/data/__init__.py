"""The volumes of a training, and the patches and slices drawn from them."""

from napari_mri_cae.training.data.patches import (
    CachedVolume,
    Patches,
    Source,
    ValidationSlices,
    cache_volume,
    find_sources,
    take_slices,
    validation_slices,
)

__all__ = [
    "CachedVolume",
    "Patches",
    "Source",
    "ValidationSlices",
    "cache_volume",
    "find_sources",
    "take_slices",
    "validation_slices",
]

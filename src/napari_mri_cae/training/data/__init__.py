"""The volumes of a training, their parts, and the batches drawn from them; importing it leaves torch alone.

`find_data` finds the volumes and splits them, `prepare` decodes them and selects slices; `training_batches`
and `ValidationSet` are what a training iterates over, and `overview` is what is shown before it.
"""

from collections.abc import Callable

from napari_mri_cae.training.config import PatchSampling
from napari_mri_cae.training.data.batches import TrainingBatch, ValidationBatch
from napari_mri_cae.training.data.cache import CachedVolume, cache_folder, cache_volume
from napari_mri_cae.training.data.overview import DataOverview, Example, overview
from napari_mri_cae.training.data.packed import slice_size
from napari_mri_cae.training.data.patches import Patches
from napari_mri_cae.training.data.prepared import OnProgress, Prepared, SliceTable, prepare
from napari_mri_cae.training.data.sources import Data, Source, Unreadable, find_data, subject_of
from napari_mri_cae.training.data.validation import ValidationSet
from napari_mri_cae.training.data.whole_slices import TrainingSlices

__all__ = [
    "CachedVolume",
    "Data",
    "DataOverview",
    "Example",
    "OnProgress",
    "Patches",
    "Prepared",
    "SliceTable",
    "Source",
    "TrainingBatch",
    "TrainingSlices",
    "Unreadable",
    "ValidationBatch",
    "ValidationSet",
    "cache_folder",
    "cache_volume",
    "find_data",
    "overview",
    "prepare",
    "slice_size",
    "subject_of",
    "training_batches",
]


def training_batches(
    prepared: Prepared,
    first: Callable[[], int],
    share: tuple[int, int] = (0, 1),
    on_progress: OnProgress | None = None,
) -> Patches | TrainingSlices:
    """Return the batches of a training, of the kind that its configuration samples.

    Parameters
    ----------
    prepared
        The data.
    first
        Returns the number of the first batch of the epoch that begins.
    share
        Which process this is, from 0 on, and of how many.
    on_progress
        As in `prepare`, while whole slices are packed.

    Raises
    ------
    InputError
        As `Patches` and `TrainingSlices`.
    """
    if isinstance(prepared.config.sampling, PatchSampling):
        return Patches(prepared, first, share)
    return TrainingSlices(prepared, first, share, on_progress)

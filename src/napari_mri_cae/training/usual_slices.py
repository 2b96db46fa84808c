"""What is usual for the model that a training has given, slice by slice, for its card."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain, zip_longest
from math import ceil
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_mri_cae.errors import InputError
from napari_mri_cae.training.run_folder import Record, RunFolder

if TYPE_CHECKING:
    from napari_mri_cae.training.data import Source

_MOST_VOLUMES: Final = 12
_MOST_SLICES: Final = 12
"""About, of a data folder, in each plane, of those that hold about as much tissue as each other."""
_MOST_SECONDS: Final = 60.0


def add_slice_statistics(
    folder: RunFolder, sources: "Sequence[Source]", seed: int, check: Callable[[], None], record: Record
) -> None:
    """Write on the card of a run's best model how well it does on slices that it has learnt from.

    A card that says so already stays. Where nothing can be said, an event tells why, and the model stays as
    it is. What a minute is too short for is left out.

    Parameters
    ----------
    folder
        Of the run, with its model.
    sources
        Of the training; those that it has not learnt from are passed over.
    seed
        Of which volumes and slices are taken, and of their noise.
    check
        Called between slices; what it raises ends this, and the model stays as it is.
    record
        Takes down the events.
    """
    from napari_mri_cae.models import read_model, save_model
    from napari_mri_cae.slice_statistics import SliceMeasurement, usual_conditions
    from napari_mri_cae.volume import Volume

    chosen = _choose(sources, seed)
    ends = time.monotonic() + _MOST_SECONDS
    try:
        model = read_model(folder.model_path)
        if model.card.slice_statistics:
            return
        measurement = SliceMeasurement(model, conditions=usual_conditions(), seed=seed, check=check)
        for number, (source, per_bin) in enumerate(chosen):
            record(
                "finishing",
                done=number,
                total=len(chosen),
                message=f"Measuring what is usual for the model: volume {number + 1} of {len(chosen)}.",
            )
            measurement.add(Volume.load(source.path), per_bin)
            if time.monotonic() > ends:
                break
        card = model.card.model_copy(update={"slice_statistics": measurement.statistics()})
        save_model(replace(model, card=card), folder.model_path)
    except (InputError, RuntimeError, MemoryError) as error:
        record(
            "warning", message=f"The card does not tell how well the model does on its own slices: {error}"
        )


def _choose(sources: "Sequence[Source]", seed: int) -> "list[tuple[Source, int]]":
    """Return volumes that were learnt from, the data folders in turn, and how many slices of each bin."""
    rng = np.random.default_rng(seed)
    learnt = [source for source in sources if source.part in ("training", None)]
    folders = []
    for label in dict.fromkeys(source.data for source in learnt):
        own = [source for source in learnt if source.data == label]
        few = [own[number] for number in rng.permutation(len(own))[:_MOST_VOLUMES]]
        folders.append([(source, ceil(_MOST_SLICES / len(few))) for source in few])
    return [each for each in chain.from_iterable(zip_longest(*folders)) if each is not None]

"""What a training is going to learn from, to be looked at before it begins."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from napari_mri_cae.errors import InputError
from napari_mri_cae.planes import Plane, plane_axis
from napari_mri_cae.training.config import PARTS, Part, SliceSampling, TrainingConfig
from napari_mri_cae.training.data.cache import cache_folder
from napari_mri_cae.training.data.packed import padded, prepared_slices, resized, slice_size
from napari_mri_cae.training.data.participants import MISSING, strata
from napari_mri_cae.training.data.prepared import OnProgress, Prepared, prepare
from napari_mri_cae.training.data.selection import explain_rule
from napari_mri_cae.training.data.sources import Source, Unreadable, find_data

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

# Looked at first, where participants.tsv has them and nothing else is asked for.
_COLUMNS: Final = ("sex", "gender", "age", "group")
_PLACES: Final = (0.5, 0.4, 0.6, 0.3, 0.7)


@dataclass(frozen=True)
class PartCount:
    """How much a part holds."""

    subjects: int
    volumes: int
    slices: int


@dataclass(frozen=True)
class SplitRow:
    """How many subjects of a data folder with a value of a column there are in each part."""

    data: str
    column: str
    value: str
    subjects: dict[Part, int]


@dataclass(frozen=True)
class VolumeSlices:
    """How many slices of a volume the rule keeps, and of how many, in each plane."""

    source: Source
    kept: dict[Plane, tuple[int, int]]


@dataclass(frozen=True)
class Example:
    """A training slice as the network meets it.

    Attributes
    ----------
    clean, corrupted
        (H, W) float32: what is to be given back, and what is given.
    outline
        (H, W) bool: the edge of the brain; empty where it was not asked for.
    """

    data: str
    subject: str
    plane: Plane
    index: int
    clean: Array
    corrupted: Array
    outline: Mask


@dataclass(frozen=True)
class DataOverview:
    """What a training is going to learn from.

    Attributes
    ----------
    parts
        Counts of "training", "validation" and "test".
    volumes
        Slices kept of each volume.
    rule
        What decides about them, as the end of a sentence.
    split
        How subjects are spread, by the columns of participants.tsv that balance the split, or that are
        usual.
    examples
        Training slices, clean and corrupted.
    unreadable
        What is left out.
    warnings
        Sentences for the user.
    cache
        Where the decoded volumes are.
    """

    parts: dict[Part, PartCount]
    volumes: tuple[VolumeSlices, ...]
    rule: str
    split: tuple[SplitRow, ...]
    examples: tuple[Example, ...]
    unreadable: tuple[Unreadable, ...]
    warnings: tuple[str, ...]
    cache: Path

    @property
    def kept(self) -> tuple[int, int]:
        """How many slices are kept of how many, over all volumes and planes."""
        counts = np.array([list(volume.kept.values()) for volume in self.volumes])
        kept, all_slices = counts.reshape(-1, 2).sum(0).tolist()
        return kept, all_slices


def overview(
    config: TrainingConfig,
    on_progress: OnProgress | None = None,
    *,
    examples: int = 6,
    outlines: bool = True,
) -> DataOverview:
    """Find, decode and select the data of a training, and take some examples.

    What is decoded is kept for the training. The first look at a volume takes one to three seconds of a core,
    every other one next to nothing.

    Parameters
    ----------
    config
        Of the training.
    on_progress
        Called in this thread, a few times a second, with how much is done, of how much, and what it is; an
        exception that it raises ends the work.
    examples
        How many example slices.
    outlines
        Whether to draw the outline of the brain on them.

    Raises
    ------
    InputError
        As `find_data` and `prepare`.
    """
    data = find_data(config)
    prepared = prepare(data, parts=PARTS, on_progress=on_progress)
    return DataOverview(
        parts={part: _count(prepared, part) for part in PARTS},
        volumes=_kept(prepared),
        rule=explain_rule(config.slices),
        split=_split(prepared),
        examples=_examples(prepared, examples, outlines),
        unreadable=prepared.data.unreadable,
        warnings=prepared.data.warnings,
        cache=cache_folder(),
    )


def _count(prepared: Prepared, part: Part) -> PartCount:
    rows = prepared.table.rows(part)
    # Also those of a part of which the rule keeps no slice.
    whole = [source for source in prepared.data.sources if source.part == part]
    some = [prepared.volumes[number].source for number in np.unique(prepared.table.volume[rows])]
    volumes = {source.path: (source.data, source.subject) for source in [*whole, *some]}
    return PartCount(len(set(volumes.values())), len(volumes), len(rows))


def _kept(prepared: Prepared) -> tuple[VolumeSlices, ...]:
    table = prepared.table
    counts = Counter(zip(table.volume.tolist(), table.plane.tolist(), strict=True))
    return tuple(
        VolumeSlices(
            volume.source,
            {
                plane: (counts[number, place], volume.n_slices(plane))
                for place, plane in enumerate(prepared.config.planes)
            },
        )
        for number, volume in enumerate(prepared.volumes)
    )


def _split(prepared: Prepared) -> tuple[SplitRow, ...]:
    rows: dict[tuple[str, str, str], Counter[Part]] = {}
    for label, participants in prepared.data.participants.items():
        wanted = prepared.config.split.stratify_by or [
            name for name in _COLUMNS if name in participants.columns
        ]
        subjects = sorted({s.subject for s in prepared.data.sources if s.data == label})
        for column in wanted:
            try:
                values = participants.values(column, subjects)
            except InputError:
                # A folder that names its own subjects for each part need not have it.
                continue
            groups = dict(zip(subjects, strata(values, prepared.config.split.age_bins), strict=True))
            for part in PARTS:
                for subject in prepared.subjects(label, part):
                    rows.setdefault((label, column, groups[subject]), Counter())[part] += 1
    return tuple(
        SplitRow(label, column, value, {part: counts[part] for part in PARTS})
        for (label, column, value), counts in sorted(rows.items(), key=lambda item: _place(*item[0]))
    )


def _place(label: str, column: str, value: str) -> tuple[str, str, bool, float, str]:
    """Return where a row stands: numbers in their order, what is not known last."""
    try:
        number = float(value.split(" to ")[0])
    except ValueError:
        number = 0.0
    return label, column, value == MISSING, number, value


def _examples(prepared: Prepared, count: int, outlines: bool) -> tuple[Example, ...]:
    table, rows = prepared.table, prepared.table.rows("training")
    volumes, planes = np.unique(table.volume[rows]), np.unique(table.plane[rows])
    chosen = []
    # Of each plane in turn, from volumes that lie apart, and from about the middle of them.
    for turn in range(count):
        volume = volumes[(turn * len(volumes)) // count]
        found = rows[(table.volume[rows] == volume) & (table.plane[rows] == planes[turn % len(planes)])]
        if len(found):
            chosen.append(int(found[int(_PLACES[turn % len(_PLACES)] * len(found))]))
    return tuple(_example(prepared, row, outlines) for row in chosen)


def _example(prepared: Prepared, row: int, outlines: bool) -> Example:
    import torch

    from napari_mri_cae.corruptions import SliceSource

    config, table = prepared.config, prepared.table
    volume = prepared.volumes[table.volume[row]]
    plane, index = prepared.plane(row), int(table.index[row])
    (clean,) = next(prepared_slices(prepared, np.array([row])))
    source = SliceSource(config.seed, "axial", [row])
    corrupted, _ = config.augmentation.apply(torch.from_numpy(clean)[None, None], source)
    outline = _outline(prepared, row) if outlines else np.zeros(clean.shape, bool)
    return Example(
        volume.source.data, volume.source.subject, plane, index, clean, corrupted[0, 0].numpy(), outline
    )


def _outline(prepared: Prepared, row: int) -> Mask:
    """Return the edge of the brain in a slice, resized and padded as the slice is."""
    import torch
    from scipy import ndimage

    volume = prepared.volumes[prepared.table.volume[row]]
    brain = np.take(volume.brain, prepared.table.index[row], plane_axis(prepared.plane(row)))
    mask = torch.from_numpy(brain.astype(np.float32))[None, None]
    sampling = prepared.config.sampling
    if isinstance(sampling, SliceSampling):
        if sampling.resize_to:
            mask = resized(mask, sampling.resize_to)
        mask = padded(mask, slice_size(prepared), sampling.pad_at)
    inside = mask[0, 0].numpy() > 0.5
    return np.asarray(inside & ~ndimage.binary_erosion(inside))

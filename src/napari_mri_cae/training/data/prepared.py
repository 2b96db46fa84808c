"""The slices of a training: decoded, selected, each in its part."""

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from napari_mri_cae.errors import InputError
from napari_mri_cae.planes import Plane
from napari_mri_cae.training.config import PARTS, BrainSlices, Part, TrainingConfig
from napari_mri_cae.training.data.cache import CachedVolume, CacheError, cache_volume, trim
from napari_mri_cae.training.data.open_files import allow_open_files
from napari_mri_cae.training.data.selection import choose_slices, explain_rule
from napari_mri_cae.training.data.sources import Data, Source, Unreadable
from napari_mri_cae.training.data.split import split_slices

OnProgress = Callable[[int, int, str], object]
"""Called, a few times a second, with how much is done, of how much, and what it is.

What it raises ends the work.
"""

Numbers = npt.NDArray[np.intp]

# Decoding is inflating and numpy, which let other threads work beside them.
_THREADS: Final = 2
_SECONDS_BETWEEN_PROGRESS: Final = 0.25


@dataclass(frozen=True)
class SliceTable:
    """One row for each selected slice, in the order of the volumes, the planes and the slices.

    Attributes
    ----------
    volume, plane, index
        (N,) each: the place among the volumes, among the training's planes, and along the plane's axis.
    part
        (N,), the place in `PARTS`.
    """

    volume: Numbers
    plane: Numbers
    index: Numbers
    part: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.index)

    def rows(self, part: Part) -> Numbers:
        """Return the rows of a part."""
        return np.flatnonzero(self.part == PARTS.index(part))


@dataclass(frozen=True)
class Prepared:
    """The data of a training, ready to be drawn from.

    Attributes
    ----------
    data
        What was found, without what turned out to be unreadable.
    volumes
        Decoded, in the order of the sources.
    table
        The selected slices.
    extremes
        The lowest and the highest intensity, in the files, of the selected slices of all volumes but those
        for testing.
    """

    data: Data
    volumes: tuple[CachedVolume, ...]
    table: SliceTable
    extremes: tuple[float, float]

    @property
    def config(self) -> TrainingConfig:
        """The configuration of the training."""
        return self.data.config

    @property
    def steps_per_epoch(self) -> int:
        """How many batches make an epoch: as many as the configuration says, or one pass over the slices."""
        config = self.config
        return config.steps_per_epoch or math.ceil(len(self.table.rows("training")) / config.batch_size)

    def plane(self, row: int) -> Plane:
        """Return the plane of a row of the table."""
        return self.config.planes[int(self.table.plane[row])]

    def subjects(self, label: str, part: Part) -> tuple[str, ...]:
        """Return the subjects of a data folder that have a part, or slices in it, sorted."""
        whole = {s.subject for s in self.data.sources if s.data == label and s.part == part}
        sources = [
            self.volumes[number].source for number in np.unique(self.table.volume[self.table.rows(part)])
        ]
        return tuple(sorted(whole | {s.subject for s in sources if s.data == label and s.part is None}))

    @property
    def labels(self) -> tuple[str, ...]:
        """The data folders that have validation slices, in order."""
        numbers = np.unique(self.table.volume[self.table.rows("validation")])
        return tuple(dict.fromkeys(self.volumes[number].source.data for number in numbers))


def prepare(
    data: Data,
    *,
    parts: Sequence[Part] = ("training", "validation"),
    on_progress: OnProgress | None = None,
) -> Prepared:
    """Decode the volumes and choose their slices.

    Parameters
    ----------
    data
        From `find_data`.
    parts
        Whose volumes; by default not those for testing, which are not opened.
    on_progress
        Called in this thread, a few times a second; an exception that it raises ends the work, and what is
        decoded by then stays decoded.

    Raises
    ------
    InputError
        If a volume cannot be read and is not to be skipped, no slice is left to learn from or to validate
        with, or the cache cannot be written.
    """
    wanted = [source for source in data.sources if source.part is None or source.part in parts]
    allow_open_files(len(wanted))
    volumes, unreadable = _decode(wanted, data.config, on_progress)
    data = data.without(unreadable)
    table = _select(volumes, data.config)
    for part in ("training", "validation"):
        if not len(table.rows(part)):
            raise InputError(_none_left(data, part))
    trim(volume.source for volume in volumes)
    return Prepared(data, tuple(volumes), table, _extremes(volumes, table, data.config))


def _decode(
    sources: Sequence[Source], config: TrainingConfig, on_progress: OnProgress | None
) -> tuple[list[CachedVolume], list[Unreadable]]:
    volumes, unreadable = [], []
    with_brain = isinstance(config.slices, BrainSlices)
    threads = ThreadPoolExecutor(_THREADS)
    try:
        pending = [threads.submit(_open, source, with_brain) for source in sources]
        for done, (source, future) in enumerate(zip(sources, pending, strict=True)):
            while on_progress is not None and not future.done():
                on_progress(done, len(sources), source.path.name)
                wait([future], _SECONDS_BETWEEN_PROGRESS)
            try:
                volumes.append(future.result())
            except CacheError:
                raise
            except InputError as error:
                unreadable.append(Unreadable(source.data, source.path, str(error)))
        if on_progress is not None:
            on_progress(len(sources), len(sources), "volumes")
    finally:
        # Whoever ends this need not wait for what is being decoded.
        threads.shutdown(wait=False, cancel_futures=True)
    return volumes, unreadable


def _open(source: Source, with_brain: bool) -> CachedVolume:
    volume = cache_volume(source)
    if with_brain:
        volume.brain_shares("axial")
    return volume


def _select(volumes: Sequence[CachedVolume], config: TrainingConfig) -> SliceTable:
    columns: list[tuple[int, int, Numbers]] = [
        (number, place, choose_slices(config.slices, volume, plane))
        for number, volume in enumerate(volumes)
        for place, plane in enumerate(config.planes)
    ]
    counts = [len(indices) for _, _, indices in columns]

    def spread(values: Sequence[int]) -> Numbers:
        return np.repeat(np.array(values, np.intp), counts)

    volume = spread([number for number, _, _ in columns])
    plane = spread([place for _, place, _ in columns])
    index = np.concatenate([np.zeros(0, np.intp), *(indices for _, _, indices in columns)])
    part = np.zeros(len(index), np.uint8)
    for place, name in enumerate(PARTS):
        of_part = [number for number, each in enumerate(volumes) if each.source.part == name]
        part[np.isin(volume, of_part)] = place
    free = np.isin(volume, [number for number, each in enumerate(volumes) if each.source.part is None])
    if free.any():
        part[free] = split_slices(int(free.sum()), config.split)
    return SliceTable(volume, plane, index, part)


def _none_left(data: Data, part: Part) -> str:
    if not any(source.part in (part, None) for source in data.sources):
        if part == "training":
            return "no volume is left to train on: hold out fewer subjects."
        return "no volume is left for validation: name validation subjects, or let the split choose them."
    kept = explain_rule(data.config.slices)
    return f"slices: the rule keeps no slice for {part}, {kept}: choose another rule or other numbers."


def _extremes(
    volumes: Sequence[CachedVolume], table: SliceTable, config: TrainingConfig
) -> tuple[float, float]:
    used = table.part != PARTS.index("test")
    low, high = np.inf, -np.inf
    for number, volume in enumerate(volumes):
        found = volume_extremes(volume, table, config.planes, used & (table.volume == number))
        base, extent = volume.window[0], volume.window[1] - volume.window[0]
        low, high = min(low, base + extent * found[0]), max(high, base + extent * found[1])
    return float(low), float(high)


def volume_extremes(
    volume: CachedVolume, table: SliceTable, planes: Sequence[Plane], rows: npt.NDArray[np.bool_]
) -> tuple[float, float]:
    """Return the lowest and highest of a volume's values, as in `voxels`, over the rows that are true."""
    low, high = np.inf, -np.inf
    for place, plane in enumerate(planes):
        indices = table.index[rows & (table.plane == place)]
        low = min(low, volume.lowest[plane][indices].min(initial=np.inf))
        high = max(high, volume.highest[plane][indices].max(initial=-np.inf))
    return float(low), float(high)

"""The slices by which a training is judged, the same after every epoch."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from napari_mri_cae.training.config import SliceSampling
from napari_mri_cae.training.data.batches import ValidationBatch
from napari_mri_cae.training.data.packed import pack_slices, prepared_slices
from napari_mri_cae.training.data.prepared import Numbers, OnProgress, Prepared
from napari_mri_cae.training.data.scaling import scaling_of


class ValidationSet:
    """Batches of clean validation slices, each of one plane of one data folder.

    Whole slices that are sampled come as the network gets them in training, `batch_size` at a time. Where
    patches are sampled, the slices are whole all the same, and scaled, and those of one volume come together.

    Parameters
    ----------
    prepared
        The data; its configuration says how many slices of each plane of each volume are looked at.
    share
        Which process this is, from 0 on, and of how many: each takes every so-manyeth batch.
    on_progress
        As in `prepare`, while the slices are packed.
    """

    def __init__(
        self, prepared: Prepared, share: tuple[int, int] = (0, 1), on_progress: OnProgress | None = None
    ) -> None:
        self._prepared = prepared
        self._packed = (
            pack_slices(prepared, on_progress)
            if isinstance(prepared.config.sampling, SliceSampling)
            else None
        )
        self._batches = self._grouped()[share[0] :: share[1]]

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[ValidationBatch]:
        return (self._batch(rows) for rows in self._batches)

    @property
    def rows(self) -> Numbers:
        """The rows of the table that are looked at, by this process."""
        return np.concatenate(self._batches)

    def _batch(self, rows: Numbers) -> ValidationBatch:
        import torch

        prepared = self._prepared
        volume = prepared.volumes[prepared.table.volume[rows[0]]]
        plane, ids = prepared.plane(int(rows[0])), tuple(rows.tolist())
        if prepared.config.neighbours:
            stacks, present = _with_neighbours(prepared, rows)
            clean, marks = torch.from_numpy(stacks), torch.from_numpy(present)
            return ValidationBatch(volume.source.data, plane, clean, ids, marks)
        slices = (
            np.concatenate(list(prepared_slices(prepared, rows)))
            if self._packed is None
            else self._packed[rows]
        )
        return ValidationBatch(volume.source.data, plane, torch.from_numpy(slices)[:, None], ids)

    def _grouped(self) -> list[Numbers]:
        """Return the rows of each batch."""
        config, table = self._prepared.config, self._prepared.table
        groups: dict[tuple[object, ...], list[Numbers]] = {}
        rows = table.rows("validation")
        for number in np.unique(table.volume[rows]):
            for place in range(len(config.planes)):
                found = rows[(table.volume[rows] == number) & (table.plane[rows] == place)]
                if not len(found):
                    continue
                data = self._prepared.volumes[number].source.data
                key = (data, place) if self._packed is not None else (number, place)
                groups.setdefault(key, []).append(spaced(found, config.validation.slices_per_plane))
        size = config.batch_size
        return [
            whole[start : start + size]
            for parts in groups.values()
            for whole in [np.concatenate(parts)]
            for start in range(0, len(whole), size)
        ]


def spaced(rows: Numbers, count: int | None) -> Numbers:
    """Return so many rows, evenly spaced and away from the ends; None is all."""
    if count is None or count >= len(rows):
        return rows
    places = np.linspace(0, len(rows) - 1, count + 2)[1:-1].round().astype(int)
    return np.asarray(rows[np.unique(places)])


def _with_neighbours(
    prepared: Prepared, rows: Numbers
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Return slices of one plane of one volume with their neighbours (N, C, H, W), and which there are."""
    table, neighbours = prepared.table, prepared.config.neighbours
    number, plane = int(table.volume[rows[0]]), prepared.plane(int(rows[0]))
    volume = prepared.volumes[number]
    wanted = table.index[rows][:, None] + np.arange(-neighbours, neighbours + 1)
    last = volume.n_slices(plane) - 1
    present = (wanted >= 0) & (wanted <= last)
    found = volume.slices(plane, wanted.clip(0, last).reshape(-1).tolist())
    scaled = scaling_of(prepared)(number).of_volume(found)
    stacks = scaled.reshape(*wanted.shape, *scaled.shape[1:])
    stacks[~present] = 0
    return stacks, present

"""Whole slices of a training, scaled and at one size, packed one after the other into one file."""

import hashlib
import json
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO, Final

import numpy as np
import numpy.typing as npt

from napari_mri_cae.errors import InputError
from napari_mri_cae.planes import PLANES, plane_axis
from napari_mri_cae.training.config import SliceSampling
from napari_mri_cae.training.data.cache import cache_folder, mapped, touch, write
from napari_mri_cae.training.data.prepared import OnProgress, Prepared
from napari_mri_cae.training.data.scaling import scaling_of

if TYPE_CHECKING:
    from torch import Tensor

Array = npt.NDArray[np.float32]

# Raised when the same settings give other slices than before.
_PACKED: Final = "packed1"
# Slices that are handled at a time.
_CHUNK: Final = 64


def pack_slices(prepared: Prepared, on_progress: OnProgress | None = None) -> Array:
    """Return all selected slices, row by row of the table, (N, H, W) float32, mapped from a file.

    The file is made unless it is there: its name is a checksum of all that decides what is in it.

    Parameters
    ----------
    prepared
        The data; its configuration samples whole slices.
    on_progress
        As in `prepare`.

    Raises
    ------
    InputError
        If the slices do not fit the size that they are to have, or the cache cannot be written.
    """
    size = slice_size(prepared)
    path = cache_folder() / f"{_key(prepared, size)}.{_PACKED}.npy"
    if not path.exists():

        def fill(file: BinaryIO) -> None:
            header = {"descr": "<f4", "fortran_order": False, "shape": (len(prepared.table), *size)}
            np.lib.format.write_array_header_1_0(file, header)
            done = 0
            for slices in prepared_slices(prepared, np.arange(len(prepared.table))):
                file.write(slices.astype("<f4", copy=False).data)
                done += len(slices)
                if on_progress is not None:
                    on_progress(done, len(prepared.table), "slices")

        write(path, fill)
    touch(path)
    return mapped(path)


def slice_size(prepared: Prepared) -> tuple[int, int]:
    """Return height and width of the slices that the network learns from.

    Raises
    ------
    InputError
        If they are to be padded to less than they have, or to what the network does not take.
    """
    config = prepared.config
    sampling = config.sampling
    assert isinstance(sampling, SliceSampling)
    shapes = {
        _shape(prepared, number, place)
        for number, place in np.unique(np.stack([prepared.table.volume, prepared.table.plane]), axis=1).T
    }
    largest = sampling.resize_to or (max(h for h, _ in shapes), max(w for _, w in shapes))
    multiple = config.multiple_of
    if sampling.pad_to is None:
        return math.ceil(largest[0] / multiple) * multiple, math.ceil(largest[1] / multiple) * multiple
    if sampling.pad_to[0] < largest[0] or sampling.pad_to[1] < largest[1]:
        raise InputError(
            f"sampling.pad_to: {_text(sampling.pad_to)} is less than the slices have, {_text(largest)}: pad "
            "to that or more, or resize them."
        )
    if sampling.pad_to[0] % multiple or sampling.pad_to[1] % multiple:
        raise InputError(
            f"sampling.pad_to: {_text(sampling.pad_to)} is no multiple of {multiple}, as the network needs."
        )
    return sampling.pad_to


def prepared_slices(prepared: Prepared, rows: npt.NDArray[np.intp]) -> Iterator[Array]:
    """Yield the slices of rows of the table as the network gets them clean, some at a time, (n, H, W).

    Whole slices that are sampled are resized, scaled and padded; of patches, the slices that they come from
    are scaled, and keep their size.
    """
    config, table, scaling = prepared.config, prepared.table, scaling_of(prepared)
    sampling = config.sampling
    size = slice_size(prepared) if isinstance(sampling, SliceSampling) else None
    keys = np.stack([table.volume[rows], table.plane[rows]])
    # Slices of one volume and plane together: they have one shape.
    starts = np.flatnonzero(np.diff(keys, axis=1, prepend=-1).any(axis=0))
    for group in np.split(rows, starts[1:]):
        for start in range(0, len(group), _CHUNK):
            chunk = group[start : start + _CHUNK]
            number = int(table.volume[chunk[0]])
            plane = config.planes[table.plane[chunk[0]]]
            values = prepared.volumes[number].slices(plane, table.index[chunk])
            how = scaling(number)
            slices = _tensor(how.of_volume(values))
            if isinstance(sampling, SliceSampling) and sampling.resize_to:
                slices = resized(slices, sampling.resize_to)
            slices = how.of_slices(slices)
            if isinstance(sampling, SliceSampling) and size is not None:
                # On a z-score's scale the background is not 0.
                with_lowest = config.intensity.endswith("z-score")
                slices = padded(slices, size, sampling.pad_at, with_lowest=with_lowest)
            yield np.ascontiguousarray(slices[:, 0].numpy())


def resized(slices: "Tensor", size: tuple[int, int]) -> "Tensor":
    """Return slices (N, 1, H, W) at another size, bilinear without antialiasing (pixel centres align)."""
    from torch.nn import functional

    if tuple(slices.shape[-2:]) == size:
        return slices
    return functional.interpolate(slices, size=size, mode="bilinear", align_corners=False)


def padded(slices: "Tensor", size: tuple[int, int], at: str, *, with_lowest: bool = False) -> "Tensor":
    """Return slices (N, 1, H, W) with more rows and columns, of zeros or of each slice's lowest value."""
    from torch.nn import functional

    rows, columns = size[0] - slices.shape[-2], size[1] - slices.shape[-1]
    if not rows and not columns:
        return slices
    top, left = {"start": (rows, columns), "end": (0, 0), "both": (rows // 2, columns // 2)}[at]
    padding = (left, columns - left, top, rows - top)
    if not with_lowest:
        return functional.pad(slices, padding)
    lowest = slices.amin((1, 2, 3), keepdim=True)
    return functional.pad(slices - lowest, padding) + lowest


def _tensor(values: Array) -> "Tensor":
    import torch

    return torch.from_numpy(values)[:, None]


def _shape(prepared: Prepared, number: int, place: int) -> tuple[int, int]:
    axis = plane_axis(prepared.config.planes[place])
    rows, columns = (prepared.volumes[number].voxels.shape[each] for each in range(3) if each != axis)
    return rows, columns


def _text(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"


def _key(prepared: Prepared, size: tuple[int, int]) -> str:
    config, table = prepared.config, prepared.table
    assert isinstance(config.sampling, SliceSampling)
    facts = {
        "volumes": [volume.source.sha256 for volume in prepared.volumes],
        "planes": [PLANES.index(plane) for plane in config.planes],
        "intensity": config.intensity,
        "extremes": prepared.extremes if config.intensity == "dataset-min-max" else None,
        "resize_to": config.sampling.resize_to,
        "size": size,
        "pad_at": config.sampling.pad_at,
    }
    digest = hashlib.sha256(json.dumps(facts).encode())
    for column in (table.volume, table.plane, table.index):
        digest.update(column.astype("<i8").tobytes())
    return digest.hexdigest()

"""Decode voxels straight into I-P-L order.

A file is read in slabs along its slowest axis, each put in its place at once. No copy of the whole volume
in the file's own order or type is ever made.
"""

import contextlib
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_mri_cae.volume.opening import Opened, Raw, is_compressed, is_gzip, readable_errors
from napari_mri_cae.volume.streams import GzipStream, Stream

_SLAB_BYTES: Final = (1 << 18, 1 << 22)


def read_voxels(opened: Opened) -> tuple[npt.NDArray[np.float32], tuple[str, ...]]:
    """Read all voxels of a file.

    Returns
    -------
    data : numpy.ndarray
        float32, C-contiguous, (I, P, L) or (T, I, P, L), slope applied. NaN and Inf are kept.
    notes : tuple of str
        What could not be kept as it was.

    Raises
    ------
    InputError
        If the file is damaged or ends before its voxels do, or does not fit into memory.
    """
    grid = opened.grid
    overflowed: list[str] = []
    with readable_errors(opened.path):
        data = np.empty(grid.ipl_shape, np.float32)
        target = grid.orientation.to_file(data).reshape(*grid.shape[:3], grid.frames, copy=False)
        with np.errstate(over="call", call=lambda kind, _flag: overflowed.append(kind)):
            if opened.raw is not None:
                _read_raw(opened.raw, target)
            else:
                _read_proxy(opened, target)
    if overflowed:
        return data, ("Some intensities are too large for single precision: they became infinite.",)
    return data, ()


def _read_raw(raw: Raw, target: npt.NDArray[np.float32]) -> None:
    with _stream(raw) as stream:
        _skip(stream, raw.offset)
        x, y, z, frames = target.shape
        plane = x * y * raw.dtype.itemsize
        least, most = _SLAB_BYTES
        planes = max(1, min(most, max(least, plane * z * frames // 16)) // plane)
        buffer = bytearray(min(planes, z) * plane)
        for frame in range(frames):
            for start in range(0, z, planes):
                count = min(planes, z - start)
                view = memoryview(buffer)[: count * plane]
                _fill(stream, view)
                stored = np.frombuffer(view, raw.dtype).reshape((x, y, count), order="F")
                target[:, :, start : start + count, frame] = _apply_slope(stored, raw)
        if isinstance(stream, GzipStream):
            stream.finish()


def _apply_slope(stored: npt.NDArray[Any], raw: Raw) -> npt.NDArray[Any]:
    if raw.slope == 1.0 and raw.inter == 0.0:
        return stored
    values = stored.astype(np.float64, order="K")
    values *= raw.slope
    values += raw.inter
    return values


@contextlib.contextmanager
def _stream(raw: Raw) -> Iterator[Stream]:
    if is_gzip(raw.path):
        with raw.path.open("rb", buffering=0) as file:
            yield GzipStream(file)
    elif is_compressed(raw.path):
        from nibabel.openers import ImageOpener

        with ImageOpener(str(raw.path), mode="rb") as opener:
            yield opener
    else:
        with raw.path.open("rb", buffering=0) as file:
            yield file


def _skip(stream: Stream, count: int) -> None:
    scratch = memoryview(bytearray(min(count, _SLAB_BYTES[0])))
    while count:
        part = scratch[: min(count, len(scratch))]
        _fill(stream, part)
        count -= len(part)


def _fill(stream: Stream, view: memoryview) -> None:
    """Fill all of `view`, or raise EOFError."""
    while view:
        count = stream.readinto(view)
        if not count:
            raise EOFError
        view = view[count:]


def _read_proxy(opened: Opened, target: npt.NDArray[np.float32]) -> None:
    """Read from formats whose voxels nibabel has to put together, slice by slice along the slowest axis."""
    proxy = opened.proxy
    if is_compressed(opened.path):
        # Each slice would be decompressed from the beginning of the file.
        proxy = np.asanyarray(proxy)
    if opened.slowest_first and proxy.ndim > 3:
        target = np.moveaxis(target, 3, 0)
    target = target.reshape(proxy.shape, copy=False)
    slowest = 0 if opened.slowest_first else proxy.ndim - 1
    for index in range(proxy.shape[slowest]):
        one = (index, ...) if opened.slowest_first else (..., index)
        target[one] = proxy[one]

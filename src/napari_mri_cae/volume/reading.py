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

# Large enough that runs along the slowest axis fill cache lines, small enough to stay in the cache and to be
# little beside the volume.
_SLAB_VOXELS: Final = (1 << 17, 1 << 19)
_SKIP_BYTES: Final = 1 << 18

TOO_LARGE: Final = "Some intensities are too large for single precision: they became infinite."


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
    with readable_errors(opened.path):
        data = np.empty(grid.ipl_shape, np.float32)
        target = grid.orientation.to_file(data).reshape(*grid.shape[:3], grid.frames, copy=False)
        with noted_overflow() as overflowed:
            if opened.raw is not None:
                _read_raw(opened.raw, target)
            else:
                with _closed_after(opened.proxy):
                    _read_proxy(opened, target)
    # What is stored as integers is finite, but for what has just been noted.
    finite = opened.raw is not None and opened.raw.dtype.kind in "iu"
    return data, (*((TOO_LARGE,) if overflowed else ()), *notes_on_values(data, finite=finite))


def notes_on_values(data: npt.NDArray[np.float32], *, finite: bool = False) -> tuple[str, ...]:
    """Return what is unusual about the intensities of a volume, one plain sentence each.

    Parameters
    ----------
    data : numpy.ndarray
        (I, P, L) or (T, I, P, L), C-contiguous.
    finite : bool
        Whether all of them are known to be, so that nobody has to look.
    """
    bad = 0
    with np.errstate(over="ignore", invalid="ignore"):
        for plane in () if finite else data.reshape(-1, data.shape[-1] * data.shape[-2]):
            # A sum is quicker than a look at each, and hardly ever is one infinite.
            if not np.isfinite(plane.sum()):
                bad += plane.size - int(np.count_nonzero(np.isfinite(plane)))
    if bad == data.size:
        return ("No voxel is a number: the volume counts as empty.",)
    if bad:
        are = "1 voxel is" if bad == 1 else f"{bad} voxels are"
        return (f"{are} NaN or infinite: NaN counts as the minimum, infinity as the end of the window.",)
    first = data.reshape(-1)[0]
    if all(np.all(plane == first) for plane in data):
        return (f"All voxels are {first:g}: there is nothing to corrupt, to reconstruct or to measure.",)
    return ()


@contextlib.contextmanager
def noted_overflow() -> Iterator[list[str]]:
    """Give a list that is not empty any more when intensities were too large for single precision."""
    overflowed: list[str] = []
    with np.errstate(over="call", call=lambda kind, _flag: overflowed.append(kind)):
        yield overflowed


def _read_raw(raw: Raw, target: npt.NDArray[np.float32]) -> None:
    slabs = Slabs(raw, target)
    with stream_of(raw) as stream:
        skip(stream, raw.offset)
        for frame in range(target.shape[3]):
            slabs.read(stream, frame)
        if isinstance(stream, GzipStream):
            stream.finish()


class Slabs:
    """Puts voxels from a stream in their places, some planes at a time.

    Parameters
    ----------
    raw : Raw
    target : numpy.ndarray
        (x, y, z, t) float32, in the file's order.

    Attributes
    ----------
    frame_bytes : int
        How long a frame is in the file.
    """

    def __init__(self, raw: Raw, target: npt.NDArray[np.float32]) -> None:
        x, y, z, _ = target.shape
        self._raw = raw
        self._target = target
        self._plane = x * y * raw.dtype.itemsize
        self.frame_bytes = z * self._plane
        self._planes = _planes_at_a_time(target)
        self._buffer = bytearray(self._planes * self._plane)
        # A cache line between planes: a power of two apart, they would push each other out of the cache.
        padded = np.empty((self._planes, x * y + 16), np.float32)
        in_planes = padded[:, : x * y].reshape(self._planes, y, x, copy=False)
        self._intensities = in_planes.transpose(2, 1, 0)

    def read(self, stream: Stream, frame: int) -> None:
        """Read a frame from where the stream is.

        Raises
        ------
        EOFError
            If the stream ends before the frame does.
        """
        x, y, z, _ = self._target.shape
        for start in range(0, z, self._planes):
            count = min(self._planes, z - start)
            view = memoryview(self._buffer)[: count * self._plane]
            _fill(stream, view)
            stored = np.frombuffer(view, self._raw.dtype).reshape((x, y, count), order="F")
            # Converted before it is reordered: one pass in memory order, and then only copying.
            slab = self._intensities[..., :count]
            _apply_slope(stored, self._raw, slab)
            self._target[:, :, start : start + count, frame] = slab


def _planes_at_a_time(target: npt.NDArray[np.float32]) -> int:
    x, y, z, frames = target.shape
    least, most = _SLAB_VOXELS
    planes = min(most, max(least, x * y * z * frames // 32)) // (x * y)
    if abs(target.strides[2]) == target.itemsize:
        # The slowest axis becomes the fastest: fewer planes would write fractions of a cache line.
        planes = max(planes, 16)
    return int(max(1, min(z, planes)))


def _apply_slope(stored: npt.NDArray[Any], raw: Raw, intensities: npt.NDArray[np.float32]) -> None:
    """Put stored values into `intensities`, computed in double precision as nibabel does."""
    if raw.slope == 1.0 and raw.inter == 0.0:
        intensities[...] = stored
    elif raw.inter == 0.0:
        np.multiply(stored, raw.slope, out=intensities, dtype=np.float64, casting="same_kind")
    else:
        for plane in range(stored.shape[2]):
            intensities[..., plane] = stored[..., plane] * np.float64(raw.slope) + raw.inter


@contextlib.contextmanager
def stream_of(raw: Raw) -> Iterator[Stream]:
    """Open the bytes that a file holds, decompressed."""
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


def skip(stream: Stream, count: int) -> None:
    """Read on without keeping anything."""
    scratch = memoryview(bytearray(min(count, _SKIP_BYTES)))
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


@contextlib.contextmanager
def _closed_after(proxy: Any) -> Iterator[None]:
    """Close a file that nibabel left open for its proxy, as it does for Philips' PAR and REC."""
    try:
        yield
    finally:
        close = getattr(getattr(proxy, "file_like", None), "close", None)
        if close is not None:
            close()


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

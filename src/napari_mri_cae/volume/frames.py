"""The frames of a series, each read when it is asked for."""

import threading
import weakref
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_mri_cae.volume.opening import Opened, Raw, is_compressed, readable_errors
from napari_mri_cae.volume.reading import TOO_LARGE, Slabs, noted_overflow, skip, stream_of
from napari_mri_cae.volume.streams import GzipStream, Stream


class Frames:
    """An array-like (T, I, P, L) of float32 whose frames are read when they are first looked at.

    Of a file that is not compressed only those are read. A compressed stream has no other way than from the
    beginning, so what comes before is read and kept too, and the file stays open until all of it is read.

    Parameters
    ----------
    opened : Opened
        A series whose voxels lie plainly in their file.
    raw : Raw
        Where they lie.

    Attributes
    ----------
    shape : tuple of int
    dtype : numpy.dtype
    ndim : int
    """

    dtype: Final = np.dtype(np.float32)
    ndim: Final = 4

    def __init__(self, opened: Opened, raw: Raw) -> None:
        grid = opened.grid
        self.shape = grid.ipl_shape
        self._path = opened.path
        self._raw = raw
        with readable_errors(opened.path):
            # Takes memory as it is filled, not before.
            self._array = np.empty(self.shape, np.float32)
        in_file_order = grid.orientation.to_file(self._array)
        self._target = in_file_order.reshape(*grid.shape[:3], grid.frames, copy=False)
        self._is_read = np.zeros(grid.frames, bool)
        self._overflowed = False
        self._lock = threading.Lock()
        self._open = ExitStack()
        # Of a series that nobody has read to its end.
        weakref.finalize(self, self._open.close)
        self._stream: Stream | None = None

    @property
    def size(self) -> int:
        """How many voxels all frames have."""
        return self._array.size

    @property
    def n_read(self) -> int:
        """How many frames have been read."""
        return int(self._is_read.sum())

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be kept as it was in the frames that have been read."""
        return (TOO_LARGE,) if self._overflowed else ()

    def all(self) -> npt.NDArray[np.float32]:
        """Return the whole series.

        Raises
        ------
        InputError
            If the file is damaged or ends before its voxels do.
        """
        whole: npt.NDArray[np.float32] = self[...]
        return whole

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[npt.NDArray[np.float32]]:
        return (self[frame] for frame in range(len(self)))

    def __getitem__(self, key: Any) -> Any:
        """Return what NumPy's array would, after having read the frames it is in."""
        first = key[0] if isinstance(key, tuple) and key else key
        if first is None or first is Ellipsis or isinstance(first, tuple):
            first = slice(None)
        self._read(np.atleast_1d(np.arange(len(self))[first]))
        return self._array[key]

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.array(self.all(), dtype=dtype, copy=copy)

    def _read(self, frames: npt.NDArray[Any]) -> None:
        if self._is_read[frames].all():
            return
        with self._lock, readable_errors(self._path), noted_overflow() as overflowed:
            missing = [int(frame) for frame in frames if not self._is_read[frame]]
            if is_compressed(self._raw.path):
                if missing:
                    self._read_up_to(max(missing))
            else:
                for frame in missing:
                    self._read_one(frame)
            self._overflowed |= bool(overflowed)

    def _read_one(self, frame: int) -> None:
        """Read a frame of a file in which every frame has its place."""
        slabs = Slabs(self._raw, self._target)
        with self._raw.path.open("rb", buffering=0) as file:
            file.seek(self._raw.offset + frame * slabs.frame_bytes)
            slabs.read(file, frame)
        self._is_read[frame] = True

    def _read_up_to(self, last: int) -> None:
        """Read a stream on, from the first frame that is missing."""
        try:
            self._read_on(last)
        except BaseException:
            # Somewhere within a frame, or at the end of a damaged file: the next attempt begins anew.
            self._is_read[:] = False
            self._close()
            raise
        if self._is_read.all():
            self._close()

    def _read_on(self, last: int) -> None:
        slabs = Slabs(self._raw, self._target)
        if self._stream is None:
            self._stream = self._open.enter_context(stream_of(self._raw))
            skip(self._stream, self._raw.offset)
        for frame in range(self.n_read, last + 1):
            slabs.read(self._stream, frame)
            self._is_read[frame] = True
        if self._is_read.all() and isinstance(self._stream, GzipStream):
            self._stream.finish()

    def _close(self) -> None:
        self._open.close()
        self._stream = None

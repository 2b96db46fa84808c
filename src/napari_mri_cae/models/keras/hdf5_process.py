"""Read a Keras HDF5 file in a process of its own: `python hdf5_process.py FILE`.

One wrong byte can send the HDF5 library into an endless loop, a short file can ask for more memory than there
is, and neither can be stopped from within. So whoever opens a file starts this process, which has limits, and
may be killed. Without FILE, the file's bytes come in on standard input.

Standard output gets one line of JSON, then the arrays' bytes (little-endian float32) one after another. The
line is `{"refused": reason}`, `{"damaged": reason}`, or `{"texts": {name: text}, "layer_names": [name, ...],
"arrays": [[path, shape], ...]}`.

Only what is in this very file is read: no links out of it, no data kept in other files, no filters that the
HDF5 library would have to load as a plugin. Everything's size is checked before it is read.
"""

import io
import json
import math
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Final

import h5py
import numpy as np
import numpy.typing as npt

TEXTS: Final = ("model_config", "keras_version")
_SKIPPED: Final = ("optimizer_weights", "optimizer")
# Deflate, shuffle and checksum: built into the library. Others are plugins.
_FILTERS: Final = {1, 2, 3}
_MOST_ENTRIES: Final = 20_000
_MOST_NAMES: Final = 4096
_DEEPEST: Final = 32
_LARGEST_CHUNK: Final = 2**28
_LARGEST: Final = 2**32
# Trained weights hardly compress. What unpacks to far more than the file has is no model.
_LARGEST_RATIO: Final = 64


class Refused(Exception):
    """The file asks for something that is not done."""


def main(arguments: list[str]) -> None:
    """Read the file and write what is in it to standard output."""
    source: BinaryIO = Path(arguments[0]).open("rb") if arguments else io.BytesIO(sys.stdin.buffer.read())  # noqa: SIM115
    _limit(source.seek(0, io.SEEK_END))
    head, arrays = read(source)
    output = sys.stdout.buffer
    output.write(json.dumps(head).encode() + b"\n")
    for array in arrays:
        output.write(array.tobytes())
    output.flush()


def read(source: BinaryIO) -> tuple[dict[str, Any], list[npt.NDArray[np.float32]]]:
    """Return what the line of JSON says, and the arrays."""
    size = source.seek(0, io.SEEK_END)
    arrays: list[npt.NDArray[np.float32]] = []
    try:
        with h5py.File(source, "r") as file:
            return _read(file, size, arrays), arrays
    except Refused as refusal:
        return {"refused": str(refusal)}, []
    except Exception as error:
        return {"damaged": f"{type(error).__name__}: {error}"[:1000]}, []


def _limit(size: int) -> None:
    """Bound the memory and the processor time that a file of so many bytes may cost."""
    try:
        import resource
    except ImportError:  # Windows: there the caller's clock is the only limit.
        return
    megabytes = size // 2**20
    for kind, most in (
        (resource.RLIMIT_AS, 2**32 + 6 * size),
        (resource.RLIMIT_CPU, 10 + megabytes // 20),
        (resource.RLIMIT_CORE, 0),
    ):
        # Some systems know a limit and cannot set it.
        with suppress(ValueError, OSError):
            resource.setrlimit(kind, (most, most))


def _read(file: h5py.File, size: int, arrays: list[npt.NDArray[np.float32]]) -> dict[str, Any]:
    root = _child(file, "model_weights") if "model_weights" in file else file
    if not isinstance(root, h5py.Group):
        raise Refused("its model_weights is no group")
    shapes = []
    left = min(_LARGEST, _LARGEST_RATIO * size)
    for path, dataset in _datasets(root, "", _Count()):
        if dataset.dtype.kind != "f":
            # Counters and the state of random generators.
            continue
        left -= _checked_size(path, dataset)
        if left < 0:
            raise Refused("its arrays are far larger than the file itself")
        arrays.append(np.ascontiguousarray(dataset[()], "<f4"))
        shapes.append([path, list(dataset.shape)])
    return {
        "texts": {name: _text(file, name) for name in TEXTS if name in file.attrs},
        "layer_names": list(_names(root, "layer_names")),
        "arrays": shapes,
    }


class _Count:
    """How many entries have been met."""

    def __init__(self) -> None:
        self.entries = 0

    def add(self) -> None:
        self.entries += 1
        if self.entries > _MOST_ENTRIES:
            raise Refused(f"it has more than {_MOST_ENTRIES} entries")


def _datasets(
    group: h5py.Group, prefix: str, count: _Count, depth: int = 0
) -> Iterator[tuple[str, h5py.Dataset]]:
    if depth > _DEEPEST:
        raise Refused(f"its groups are nested more than {_DEEPEST} deep")
    for name in group:
        count.add()
        if depth == 0 and name in _SKIPPED:
            continue
        child = _child(group, name)
        path = f"{prefix}{name}"
        if isinstance(child, h5py.Group):
            yield from _datasets(child, f"{path}/", count, depth + 1)
        elif isinstance(child, h5py.Dataset):
            yield path, child


def _child(group: h5py.Group, name: str) -> Any:
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise Refused(f"its entry {name!r} is a link to another place")
    return group[name]


def _checked_size(path: str, dataset: h5py.Dataset) -> int:
    """Return how many bytes a dataset becomes, after making sure that reading it is harmless."""
    if dataset.external or dataset.is_virtual:
        raise Refused(f"its array {path!r} is kept in another file")
    properties = dataset.id.get_create_plist()
    filters = {properties.get_filter(index)[0] for index in range(properties.get_nfilters())}
    if not filters <= _FILTERS:
        raise Refused(f"its array {path!r} is packed in a way that needs a plugin")
    if math.prod(dataset.chunks or ()) * dataset.dtype.itemsize > _LARGEST_CHUNK:
        raise Refused(f"its array {path!r} comes in pieces too large to unpack")
    # What is read becomes float32.
    size: int = math.prod(dataset.shape) * max(dataset.dtype.itemsize, 4)
    return size


def _text(file: h5py.File, name: str) -> str:
    if file.attrs.get_id(name).shape != ():
        raise Refused(f"its {name} is no text")
    value = file.attrs[name]
    return value.decode() if isinstance(value, bytes) else str(value)


def _names(group: h5py.Group, name: str) -> Iterator[str]:
    """Return a list of names, which Keras spreads over several attributes when it is long."""
    if name in group.attrs:
        parts = [name]
    else:
        parts = [f"{name}{part}" for part in range(_MOST_NAMES) if f"{name}{part}" in group.attrs]
    for part in parts:
        shape = group.attrs.get_id(part).shape
        if len(shape) != 1 or shape[0] > _MOST_NAMES:
            raise Refused(f"its {name} is no list of names")
        for value in group.attrs[part]:
            yield value.decode() if isinstance(value, bytes) else str(value)


if __name__ == "__main__":
    main(sys.argv[1:])

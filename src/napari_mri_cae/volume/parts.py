"""The files that a volume lies in, and their checksum."""

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Final

from napari_mri_cae.errors import InputError
from napari_mri_cae.files import checksum
from napari_mri_cae.volume.opening import COMPRESSIONS

# Formats that keep header and voxels apart.
_PAIRS: Final = ((".hdr", ".img"), (".head", ".brik"), (".par", ".rec"))


def files_of(path: Path) -> tuple[Path, ...]:
    """Return all files of a volume, itself among them, in alphabetical order."""
    stem, suffix = _split(path)
    pair = next((pair for pair in _PAIRS if suffix in pair), None)
    if pair is None:
        return (path,)
    others = (other for other in path.parent.iterdir() if other.name.startswith(stem))
    return tuple(sorted(other for other in others if _split(other) in {(stem, each) for each in pair}))


def volume_checksum(path: Path) -> str:
    """Return the SHA-256 of a volume's file, in hexadecimal; of several, that of their checksums.

    A file that has not changed since, by its size and time, is not read again.

    Raises
    ------
    InputError
        If one cannot be read.
    """
    sums = []
    for file in files_of(path):
        try:
            status = file.stat()
        except OSError as error:
            raise InputError(f"{file} cannot be read: {error.strerror or error}.") from error
        sums.append(_checksum(file, status.st_size, status.st_mtime_ns))
    return sums[0] if len(sums) == 1 else hashlib.sha256("\n".join(sums).encode()).hexdigest()


def _split(path: Path) -> tuple[str, str]:
    """Return a file's name and suffix, the suffix of a compression left away."""
    bare = path.name
    for compression in COMPRESSIONS:
        if bare.lower().endswith(compression):
            bare = bare[: -len(compression)]
    stem, dot, suffix = bare.rpartition(".")
    return stem, dot + suffix.lower()


@lru_cache(maxsize=100_000)
def _checksum(path: Path, size: int, changed: int) -> str:
    return checksum(path)

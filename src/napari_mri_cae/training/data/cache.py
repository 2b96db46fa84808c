"""Volumes decoded once, for this training and the next, into files that are mapped into memory.

The files are in the user's cache folder, or in the one that the environment variable NAPARI_MRI_CAE_CACHE
names, and can be deleted when no training goes on. They are named by the checksum of what they were made of.
What has not been used for longest goes when they become too many.
"""

import contextlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import numpy.typing as npt
import platformdirs

from napari_mri_cae.errors import InputError
from napari_mri_cae.planes import PLANES, Plane, plane_axis
from napari_mri_cae.training.data.sources import Source, series
from napari_mri_cae.volume import Volume

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Shares = npt.NDArray[np.float64]

CONTENT: Final = 0.1
"""On the volume scale. Between it and the brightest tissue lie the head and the brain, stripped or not."""

# Raised when the files hold something else than before.
_DECODED: Final = "decoded2"
_BRAIN: Final = "brain3"
_LIMIT_BYTES: Final = 50 << 30
_LIMIT_SHARE: Final = 0.5
_BLOCK: Final = 1 << 20
_ABANDONED_SECONDS: Final = 24 * 3600
# numpy has headers parsed by `ast`, which two threads cannot do at once before Python 3.11.8 (gh-106905).
_parsing: Final = threading.Lock()


class CacheError(InputError):
    """The cache cannot be written."""


@dataclass(frozen=True)
class CachedVolume:
    """A volume whose voxels are mapped from a file.

    Attributes
    ----------
    source
        Where it comes from.
    voxels
        (I, P, L) float32: 0 at the volume's minimum and 1 at its 99.95th percentile, not clipped.
    window
        The file's intensities at 0 and 1.
    spacing
        mm along I, P and L.
    moments
        Mean and standard deviation on the volume scale, which is clipped at 1.
    content, means, lowest, highest
        For each slice of a plane: the share of its pixels above `CONTENT` and their mean, on the volume
        scale, and its lowest and highest value in `voxels`.
    """

    source: Source
    voxels: Array
    window: tuple[float, float]
    spacing: tuple[float, float, float]
    moments: tuple[float, float]
    content: dict[Plane, Shares]
    means: dict[Plane, Shares]
    lowest: dict[Plane, Shares]
    highest: dict[Plane, Shares]

    def slices(self, plane: Plane, indices: Iterable[int]) -> Array:
        """Return slices in the pose that networks see: (N, H, W), a copy."""
        return np.ascontiguousarray(np.moveaxis(self.voxels, plane_axis(plane), 0)[list(indices)])

    def n_slices(self, plane: Plane) -> int:
        """Return how many slices a plane has."""
        return int(self.voxels.shape[plane_axis(plane)])

    @cached_property
    def brain(self) -> Mask:
        """(I, P, L), where the brain is; computed once and kept beside the voxels."""
        from napari_mri_cae.brain import brain_mask

        path = cache_folder() / f"{self.source.sha256}.{_BRAIN}.npz"
        if not path.exists():
            affine = np.zeros((4, 4))
            affine[[2, 1, 0], [0, 1, 2]] = np.negative(self.spacing)
            affine[3, 3] = 1
            mask = brain_mask(Volume.from_array(self.voxels, affine))
            write(path, lambda file: np.savez(file, mask=np.packbits(mask)))
        touch(path)
        bits = np.unpackbits(_arrays(path)["mask"], count=self.voxels.size)
        return bits.reshape(self.voxels.shape).view(bool)

    def brain_shares(self, plane: Plane) -> Shares:
        """Return, for each slice of a plane, the share of its pixels that lie in the brain."""
        return _share(self.brain, plane)


def cache_folder() -> Path:
    """Return where the files are."""
    if named := os.environ.get("NAPARI_MRI_CAE_CACHE"):
        return Path(named)
    return platformdirs.user_cache_path("napari-mri-cae", appauthor=False) / "volumes"


def cache_volume(source: Source) -> CachedVolume:
    """Decode a volume, unless that has been done, and map it.

    Raises
    ------
    CacheError
        If the cache cannot be written.
    InputError
        If the volume cannot be read, is a series or holds labels.
    """
    folder = cache_folder()
    decoded = folder / f"{source.sha256}.{_DECODED}.npy"
    facts = decoded.with_suffix(".npz")
    if not (facts.exists() and decoded.exists()):
        _decode(source, decoded, facts)
    for path in (decoded, facts):
        touch(path)
    values = _arrays(facts)
    planes = {
        name: {plane: values[f"{name} {plane}"] for plane in PLANES}
        for name in ("content", "means", "lowest", "highest")
    }
    low, high = values["window"].tolist()
    mean, deviation = values["moments"].tolist()
    i, p, l = values["spacing"].tolist()  # noqa: E741 - the axis
    return CachedVolume(source, mapped(decoded), (low, high), (i, p, l), (mean, deviation), **planes)


def _decode(source: Source, decoded: Path, facts: Path) -> None:
    volume = Volume.load(source.path)
    if volume.is_series:
        raise InputError(series(source.path))
    if volume.is_label:
        raise InputError(f"{source.path} holds labels, no intensities: leave it out by the pattern.")
    window = volume.window
    voxels = _unclipped(volume)
    clipped = np.minimum(voxels, 1)
    found: dict[str, Any] = {
        "window": np.array([window.low, window.high]),
        "spacing": np.array(volume.spacing),
        "moments": np.array([clipped.mean(dtype=np.float64), clipped.std(dtype=np.float64)]),
    }
    bright = clipped > CONTENT
    for plane in PLANES:
        others = _others(plane)
        found[f"content {plane}"] = _share(bright, plane)
        found[f"means {plane}"] = clipped.mean(others, dtype=np.float64)
        found[f"lowest {plane}"] = voxels.min(others).astype(np.float64)
        found[f"highest {plane}"] = voxels.max(others).astype(np.float64)
    write(decoded, lambda file: np.save(file, voxels))
    # The second file says that the first is there.
    write(facts, lambda file: np.savez(file, **found))


def _unclipped(volume: Volume) -> Array:
    """Return the volume scale without its clipping; NaN and -Inf are 0, Inf is the highest finite value."""
    low, high = volume.window.low, volume.window.high
    gain = 1.0 / (high - low) if high > low else 0.0
    scaled = np.empty(volume.data.shape, np.float32)
    source, target = volume.data.reshape(-1), scaled.reshape(-1)
    with np.errstate(invalid="ignore"):
        for start in range(0, source.size, _BLOCK):
            block = (source[start : start + _BLOCK].astype(np.float64) - low) * gain
            target[start : start + _BLOCK] = block
    if not np.isfinite(scaled.sum(dtype=np.float64)):
        top = scaled.max(where=np.isfinite(scaled), initial=1.0)
        np.nan_to_num(scaled, copy=False, nan=0.0, posinf=float(top), neginf=0.0)
    return scaled


def _others(plane: Plane) -> tuple[int, ...]:
    return tuple(axis for axis in range(3) if axis != plane_axis(plane))


def _share(mask: Mask, plane: Plane) -> Shares:
    return np.asarray(mask.mean(_others(plane)))


def write(path: Path, fill: Callable[[BinaryIO], object]) -> None:
    """Write a file of the cache beside its place and move it there, so that nobody sees half of it.

    Raises
    ------
    CacheError
        If it cannot be written, because the disk is full for instance.
    """
    beside = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as file:
            fill(file)
        beside.replace(path)
    except OSError as error:
        # numpy says how many bytes it could not write, and not why.
        reason = error.strerror or "the disk is full"
        raise CacheError(
            f"the cache of decoded volumes, {path.parent}, cannot be written ({reason}): free some space, or "
            "set NAPARI_MRI_CAE_CACHE to a folder on another disk."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            beside.unlink()


def mapped(path: Path) -> npt.NDArray[Any]:
    """Return the array of a file of the cache, mapped into memory."""
    with _parsing:
        return np.asarray(np.load(path, mmap_mode="r"))


def _arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    with _parsing, np.load(path) as saved:
        return dict(saved)


def touch(path: Path) -> None:
    """Note that a file of the cache is in use."""
    # It is only a note.
    with contextlib.suppress(OSError):
        os.utime(path)


def trim(used: Iterable[Source], limit: int | None = None) -> None:
    """Delete what has not been used for longest, until the cache fits its limit.

    Parameters
    ----------
    used
        Their files stay, however many they are.
    limit
        Bytes; by default 50 GiB, or half of what the disk has for it if that is less.
    """
    folder = cache_folder()
    kept = {source.sha256 for source in used}
    _remove_abandoned(folder)
    found = []
    for path in folder.glob("*.np[yz]"):
        try:
            status = path.stat()
        except FileNotFoundError:
            continue
        found.append((status.st_mtime, status.st_size, path))
    total = sum(size for _, size, _ in found)
    if limit is None:
        limit = min(_LIMIT_BYTES, int(_LIMIT_SHARE * (shutil.disk_usage(folder).free + total)))
    for _, size, path in sorted(found):
        if total <= limit:
            return
        if path.name.split(".")[0] in kept:
            continue
        try:
            path.unlink(missing_ok=True)
        except OSError:
            # Windows does not delete what somebody has mapped.
            continue
        total -= size


def _remove_abandoned(folder: Path) -> None:
    """Delete what somebody began to write and was killed over."""
    for path in folder.glob("*.part"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > _ABANDONED_SECONDS:
                path.unlink()

"""Volumes decoded once into memory-mapped arrays, and the patches and slices drawn from them."""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import platformdirs

from napari_mri_cae.errors import InputError
from napari_mri_cae.planes import Plane, plane_axis
from napari_mri_cae.training.config import DataFolder, TrainingConfig
from napari_mri_cae.volume import Volume

if TYPE_CHECKING:
    from torch import Tensor


Part = Literal["training", "validation", "test"]
Array = npt.NDArray[np.float32]

# On the volume scale. Between it and the brightest tissue lie the head and the brain, in stripped and in
# whole-head volumes alike.
_CONTENT_THRESHOLD: Final = 0.1
# A patch with less content than this is drawn again, most of the time.
_CONTENT_SHARE: Final = 0.2
_BACKGROUND_RATE: Final = 0.1
_TRIES: Final = 4
_READ_AHEAD: Final = 2


@dataclass(frozen=True)
class Source:
    """One volume of a data folder."""

    data: str
    subject: str
    part: Part
    path: Path
    sha256: str


@dataclass(frozen=True)
class CachedVolume:
    """A source with its normalized voxels, memory-mapped."""

    source: Source
    voxels: Array
    """(I, P, L) in [0, 1]."""
    content: dict[Plane, npt.NDArray[np.float64]]
    """For each slice of a plane, the share of its pixels above the content threshold."""


def subject_of(path: Path) -> str:
    """Return the subject that a file belongs to: its "sub-..." label, or else its name without suffixes."""
    match = re.match(r"(sub-[A-Za-z0-9]+)", path.name)
    return match[1] if match else path.name.split(".")[0]


def find_sources(folder: DataFolder, root: Path) -> list[Source]:
    """Return the volumes of a data folder, sorted by path, each with its checksum.

    Raises
    ------
    InputError
        If there is no such folder, nothing in it matches, or a subject to hold out is not there.
    """
    place = root / folder.folder
    if not place.is_dir():
        raise InputError(f"there is no data folder {place}: put it there, or set root to where it is.")
    paths = sorted(
        path
        for path in place.glob("**/*.nii*" if folder.pattern == "auto" else folder.pattern)
        if path.is_file()
    )
    if not paths:
        raise InputError(f"no file in {place} matches {folder.pattern}: choose another folder or pattern.")
    subjects = {subject_of(path) for path in paths}
    held_out = {*folder.validation, *folder.test}
    chosen = {*folder.training, *held_out} if folder.training else subjects
    if missing := {*chosen, *held_out} - subjects:
        raise InputError(f"{place} has no subject {', '.join(sorted(missing))}: correct the split.")
    named = Counter([*folder.training, *folder.validation, *folder.test])
    if twice := [subject for subject, times in named.items() if times > 1]:
        raise InputError(f"{', '.join(twice)} of {folder.label} is named twice: correct the split.")

    def part(subject: str) -> Part:
        if subject in folder.test:
            return "test"
        return "validation" if subject in folder.validation else "training"

    return [
        Source(folder.label, subject_of(path), part(subject_of(path)), path, _checksum(path))
        for path in paths
        if subject_of(path) in chosen
    ]


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cache_volume(source: Source, cache: Path | None = None) -> CachedVolume:
    """Decode a volume's normalized voxels into a file, unless they are there, and map it.

    Parameters
    ----------
    source
        A 3-D volume.
    cache
        Folder of the decoded volumes, by checksum; by default in the user's cache folder.

    Raises
    ------
    InputError
        If the volume cannot be read or is a series.
    """
    cache = cache or platformdirs.user_cache_path("napari-mri-cae", appauthor=False) / "volumes"
    decoded = cache / f"{source.sha256}.npy"
    if not decoded.exists():
        volume = Volume.load(source.path)
        if volume.is_series:
            raise InputError(f"{source.path} is a series of volumes: leave it out by the pattern.")
        cache.mkdir(parents=True, exist_ok=True)
        beside = decoded.with_suffix(".part.npy")
        np.save(beside, volume.normalized)
        beside.replace(decoded)
    voxels = np.load(decoded, mmap_mode="r")
    filled = voxels > _CONTENT_THRESHOLD
    content: dict[Plane, npt.NDArray[np.float64]] = {
        "axial": filled.mean((1, 2)),
        "coronal": filled.mean((0, 2)),
        "sagittal": filled.mean((0, 1)),
    }
    return CachedVolume(source, voxels, content)


def take_slices(volume: CachedVolume, plane: Plane, indices: Sequence[int]) -> Array:
    """Return slices of a volume, in the pose that networks see: (N, H, W) float32."""
    return np.ascontiguousarray(np.moveaxis(volume.voxels, plane_axis(plane), 0)[list(indices)])


class Patches:
    """Endless batches of clean patches, each batch a function of (seed, its number) alone.

    So a training that is resumed sees what it would have seen. A thread prepares the next batches while
    the network works on this one.

    Parameters
    ----------
    volumes
        To draw from; the `share` of each data folder in `config` says how often.
    config
        Of the training.
    first
        Returns the number of the first batch of the epoch that begins.
    """

    def __init__(
        self, volumes: Sequence[CachedVolume], config: TrainingConfig, first: Callable[[], int]
    ) -> None:
        self._config = config
        self._first = first
        self._by_data = [
            [volume for volume in volumes if volume.source.data == folder.label] for folder in config.data
        ]
        shares = np.array(
            [
                folder.share if volumes else 0.0
                for folder, volumes in zip(config.data, self._by_data, strict=True)
            ]
        )
        if not shares.any():
            raise InputError("no volume is left to train on: hold out fewer subjects.")
        self._shares = shares / shares.sum()

    def __len__(self) -> int:
        return self._config.steps_per_epoch

    def __iter__(self) -> "Iterator[tuple[int, Tensor]]":
        start = self._first()
        numbers = range(start, min(start + len(self), self._config.steps))
        with ThreadPoolExecutor(1) as reader:
            pending = [reader.submit(self.batch, number) for number in numbers[:_READ_AHEAD]]
            for number in numbers:
                batch = pending.pop(0).result()
                if number + _READ_AHEAD in numbers:
                    pending.append(reader.submit(self.batch, number + _READ_AHEAD))
                yield number, batch

    def batch(self, number: int) -> "Tensor":
        """Return batch `number`: (batch_size, 1, patch_size, patch_size) float32 in [0, 1]."""
        import torch

        config = self._config
        rng = np.random.default_rng((config.seed, number))
        size = config.patch_size
        patches = np.empty((config.batch_size, 1, size, size), np.float32)
        for patch in patches[:, 0]:
            volumes = self._by_data[rng.choice(len(self._by_data), p=self._shares)]
            volume = volumes[rng.integers(len(volumes))]
            plane = config.planes[rng.integers(len(config.planes))]
            patch[...] = _draw_patch(volume, plane, size, rng)
            if config.flips:
                _flip(patch, rng)
        return torch.from_numpy(patches)


def _draw_patch(volume: CachedVolume, plane: Plane, size: int, rng: np.random.Generator) -> Array:
    content = volume.content[plane] + _BACKGROUND_RATE * volume.content[plane].max() + 1e-6
    index = rng.choice(len(content), p=content / content.sum())
    image = np.moveaxis(volume.voxels, plane_axis(plane), 0)[index]
    accept_any = rng.random() < _BACKGROUND_RATE
    for _ in range(_TRIES):
        # A slice smaller than the patch lies anywhere in it, surrounded by zeros.
        rows, columns = (_window(length, size, rng) for length in image.shape)
        part = image[rows[0], columns[0]]
        if accept_any or (part > _CONTENT_THRESHOLD).mean() > _CONTENT_SHARE:
            break
    patch = np.zeros((size, size), np.float32)
    patch[rows[1], columns[1]] = part
    return patch


def _window(length: int, size: int, rng: np.random.Generator) -> tuple[slice, slice]:
    """Return where `size` pixels lie along an axis of `length`, and where in the patch they go."""
    if length >= size:
        start = int(rng.integers(length - size + 1))
        return slice(start, start + size), slice(0, size)
    start = int(rng.integers(size - length + 1))
    return slice(0, length), slice(start, start + length)


def _flip(patch: Array, rng: np.random.Generator) -> None:
    """Mirror and transpose a square patch in place, each of the eight ways as often."""
    mirror_rows, mirror_columns, transpose = rng.integers(2, size=3)
    view = patch.T if transpose else patch
    patch[...] = view[:: 1 - 2 * mirror_rows, :: 1 - 2 * mirror_columns].copy()


class ValidationSlices(NamedTuple):
    """Clean slices of one plane of one volume, (N, 1, H, W), by which a training is judged."""

    data: str
    plane: Plane
    slices: "Tensor"


def validation_slices(volumes: Sequence[CachedVolume], config: TrainingConfig) -> list[ValidationSlices]:
    """Return evenly spaced slices with content of each plane of each validation volume."""
    import torch

    found = []
    for volume in volumes:
        for plane in config.planes:
            filled = np.flatnonzero(volume.content[plane] > _CONTENT_SHARE / 2)
            if not len(filled):
                continue
            count = config.validation.slices_per_plane
            places = np.linspace(0, len(filled) - 1, count + 2)[1:-1].round().astype(int)
            slices = take_slices(volume, plane, sorted({int(filled[place]) for place in places}))
            found.append(ValidationSlices(volume.source.data, plane, torch.from_numpy(slices)[:, None]))
    if not found:
        raise InputError("there are no validation slices: name validation subjects with content.")
    return found

"""Random patches of the training slices."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from napari_mri_cae.errors import InputError
from napari_mri_cae.planes import Plane, plane_axis
from napari_mri_cae.training.config import PatchSampling
from napari_mri_cae.training.data.batches import TrainingBatch, read_ahead, share_of
from napari_mri_cae.training.data.cache import CONTENT, CachedVolume
from napari_mri_cae.training.data.prepared import Numbers, Prepared
from napari_mri_cae.training.data.scaling import Scaling, scaling_of

Array = npt.NDArray[np.float32]

# A patch with less content than this is drawn again, most of the time.
_CONTENT_SHARE: Final = 0.2
_BACKGROUND_RATE: Final = 0.1
_TRIES: Final = 4


@dataclass(frozen=True)
class _Drawable:
    """What can be drawn from a volume: for each plane with slices to learn from, which and how often."""

    volume: CachedVolume
    scaling: Scaling
    planes: tuple[tuple[Plane, Numbers, npt.NDArray[np.float64]], ...]


class Patches:
    """Batches of clean patches, each a function of (seed, its number) alone.

    So a training that is resumed sees what it would have seen, and processes that train together see,
    together, what one alone would. Slices with more content are drawn more often, and so are patches with
    content; the share of each data folder says how often patches come from it.

    Parameters
    ----------
    prepared
        The data; its configuration samples patches.
    first
        Returns the number of the first batch of the epoch that begins.
    share
        Which process this is, from 0 on, and of how many.

    Raises
    ------
    InputError
        If the folders with slices to learn from have no share.
    """

    def __init__(self, prepared: Prepared, first: Callable[[], int], share: tuple[int, int] = (0, 1)) -> None:
        config = prepared.config
        assert isinstance(config.sampling, PatchSampling)
        assert config.steps_per_epoch is not None
        self._config = config
        self._sampling = config.sampling
        self._length = config.steps_per_epoch
        self._first = first
        self._share = share
        drawable = _drawable(prepared)
        self._folders = [
            [each for each in drawable if each.volume.source.data == folder.label] for folder in config.data
        ]
        shares = np.array(
            [
                folder.share if volumes else 0.0
                for folder, volumes in zip(config.data, self._folders, strict=True)
            ]
        )
        if not shares.any():
            raise InputError("no volume is left to train on: hold out fewer subjects.")
        self._shares = shares / shares.sum()

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[TrainingBatch]:
        start = self._first()
        return read_ahead(self.batch, range(start, start + len(self)))

    def batch(self, number: int) -> TrainingBatch:
        """Return this process's share of batch `number`, patches (N, 1, size, size)."""
        import torch

        total = self._config.batch_size
        positions = share_of(total, self._share)
        rng = np.random.default_rng((self._config.seed, number))
        size = self._sampling.size
        patches = np.empty((total, 1, size, size), np.float32)
        for patch in patches[:, 0]:
            self._draw(patch, rng)
        return TrainingBatch(number, torch.from_numpy(patches[positions]), None, positions, total)

    def _draw(self, patch: Array, rng: np.random.Generator) -> None:
        sampling = self._sampling
        volumes = self._folders[rng.choice(len(self._folders), p=self._shares)]
        source = volumes[rng.integers(len(volumes))]
        _draw_zoomed(source, patch, sampling, rng)
        if sampling.flips:
            _flip(patch, rng)
        _vary_intensities(patch, sampling, rng)


def _drawable(prepared: Prepared) -> list[_Drawable]:
    table, scaling = prepared.table, scaling_of(prepared)
    rows = table.rows("training")
    found = []
    for number in np.unique(table.volume[rows]):
        volume = prepared.volumes[number]
        planes = []
        for place, plane in enumerate(prepared.config.planes):
            chosen = table.index[rows][(table.volume[rows] == number) & (table.plane[rows] == place)]
            if len(chosen):
                content = volume.content[plane]
                weights = content[chosen] + _BACKGROUND_RATE * content.max() + 1e-6
                planes.append((plane, chosen, weights / weights.sum()))
        found.append(_Drawable(volume, scaling(int(number)), tuple(planes)))
    return found


def _draw_zoomed(source: _Drawable, patch: Array, sampling: PatchSampling, rng: np.random.Generator) -> None:
    if sampling.zoom == (1.0, 1.0) or rng.random() >= sampling.zoom_probability:
        _draw_patch(source, patch, rng)
        return
    import torch

    size = round(len(patch) * np.exp(rng.uniform(*np.log(sampling.zoom))))
    drawn = np.empty((size, size), np.float32)
    _draw_patch(source, drawn, rng)
    image = torch.from_numpy(drawn)[None, None]
    if size > len(patch) and sampling.zoom_by == "cubic":
        resized = torch.nn.functional.interpolate(image, patch.shape, mode="bicubic", align_corners=False)
    elif size > len(patch) and _subsamples(sampling, rng):
        resized = torch.nn.functional.interpolate(image, patch.shape, mode="nearest-exact")
    else:
        resized = torch.nn.functional.interpolate(image, patch.shape, mode="bilinear", antialias=True)
    patch[...] = resized[0, 0].numpy()


def _subsamples(sampling: PatchSampling, rng: np.random.Generator) -> bool:
    return bool(rng.random() < 0.5) if sampling.zoom_by == "either" else sampling.zoom_by == "subsampling"


def _vary_intensities(patch: Array, sampling: PatchSampling, rng: np.random.Generator) -> None:
    if sampling.gamma != (1.0, 1.0) and rng.random() < sampling.gamma_probability:
        np.power(patch.clip(0), np.float32(np.exp(rng.uniform(*np.log(sampling.gamma)))), out=patch)
    shifted = (sampling.gain, sampling.offset) != ((1.0, 1.0), (0.0, 0.0))
    if shifted and rng.random() < sampling.shift_probability:
        patch *= np.float32(rng.uniform(*sampling.gain))
        patch += np.float32(rng.uniform(*sampling.offset))


def _draw_patch(source: _Drawable, patch: Array, rng: np.random.Generator) -> None:
    plane, indices, weights = source.planes[rng.integers(len(source.planes))]
    index = indices[rng.choice(len(indices), p=weights)]
    image = np.moveaxis(source.volume.voxels, plane_axis(plane), 0)[index]
    accept_any = rng.random() < _BACKGROUND_RATE
    for _ in range(_TRIES):
        # A slice smaller than the patch lies anywhere in it, surrounded by background.
        rows, columns = (_window(length, len(patch), rng) for length in image.shape)
        part = image[rows[0], columns[0]]
        if accept_any or (part > CONTENT).mean() > _CONTENT_SHARE:
            break
    scaling = source.scaling
    if scaling.per_slice == "volume":
        patch[...] = scaling.of_volume(np.zeros(1, np.float32))[0]
        patch[rows[1], columns[1]] = scaling.of_volume(part)
    else:
        scaled = _scaled_slice(image, scaling)
        patch[...] = scaled.min()
        patch[rows[1], columns[1]] = scaled[rows[0], columns[0]]


def _scaled_slice(image: Array, scaling: Scaling) -> Array:
    import torch

    whole = torch.from_numpy(np.ascontiguousarray(scaling.of_volume(image)))
    return np.asarray(scaling.of_slices(whole[None, None])[0, 0].numpy())


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

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
Mask = npt.NDArray[np.bool_]

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
        """Return this process's share of batch `number`, patches (N, C, size, size)."""
        import torch

        total, neighbours = self._config.batch_size, self._config.neighbours
        positions = share_of(total, self._share)
        rng = np.random.default_rng((self._config.seed, number))
        size = self._sampling.size
        patches = np.empty((total, 1 + 2 * neighbours, size, size), np.float32)
        present = np.ones(patches.shape[:2], bool)
        for patch, there in zip(patches, present, strict=True):
            self._draw(patch, there, rng)
        clean = torch.from_numpy(patches[positions])
        marks = torch.from_numpy(present[positions]) if neighbours else None
        return TrainingBatch(number, clean, None, positions, total, marks)

    def _draw(self, patch: Array, present: Mask, rng: np.random.Generator) -> None:
        sampling = self._sampling
        volumes = self._folders[rng.choice(len(self._folders), p=self._shares)]
        source = volumes[rng.integers(len(volumes))]
        _draw_zoomed(source, patch, present, sampling, rng)
        if sampling.flips:
            _flip(patch, present, rng)
        _vary_intensities(patch, sampling, rng)
        if len(patch) > 1:
            _leave_alone(present, sampling, rng)
            patch[~present] = 0


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


def _draw_zoomed(
    source: _Drawable, patch: Array, present: Mask, sampling: PatchSampling, rng: np.random.Generator
) -> None:
    """Draw a patch and its neighbours, (C, size, size), and say which there are, (C,)."""
    side = patch.shape[-1]
    if sampling.zoom == (1.0, 1.0) or rng.random() >= sampling.zoom_probability:
        _draw_patch(source, patch, present, _step(sampling, 1.0, len(patch), rng), rng)
        return
    import torch

    size = round(side * np.exp(rng.uniform(*np.log(sampling.zoom))))
    drawn = np.empty((len(patch), size, size), np.float32)
    _draw_patch(source, drawn, present, _step(sampling, size / side, len(patch), rng), rng)
    image, shape = torch.from_numpy(drawn)[None], patch.shape[1:]
    if size > side and sampling.zoom_by == "cubic":
        resized = torch.nn.functional.interpolate(image, shape, mode="bicubic", align_corners=False)
    elif size > side and _subsamples(sampling, rng):
        resized = torch.nn.functional.interpolate(image, shape, mode="nearest-exact")
    else:
        resized = torch.nn.functional.interpolate(image, shape, mode="bilinear", antialias=True)
    patch[...] = resized[0].numpy()


def _step(sampling: PatchSampling, zoom: float, count: int, rng: np.random.Generator) -> int:
    """Return how many slices it is from one neighbour to the next: about as far as its pixels are wide."""
    if count == 1:
        return 1
    low, high = sampling.neighbour_steps
    drawn = rng.random() < sampling.neighbour_steps_probability
    return max(1, round(zoom * (rng.integers(low, high, endpoint=True) if drawn else 1)))


def _leave_alone(present: Mask, sampling: PatchSampling, rng: np.random.Generator) -> None:
    if rng.random() >= sampling.alone_probability:
        return
    own = len(present) // 2
    sides = rng.integers(4)  # both sides are as likely as one of them
    if sides != 0:
        present[:own] = False
    if sides != 1:
        present[own + 1 :] = False


def _subsamples(sampling: PatchSampling, rng: np.random.Generator) -> bool:
    return bool(rng.random() < 0.5) if sampling.zoom_by == "either" else sampling.zoom_by == "subsampling"


def _vary_intensities(patch: Array, sampling: PatchSampling, rng: np.random.Generator) -> None:
    if sampling.gamma != (1.0, 1.0) and rng.random() < sampling.gamma_probability:
        np.power(patch.clip(0), np.float32(np.exp(rng.uniform(*np.log(sampling.gamma)))), out=patch)
    shifted = (sampling.gain, sampling.offset) != ((1.0, 1.0), (0.0, 0.0))
    if shifted and rng.random() < sampling.shift_probability:
        patch *= np.float32(rng.uniform(*sampling.gain))
        patch += np.float32(rng.uniform(*sampling.offset))


def _draw_patch(source: _Drawable, patch: Array, present: Mask, step: int, rng: np.random.Generator) -> None:
    side = patch.shape[-1]
    plane, indices, weights = source.planes[rng.integers(len(source.planes))]
    index = indices[rng.choice(len(indices), p=weights)]
    slices = np.moveaxis(source.volume.voxels, plane_axis(plane), 0)
    image = slices[index]
    accept_any = rng.random() < _BACKGROUND_RATE
    for _ in range(_TRIES):
        # A slice smaller than the patch lies anywhere in it, surrounded by background.
        rows, columns = (_window(length, side, rng) for length in image.shape)
        part = image[rows[0], columns[0]]
        if accept_any or (part > CONTENT).mean() > _CONTENT_SHARE:
            break
    scaling = source.scaling
    if scaling.per_slice != "volume":
        scaled = _scaled_slice(image, scaling)
        patch[...] = scaled.min()
        patch[0, rows[1], columns[1]] = scaled[rows[0], columns[0]]
        return
    patch[...] = scaling.of_volume(np.zeros(1, np.float32))[0]
    own = len(patch) // 2
    for place in range(len(patch)):
        number = index + (place - own) * step
        present[place] = 0 <= number < len(slices)
        if present[place]:
            patch[place, rows[1], columns[1]] = scaling.of_volume(slices[number, rows[0], columns[0]])


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


def _flip(patch: Array, present: Mask, rng: np.random.Generator) -> None:
    """Mirror and transpose square patches (C, size, size) in place, each of the eight ways as often.

    Neighbours change places in half of the cases.
    """
    mirror_rows, mirror_columns, transpose = rng.integers(2, size=3)
    view = patch.swapaxes(1, 2) if transpose else patch
    patch[...] = view[:, :: 1 - 2 * mirror_rows, :: 1 - 2 * mirror_columns].copy()
    if len(patch) > 1 and rng.integers(2):
        patch[...], present[...] = patch[::-1].copy(), present[::-1].copy()

"""The comparison: original -> corrupted -> reconstructed -> residual, slice by slice."""

import copy
import operator
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from napari_mri_cae.comparison import table as tables
from napari_mri_cae.comparison.order import next_slices
from napari_mri_cae.corruptions import CorruptedSlices, Corruption
from napari_mri_cae.errors import InputError
from napari_mri_cae.metrics import SliceMetrics, compare
from napari_mri_cae.planes import Plane, check_plane, plane_axis
from napari_mri_cae.slice_statistics import tissue_shares
from napari_mri_cae.volume import Volume

if TYPE_CHECKING:
    from napari_mri_cae.models import Model
    from napari_mri_cae.models.card import Head
    from napari_mri_cae.reconstruction import Reconstructor

FloatArray = npt.NDArray[np.float32]

# The arrays that are filled, in the order in which a batch brings them.
_FILLED: Final = ("corrupted", "reconstructed", "residual", "reconstructed_2", "residual_2")


@dataclass(frozen=True)
class FinishedSlices:
    """A batch of slices that has just been finished.

    Attributes
    ----------
    indices : tuple of int
        Which slices, along the comparison's plane.
    metrics : numpy.ndarray
        Their rows of the comparison's table, copied.
    """

    indices: tuple[int, ...]
    metrics: npt.NDArray[Any]


@dataclass(frozen=True)
class _Settings:
    """Everything a slice's result depends on. Replaced as a whole, never changed."""

    models: "tuple[Model, ...]"
    corruptions: tuple[Corruption, ...]
    plane: Plane
    seed: int
    device: str
    exact: bool


class Comparison:
    """Corrupt a volume, reconstruct it with a model and measure both against the original.

    The four volumes are allocated once and filled slice by slice by whoever iterates `run`. Settings may be
    changed at any time, also from another thread while `run` is being iterated: what is stale is dropped,
    and the slice in focus comes back first. Stopping to iterate leaves every array consistent; `done` says
    which slices are finished.

    Parameters
    ----------
    volume : Volume
        A single volume; of a series, one `frame`.
    model : Model or str, optional
        A model, or what `load_model` takes. The default shipped model if left out.
    corruptions : sequence of Corruption
        Applied in this order.
    plane : {"axial", "coronal", "sagittal"}
        The plane the slices are taken in.
    seed : int
        0 to 2**64 - 1. Noise is a function of (seed, corruption, plane, slice), whatever the batch size or
        the device.
    device : str
        "auto", "cpu", "cuda:0", "mps" ...
    exact : bool
        Compute in float32, also where the device has a faster arithmetic.
    second_model : Model or str, optional
        Another model that reconstructs the same corrupted slices.

    Attributes
    ----------
    original, corrupted, reconstructed, residual : numpy.ndarray
        float32, (I, P, L), on the volume's scale [0, 1]. residual = original - reconstructed, signed.
    reconstructed_2, residual_2 : numpy.ndarray or None
        The same of the second model, where there is one.
    done : numpy.ndarray
        bool, one per slice of the plane.
    metrics : numpy.ndarray
        Structured, one row per slice: "slice", and per image ("corrupted", "reconstructed", and with a second
        model "reconstructed_2") "psnr_*" in dB, "ssim_*", "mse_*", at a data range of 1; NaN where not done.

    Raises
    ------
    InputError
        If the volume is a series, if there is no such model, plane, seed or device.

    Examples
    --------
    >>> comparison = Comparison(volume, corruptions=[GaussianNoise(sigma=0.03)])
    >>> for finished in comparison.run(first=90):
    ...     print(finished.indices, finished.metrics["psnr_reconstructed"])
    >>> comparison.summary()["psnr_reconstructed"]
    """

    def __init__(
        self,
        volume: Volume,
        model: "Model | str | None" = None,
        corruptions: Sequence[Corruption] = (),
        plane: str = "axial",
        seed: int = 0,
        device: str = "auto",
        *,
        exact: bool = False,
        second_model: "Model | str | None" = None,
    ) -> None:
        if volume.is_series:
            raise InputError(
                f"{volume.name or 'The volume'} is a series of {volume.n_frames} volumes: "
                "compare one of them, volume.frame(0) say."
            )
        self.volume = volume
        self.original: FloatArray = volume.normalized
        self.corrupted: FloatArray = np.zeros_like(self.original)
        self.reconstructed: FloatArray = np.zeros_like(self.original)
        self.residual: FloatArray = np.zeros_like(self.original)
        self.reconstructed_2: FloatArray | None = None
        self.residual_2: FloatArray | None = None

        self._changed = threading.Condition()
        self._settings = _Settings(
            (_as_model(model),) if second_model is None else (_as_model(model), _as_model(second_model)),
            tuple(corruptions),
            check_plane(plane),
            _check_seed(seed),
            _check_device(device),
            exact,
        )
        self._cancelled = False
        self._focus_done_at = -np.inf
        self._reconstructors: tuple[Reconstructor, ...] = ()
        self._corrupted_slices: tuple[tuple[_Settings, str], CorruptedSlices] | None = None
        self._tissue: dict[Plane, npt.NDArray[np.float64]] = tissue_shares(self.original)
        self._start_plane()

    @property
    def tissue(self) -> npt.NDArray[np.float64]:
        """How much of every slice of the plane is tissue, 0 to 1; see `slice_statistics.tissue_shares`."""
        return self._tissue[self.plane]

    @cached_property
    def head(self) -> "Head | None":
        """What head the volume looks like, "stripped" or "whole"; None where it is neither plainly."""
        from napari_mri_cae.models import head_of

        return head_of(self.volume)

    @property
    def n_slices(self) -> int:
        """How many slices the plane has."""
        return int(self.original.shape[plane_axis(self.plane)])

    @property
    def model(self) -> "Model":
        """The model that reconstructs."""
        return self._settings.models[0]

    @property
    def second_model(self) -> "Model | None":
        """The other model that reconstructs the same slices, if there is one."""
        return self._settings.models[1] if len(self._settings.models) > 1 else None

    @property
    def corruptions(self) -> tuple[Corruption, ...]:
        """The corruptions, in the order they are applied."""
        return self._settings.corruptions

    @property
    def plane(self) -> Plane:
        """The plane the slices are taken in."""
        return self._settings.plane

    @property
    def seed(self) -> int:
        """The seed of every random corruption."""
        return self._settings.seed

    @property
    def device(self) -> str:
        """The device as it was asked for; `device_description` names the one in use."""
        return self._settings.device

    @property
    def device_description(self) -> str:
        """The device in use, as a user reads it, such as "CPU, 2 threads, bfloat16".

        The models' own, once they are ready: a network that bfloat16 is too coarse for runs in float32.
        """
        from napari_mri_cae.reconstruction import resolve_device

        device = resolve_device(self._settings.device, exact=self._settings.exact)
        models = self._settings.models
        ready = [one for one in self._reconstructors if one.asked == device and one.model in models]
        used = [one.device for one in ready] or [device]
        return "; ".join(dict.fromkeys(one.description for one in used))

    @property
    def is_complete(self) -> bool:
        """Whether every slice is finished."""
        return bool(self.done.all())

    @property
    def focus(self) -> int:
        """The slice that is computed first; the others follow outward from it."""
        return self._focus

    @focus.setter
    def focus(self, index: int) -> None:
        with self._changed:
            self._focus = int(np.clip(index, 0, self.n_slices - 1))
            self._changed.notify_all()

    def change(
        self,
        *,
        model: "Model | str | None" = None,
        corruptions: Sequence[Corruption] | None = None,
        plane: str | None = None,
        seed: int | None = None,
        device: str | None = None,
        exact: bool | None = None,
    ) -> bool:
        """Change some settings; whatever was computed with the old ones is to be done again.

        Parameters
        ----------
        model, corruptions, plane, seed, device, exact
            As for the class. What is left out stays as it is.

        Returns
        -------
        bool
            Whether anything changed.

        Raises
        ------
        InputError
            If there is no such model, plane, seed or device; then nothing has changed.
        """
        changes: dict[str, Any] = {
            "models": None if model is None else (_as_model(model), *self._settings.models[1:]),
            "corruptions": None if corruptions is None else tuple(corruptions),
            "plane": None if plane is None else check_plane(plane),
            "seed": None if seed is None else _check_seed(seed),
            "device": None if device is None else _check_device(device),
            "exact": exact,
        }
        return self._replace(**{name: value for name, value in changes.items() if value is not None})

    def compare_with(self, second_model: "Model | str | None") -> bool:
        """Compare with a second model, with another one, or (None) with none any more.

        Returns
        -------
        bool
            Whether anything changed.

        Raises
        ------
        InputError
            If there is no such model; then nothing has changed.
        """
        second = () if second_model is None else (_as_model(second_model),)
        return self._replace(models=(self.model, *second))

    def _replace(self, **changes: Any) -> bool:
        """Change settings, and have done again what depends on them."""
        with self._changed:
            before = self._settings
            settings = replace(before, **changes)
            if settings == before:
                return False
            self._settings = settings
            if settings.plane != before.plane or len(settings.models) != len(before.models):
                self._start_plane()
            else:
                self.done[:] = False
                tables.clear(self.metrics)
            self._changed.notify_all()
        return True

    def run(
        self, first: int | None = None, *, background_delay: float = 0.0, only_focus: bool = False
    ) -> Iterator[FinishedSlices]:
        """Compute every slice that is not done, and yield each batch as it is finished.

        Parameters
        ----------
        first : int, optional
            The slice to begin with; sets `focus`.
        background_delay : float
            How long, in seconds after the slice in focus has last been computed, to leave the others alone.
            While a slider moves, only the slice under the user's eyes is worth computing.
        only_focus : bool
            Compute the slice in focus and stop there.

        Yields
        ------
        FinishedSlices
            One item per finished batch (one slice on a CPU). Stop iterating, or call `cancel`, to stop.
        """
        self._cancelled = False
        if first is not None:
            self.focus = first
        while (job := self._next_job(background_delay, only_focus)) is not None:
            settings, indices = job
            if indices:
                try:
                    finished = self._compute(settings, indices)
                except Exception:
                    if self._settings is settings:
                        raise
                    continue  # with the settings that have been chosen since
                if finished is not None:
                    yield finished

    def cancel(self) -> None:
        """End `run` after the batch that is being computed, at the latest."""
        with self._changed:
            self._cancelled = True
            self._changed.notify_all()

    def snapshot(self) -> "Comparison":
        """Return a copy with arrays of its own, which later changes of settings leave as they are."""
        with self._changed:
            frozen = copy.copy(self)
            frozen._changed = threading.Condition()
            frozen._corrupted_slices = None
            for name in (*_FILLED, "done", "metrics"):
                setattr(frozen, name, copy.copy(getattr(self, name)))
        return frozen

    def summary(self) -> dict[str, float]:
        """Return the volume's metrics over its finished slices.

        Returns
        -------
        dict of str to float
            "n_slices", "n_slices_done", and per image ("corrupted", "reconstructed" ...) "psnr_*" (dB, from
            one MSE over all voxels), "ssim_*" (mean over slices), "mse_*", "psnr_slices_*" (dB, mean over
            slices). NaN while no slice is done.
        """
        with self._changed:
            return tables.summarize(self.metrics, self.done)

    def provenance(self) -> dict[str, Any]:
        """Return how the result was made, as JSON-able values.

        The volume and its intensity window, the model's card, the corruptions in order, plane, seed, device
        and versions.
        """
        from napari_mri_cae.comparison.provenance import describe

        settings = self._settings
        return describe(
            self.volume,
            settings.models,
            corruptions=settings.corruptions,
            plane=settings.plane,
            seed=settings.seed,
            device=self.device_description,
        )

    def _start_plane(self) -> None:
        self.done: npt.NDArray[np.bool_] = np.zeros(self.n_slices, bool)
        self.metrics: npt.NDArray[Any] = tables.empty_table(self.n_slices, self._images())
        self._focus = self.n_slices // 2
        if self.second_model is None:
            self.reconstructed_2 = self.residual_2 = None
        elif self.reconstructed_2 is None:
            self.reconstructed_2 = np.zeros_like(self.original)
            self.residual_2 = np.zeros_like(self.original)

    def _images(self) -> tuple[str, ...]:
        return tables.IMAGES if self.second_model is None else tables.IMAGES_OF_TWO

    def _next_job(
        self, background_delay: float, only_focus: bool
    ) -> tuple[_Settings, tuple[int, ...]] | None:
        """Return what to compute next: None to stop, no slices to look again."""
        batch_size = min(reconstructor.batch_size for reconstructor in self._ready_reconstructors())
        with self._changed:
            if self._cancelled or self.done.all():
                return None
            focus_is_done = self.done[self._focus]
            if focus_is_done and only_focus:
                return None
            quiet_in = self._focus_done_at + background_delay - time.monotonic()
            if focus_is_done and background_delay and quiet_in > 0:
                self._changed.wait(quiet_in)
                return self._settings, ()
            return self._settings, next_slices(self.done, self._focus, batch_size)

    def _ready_reconstructors(self) -> "tuple[Reconstructor, ...]":
        """Return the models made ready on the device; those that are ready already stay."""
        from napari_mri_cae.reconstruction import Reconstructor, resolve_device

        settings = self._settings
        device = resolve_device(settings.device, exact=settings.exact)
        ready = {id(one.model): one for one in self._reconstructors if one.asked == device}
        self._reconstructors = tuple(
            ready.get(id(model)) or Reconstructor(model, settings.device, exact=settings.exact)
            for model in settings.models
        )
        return self._reconstructors

    def _slices_for(self, settings: _Settings, device: str) -> CorruptedSlices:
        """Return what corrupts slices; the same as before, with what it remembers, while nothing changes."""
        made_for = settings, device
        if self._corrupted_slices is None or self._corrupted_slices[0] != made_for:
            slices = CorruptedSlices(
                self.original, settings.corruptions, plane=settings.plane, seed=settings.seed, device=device
            )
            self._corrupted_slices = made_for, slices
        return self._corrupted_slices[1]

    def _compute(self, settings: _Settings, indices: tuple[int, ...]) -> FinishedSlices | None:
        """Compute slices and store them, unless the settings have changed meanwhile."""
        import torch

        reconstructors = self._ready_reconstructors()
        with torch.inference_mode():
            slices = self._slices_for(settings, str(reconstructors[0].device.torch_device))
            reconstructed = [one(slices(indices, one.neighbours)) for one in reconstructors]
            original, corrupted = slices.clean(indices), slices(indices)
            # Whoever has changed a setting meanwhile waits for the next picture, not for this one's numbers.
            if self._settings is not settings:
                return None
            measured = compare(original, [corrupted, *reconstructed], data_range=1.0)
            residuals = [original - one for one in reconstructed]
            pairs = [image for pair in zip(reconstructed, residuals, strict=True) for image in pair]
            images = torch.stack([corrupted, *pairs])[:, :, 0].cpu().numpy()
        with self._changed:
            if self._settings is not settings:
                return None
            return self._store(indices, images, measured)

    def _store(
        self, indices: tuple[int, ...], images: FloatArray, measured: Sequence[SliceMetrics]
    ) -> FinishedSlices:
        """Put finished slices in their places; under the lock."""
        rows = np.array(indices)
        axis = plane_axis(self.plane)
        for name, slices in zip(_FILLED, images, strict=False):
            np.moveaxis(getattr(self, name), axis, 0)[rows] = slices
        for image, values in zip(self._images(), measured, strict=True):
            for metric in tables.METRICS:
                self.metrics[f"{metric}_{image}"][rows] = getattr(values, metric).cpu().numpy()
        self.done[rows] = True
        if self._focus in indices:
            self._focus_done_at = time.monotonic()
        return FinishedSlices(indices, self.metrics[rows])


def _as_model(model: "Model | str | None") -> "Model":
    from napari_mri_cae.models import load_model

    return load_model(model) if model is None or isinstance(model, str) else model


def _check_seed(seed: int) -> int:
    number = operator.index(seed)
    if not 0 <= number < 2**64:
        raise InputError(f"{number} is no seed: choose a whole number from 0 to 2**64 - 1.")
    return number


def _check_device(device: str) -> str:
    from napari_mri_cae.reconstruction import resolve_device

    resolve_device(device)
    return device

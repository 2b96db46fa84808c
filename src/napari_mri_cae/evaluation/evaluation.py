"""Volumes x planes x corruptions x models, slice by slice."""

import hashlib
import json
import os
from collections import Counter, deque
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from napari_mri_cae.brain import brain_mask
from napari_mri_cae.comparison.provenance import software_versions
from napari_mri_cae.corruptions import CorruptedSlices, Corruption
from napari_mri_cae.errors import InputError
from napari_mri_cae.evaluation.baselines import Baseline, Identity, find_baseline
from napari_mri_cae.evaluation.condition import Condition
from napari_mri_cae.evaluation.regions import measure_regions
from napari_mri_cae.evaluation.settings import EvaluationSettings
from napari_mri_cae.evaluation.subjects import Name, name_volumes, single_spaced
from napari_mri_cae.evaluation.table import Row
from napari_mri_cae.files import checksum
from napari_mri_cae.planes import Plane, plane_axis
from napari_mri_cae.slices import OnProgress
from napari_mri_cae.volume import Volume
from napari_mri_cae.volume.opening import OBLIQUE
from napari_mri_cae.volume.parts import volume_checksum

if TYPE_CHECKING:
    from torch import Tensor

    from napari_mri_cae.models import Model

DATA_RANGE: Final = 1.0
"""Of the volume's scale, on which everything is measured."""

_BATCH: Final = 8


@dataclass(frozen=True)
class Reconstructed:
    """Slices of one volume under one condition, and what every model made of them.

    Attributes
    ----------
    name : Name
        Of the volume and its subject.
    plane : {"axial", "coronal", "sagittal"}
    indices : tuple of int
        Which N slices of the plane.
    condition : Condition
    clean, corrupted : torch.Tensor
        (N, 1, H, W) float32 on the volume's scale.
    mask : torch.Tensor
        (N, H, W) bool: the brain.
    outputs : list of torch.Tensor
        (N, 1, H, W) of each model and baseline, in the order of `Evaluation.model_names`. All tensors are on
        one device.
    """

    name: Name
    plane: Plane
    indices: tuple[int, ...]
    condition: Condition
    clean: "Tensor"
    corrupted: "Tensor"
    mask: "Tensor"
    outputs: "list[Tensor]"


@dataclass(frozen=True)
class _Job:
    """Slices whose baselines are still being computed: `known.outputs` has the networks' alone."""

    known: Reconstructed
    filtered: "list[list[Future[npt.NDArray[np.float32]]]]"


class Evaluation:
    """Measures models, and classical baselines beside them, on corrupted slices of volumes.

    Every model sees the same corrupted slices: those of a `Comparison` with the same seed. Each is measured
    against the clean slice on the volume's scale, over the whole slice and inside the brain mask. The
    corrupted slice itself is always measured too, as the model "identity". The networks run one after the
    other on their device, the baselines meanwhile on the processor's cores.

    Parameters
    ----------
    volumes : sequence of str or pathlib.Path
        Files of single volumes; of a series, `frame` is taken.
    models : sequence of Model, str, pathlib.Path or None
        Models, or what `load_model` takes.
    conditions : sequence of Condition, Corruption or sequence of Corruption
        What is done to the slices, one after the other: one corruption, a chain, or none, `Condition()`.
    baselines : sequence of Baseline or str
        Such as "nlm"; `baseline_kinds` has all.
    settings : EvaluationSettings, optional
        Planes, slices, seed, device.
    frame : int
        Which volume of a series.

    Raises
    ------
    InputError
        If there is no such model, baseline or device, or one thing is given twice.

    Examples
    --------
    >>> evaluation = Evaluation(paths, [load_model()], [GaussianNoise(sigma=s) for s in (0.03, 0.05, 0.1)])
    >>> rows = [row for batch in evaluation.run() for row in batch]
    >>> summarize(rows)
    """

    def __init__(
        self,
        volumes: Sequence[str | Path],
        models: "Sequence[Model | str | Path | None]" = (),
        conditions: Sequence[Condition | Corruption | Sequence[Corruption]] = (Condition(),),
        baselines: Sequence[Baseline | str] = (),
        settings: EvaluationSettings | None = None,
        *,
        frame: int = 0,
    ) -> None:
        from napari_mri_cae.models import Model, load_model
        from napari_mri_cae.reconstruction import Reconstructor

        self.paths = [Path(path).expanduser() for path in volumes]
        if not self.paths:
            raise InputError("There is nothing to evaluate: name at least one volume.")
        self.names = name_volumes(self.paths)
        self.settings = settings or EvaluationSettings()
        self.frame = frame
        self.conditions = _distinct_conditions(conditions)
        chosen = [find_baseline(one) if isinstance(one, str) else one for one in baselines]
        self.baselines = [Identity(), *(one for one in chosen if not isinstance(one, Identity))]
        self.models = [one if isinstance(one, Model) else load_model(one) for one in models]
        self._reconstructors = [
            Reconstructor(model, self.settings.device, exact=self.settings.exact) for model in self.models
        ]
        self.model_names = [*_names_of(self.models), *(baseline.kind for baseline in self.baselines)]
        if twice := [name for name, times in Counter(self.model_names).items() if times > 1]:
            raise InputError(f"{twice[0]} is named twice: name each model and each baseline once.")
        #: Which volumes are left out and why, and what about the others does not suit a model, a sentence
        #: each; found while `run` goes on.
        self.remarks: list[str] = []

    @property
    def network_names(self) -> list[str]:
        """The names of the models that are no baselines."""
        return self.model_names[: len(self.models)]

    @property
    def device_description(self) -> str:
        """Where the networks run, as a user reads it."""
        from napari_mri_cae.reconstruction import resolve_device

        device = resolve_device(self.settings.device, exact=self.settings.exact)
        used = [one.device for one in self._reconstructors] or [device]
        return "; ".join(dict.fromkeys(one.description for one in used))

    @property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits that stand for all that the numbers depend on."""
        facts = {key: value for key, value in self.provenance().items() if key not in ("created", "remarks")}
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]

    def run(
        self,
        done: Collection[tuple[str, str, str, int]] = (),
        *,
        on_progress: OnProgress | None = None,
    ) -> Iterator[list[Row]]:
        """Measure, and yield rows as slices are finished; stop iterating to cancel.

        The order is that of the volumes, planes, conditions, slices, models and regions, whatever runs at the
        same time. A volume that cannot be read, is constant, or has no slice to measure is left out, and
        `remarks` says so.

        Parameters
        ----------
        done, on_progress
            As for `run_slices`.

        Yields
        ------
        list of Row

        Raises
        ------
        InputError
            If no volume can be measured.
        """
        for batch in self.run_slices(done, on_progress=on_progress):
            yield self._rows(batch)

    def run_slices(
        self,
        done: Collection[tuple[str, str, str, int]] = (),
        *,
        on_progress: OnProgress | None = None,
    ) -> Iterator[Reconstructed]:
        """Corrupt and reconstruct, and yield the slices themselves; stop iterating to cancel.

        Volumes are left out as by `run`.

        Parameters
        ----------
        done : collection
            Slices to leave out, as `Row.job` names them.
        on_progress : callable, optional
            Called with (slices done, all slices), each counted once per condition. How many slices the
            volumes hold that have not been opened is guessed from those that have.

        Yields
        ------
        Reconstructed
            A few slices at a time, in the order of volumes, planes, conditions and slices.

        Raises
        ------
        InputError
            If no volume can be measured.
        """
        counter = _Counter(len(self.paths), len(self.conditions), on_progress)
        workers = os.cpu_count() or 1
        pool = ThreadPoolExecutor(workers)
        started: deque[_Job] = deque()

        def finish() -> Reconstructed:
            batch = _collect(started.popleft())
            counter.finished(len(batch.indices))
            return batch

        try:
            for job in self._jobs(frozenset(done), counter, pool):
                started.append(job)
                # Enough ahead that the cores have work while one batch is put together.
                while len(started) > 1 + workers // _BATCH:
                    yield finish()
            while started:
                yield finish()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def reconstruct(self, volume: Volume, plane: Plane, index: int, condition: Condition) -> "list[Tensor]":
        """Return one slice clean, corrupted, and reconstructed by each model, (H, W) each, on the CPU."""
        slices = self._slices(volume, condition, plane)
        images = (slices.clean((index,)), slices((index,)), *self._reconstruct(slices, (index,)))
        return [image[0, 0].cpu() for image in images]

    def open(self, number: int) -> Volume:
        """Return one of the volumes.

        Raises
        ------
        InputError
            If it cannot be read, or is constant.
        """
        volume = Volume.load(self.paths[number]).frame(self.frame)
        if not volume.window.high > volume.window.low:
            raise InputError(f"{volume.name} is constant: there is no intensity window to measure on.")
        return volume

    def provenance(self) -> dict[str, Any]:
        """Return what the numbers depend on, as JSON-able values."""
        packages = dict.fromkeys(["scipy", "scikit-image", *(one.package for one in self.baselines)])
        return {
            "volumes": [
                {"name": name.volume, "subject": name.subject, "file": path.name, "sha256": checksum}
                for name, path, checksum in zip(self.names, self.paths, self._checksums, strict=True)
            ],
            "frame": self.frame,
            "models": [
                {
                    "name": name,
                    "file": None if model.path is None else model.path.name,
                    "sha256": None if model.path is None else checksum(model.path),
                    "card": model.card.model_dump(mode="json"),
                }
                for name, model in zip(self.model_names, self.models, strict=False)
            ],
            "baselines": [baseline.to_dict() for baseline in self.baselines],
            "conditions": [
                {"label": condition.label, "corruptions": condition.to_list()}
                for condition in self.conditions
            ],
            "settings": self.settings.model_dump(mode="json"),
            "data_range": DATA_RANGE,
            "device": self.device_description,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "versions": software_versions(*packages),
            "remarks": list(self.remarks),
        }

    @cached_property
    def _checksums(self) -> list[str]:
        return [volume_checksum(path) for path in self.paths]

    def _jobs(
        self, done: frozenset[tuple[str, str, str, int]], counter: "_Counter", pool: ThreadPoolExecutor
    ) -> Iterator[_Job]:
        for number, volume, mask, chosen in self._measurable(counter):
            name = self.names[number]
            for plane, indices in chosen.items():
                self._remark(volume, name, number, plane)
                for condition in self.conditions:
                    todo = [
                        index for index in indices if (name.volume, plane, condition.label, index) not in done
                    ]
                    counter.finished(len(indices) - len(todo))
                    for start in range(0, len(todo), _BATCH):
                        batch = tuple(todo[start : start + _BATCH])
                        yield self._start(name, volume, mask, plane, batch, condition, pool)

    def _measurable(
        self, counter: "_Counter"
    ) -> Iterator[tuple[int, Volume, npt.NDArray[np.bool_], dict[Plane, list[int]]]]:
        """Yield each volume that can be measured: its number, itself, its brain and which slices."""
        left_out = []
        for number, name in enumerate(self.names):
            try:
                volume = self.open(number)
                mask = brain_mask(volume)
                chosen = {plane: self._choose(volume, mask, plane) for plane in self.settings.planes}
            except InputError as error:
                left_out.append(error)
                self._note([f"{name.volume} is left out: {error}"])
                counter.left_out()
                continue
            counter.opened(sum(map(len, chosen.values())))
            yield number, volume, mask, chosen
        if len(left_out) == len(self.names):
            first = left_out[0]
            several = InputError(f"None of the volumes can be measured; the first: {first}")
            raise several if len(left_out) > 1 else first

    def _choose(self, volume: Volume, mask: npt.NDArray[np.bool_], plane: Plane) -> list[int]:
        """Return which slices of a plane are measured."""
        share = np.moveaxis(mask, plane_axis(plane), 0).mean(axis=(1, 2))
        if self.settings.slices == "brain":
            indices = np.flatnonzero((share > 0) & (share >= self.settings.least_brain))
        else:
            indices = np.arange(len(share))
        if not len(indices):
            raise InputError(
                f"{volume.name} has no {plane} slice with brain in it, as far as its mask tells: "
                "choose all slices, or other planes."
            )
        every = self.settings.every
        return [int(index) for index in indices[len(indices) // 2 % every :: every]]

    def _start(
        self,
        name: Name,
        volume: Volume,
        mask: npt.NDArray[np.bool_],
        plane: Plane,
        indices: tuple[int, ...],
        condition: Condition,
        pool: ThreadPoolExecutor,
    ) -> _Job:
        import torch

        slices = self._slices(volume, condition, plane)
        corrupted = slices(indices)
        images, sigma = corrupted[:, 0].numpy(), condition.noise_sigma
        filtered = [[pool.submit(baseline, image, sigma) for image in images] for baseline in self.baselines]
        inside = np.moveaxis(mask, plane_axis(plane), 0)[list(indices)]
        known = Reconstructed(
            name,
            plane,
            indices,
            condition,
            slices.clean(indices),
            corrupted,
            torch.from_numpy(np.ascontiguousarray(inside)),
            self._reconstruct(slices, indices),
        )
        return _Job(known, filtered)

    def _slices(self, volume: Volume, condition: Condition, plane: Plane) -> CorruptedSlices:
        return CorruptedSlices(volume.normalized, condition.corruptions, plane=plane, seed=self.settings.seed)

    def _reconstruct(self, slices: CorruptedSlices, indices: tuple[int, ...]) -> "list[Tensor]":
        """Return what each model makes of slices, (N, 1, H, W) each, in batches that suit the device."""
        import torch

        given = {count: slices(indices, count) for count in {one.neighbours for one in self._reconstructors}}
        return [
            torch.cat([one(part) for part in torch.split(given[one.neighbours], one.batch_size)])
            for one in self._reconstructors
        ]

    def _rows(self, batch: Reconstructed) -> list[Row]:
        measured = list(measure_regions(batch.clean, batch.outputs, batch.mask, data_range=DATA_RANGE))
        return [
            Row(
                volume=batch.name.volume,
                subject=batch.name.subject,
                plane=batch.plane,
                slice=index,
                kind=batch.condition.kind,
                strength=batch.condition.strength,
                corruption=batch.condition.label,
                model=model,
                region=region.region,
                pixels=int(region.pixels[n]),
                data_range=DATA_RANGE,
                psnr=float(region.psnr[number, n]),
                ssim=float(region.ssim[number, n]),
                dssim=float(region.dssim[number, n]),
                mse=float(region.mse[number, n]),
            )
            for n, index in enumerate(batch.indices)
            for number, model in enumerate(self.model_names)
            for region in measured
        ]

    def _remark(self, volume: Volume, name: Name, number: int, plane: Plane) -> None:
        """Note what was assumed of a volume, what does not suit a model, or that it has been trained on."""
        from napari_mri_cae.models import unfamiliar
        from napari_mri_cae.training.data import subject_of

        # That a grid is oblique changes no number, and in many data sets all are.
        self._note(f"{name.volume}: {note}" for note in volume.notes if not note.startswith(OBLIQUE))
        label = subject_of(self.paths[number])
        folders = {part.lower() for part in self.paths[number].absolute().parts}
        for model, called in zip(self.models, self.model_names, strict=False):
            self._note(
                f"{called}, {name.volume}: {remark}" for remark in unfamiliar(volume, plane, model.card)
            )
            for source in model.card.training.data:
                if label in source.training_subjects and source.name.lower() in folders:
                    self._note(
                        [
                            f"{called} was trained on {label} of {source.name}: its numbers on "
                            f"{name.volume} say nothing about people it has not seen."
                        ]
                    )

    def _note(self, remarks: "Iterator[str] | list[str]") -> None:
        self.remarks += [remark for remark in remarks if remark not in self.remarks]


def _collect(job: _Job) -> Reconstructed:
    """Wait for the baselines, and bring everything onto the networks' device."""
    import torch

    known = job.known
    device = known.outputs[0].device if known.outputs else known.clean.device
    filtered = [
        torch.from_numpy(np.stack([future.result() for future in images]))[:, None].to(device)
        for images in job.filtered
    ]
    return replace(
        known,
        clean=known.clean.to(device),
        corrupted=known.corrupted.to(device),
        mask=known.mask.to(device),
        outputs=[*known.outputs, *filtered],
    )


class _Counter:
    """How many slices are done, and of how many, as far as that is known."""

    def __init__(self, volumes: int, conditions: int, on_progress: OnProgress | None) -> None:
        self._volumes = volumes
        self._conditions = conditions
        self._on_progress = on_progress
        self._slices: list[int] = []
        self._done = 0

    def opened(self, slices: int) -> None:
        """Take note of how many slices another volume has."""
        self._slices.append(slices)

    def left_out(self) -> None:
        """Take note of a volume that is not measured."""
        self._volumes -= 1
        self.finished(0)

    def finished(self, slices: int) -> None:
        """Take note of finished slices, of one condition each."""
        self._done += slices
        if self._on_progress is not None and self._slices:
            total = round(sum(self._slices) / len(self._slices) * self._volumes)
            self._on_progress(self._done, total * self._conditions)


def _distinct_conditions(
    given: Sequence[Condition | Corruption | Sequence[Corruption]],
) -> list[Condition]:
    conditions = [Condition.of(one) for one in given]
    if not conditions:
        raise InputError("There is nothing to measure: give at least one corruption, or none as one.")
    labels = Counter(condition.label for condition in conditions)
    if twice := [label for label, times in labels.items() if times > 1]:
        raise InputError(f"The corruption {twice[0]} is given twice: give each once.")
    return conditions


def _names_of(models: "Sequence[Model]") -> list[str]:
    """Return the models' names; of two with the same name, with their files'."""
    names = [single_spaced(model.card.name) for model in models]
    return [
        single_spaced(f"{name} ({model.path.name})") if names.count(name) > 1 and model.path else name
        for name, model in zip(names, models, strict=True)
    ]

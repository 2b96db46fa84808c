"""What a training leaves in its run folder while it goes on."""

import csv
import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import lightning
import torch

from napari_mri_cae.models import Card, DataSource, Model, Training, save_model
from napari_mri_cae.models.architectures import count_parameters
from napari_mri_cae.training.config import TrainingConfig
from napari_mri_cae.training.data import Source
from napari_mri_cae.training.module import ReconstructionModule

Event = Mapping[str, Any]
OnEvent = Callable[[Event], None]

_SECONDS_BETWEEN_STEP_EVENTS = 2.0


class Recorder(lightning.Callback):
    """Writes events, metrics, checkpoints and the best model so far into a run folder.

    `events.jsonl` and `metrics.csv` are appended to; `checkpoints/last.ckpt`, `checkpoints/best.ckpt` and
    `model.safetensors` are each replaced in one go, so that a killed run leaves whole files.

    Parameters
    ----------
    folder
        The run folder; it exists.
    config
        Of the training.
    sources
        The volumes, for the card.
    versions
        Of the software, for the card.
    on_event
        Called with each event as it is recorded.
    """

    def __init__(
        self,
        folder: Path,
        config: TrainingConfig,
        sources: list[Source],
        versions: dict[str, str],
        on_event: OnEvent | None = None,
    ) -> None:
        self._folder = folder
        self._config = config
        self._sources = sources
        self._versions = versions
        self._on_event = on_event
        self._seconds = 0.0
        self._best = float("-inf")
        self._last_look = time.monotonic()
        self._losses: list[torch.Tensor] = []
        self._last_step_event = 0.0

    def event(self, kind: str, **facts: Any) -> None:
        """Record an event: its kind, the time, and facts that are plain numbers, texts or lists."""
        event = {"event": kind, "time": datetime.now(UTC).isoformat(timespec="milliseconds"), **facts}
        with (self._folder / "events.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(event) + "\n")
        if self._on_event is not None:
            self._on_event(event)

    def state_dict(self) -> dict[str, Any]:  # noqa: D102
        return {"seconds": self._seconds, "best": self._best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:  # noqa: D102
        self._seconds, self._best = state_dict["seconds"], state_dict["best"]

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:  # noqa: D102
        self._last_look = time.monotonic()
        self.event("start", step=trainer.global_step, steps=self._config.steps)

    def on_train_batch_end(  # noqa: D102
        self, trainer: lightning.Trainer, module: lightning.LightningModule, outputs: Any, *_: Any
    ) -> None:
        self._losses.append(outputs["loss"].detach())
        now = time.monotonic()
        if now - self._last_step_event > _SECONDS_BETWEEN_STEP_EVENTS:
            self._last_step_event = now
            self.event("step", step=trainer.global_step, loss=float(self._losses[-1]))

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:  # noqa: D102
        assert isinstance(module, ReconstructionModule)
        now = time.monotonic()
        passed, self._last_look = now - self._last_look, now
        self._seconds += passed
        scores = {
            name: round(float(value), 3)
            for name, value in trainer.callback_metrics.items()
            if name.startswith("psnr")
        }
        row = {
            "step": trainer.global_step,
            "minutes": round(self._seconds / 60, 2),
            "learning_rate": trainer.optimizers[0].param_groups[0]["lr"],
            "slices_per_second": round(len(self._losses) * self._config.batch_size / passed, 1),
            "training_loss": float(torch.stack(self._losses).mean()),
            **scores,
        }
        self._losses = []
        better = scores["psnr"] > self._best
        self._best = max(self._best, scores["psnr"])
        self._add_metrics(row)
        self._save_checkpoint(trainer, better)
        if better:
            save_model(
                Model(module.average, self._card(module, trainer.global_step)),
                self._folder / "model.safetensors",
            )
        self.event("validation", best=better, **row)

    def on_train_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:  # noqa: D102
        self.event("end", step=trainer.global_step, minutes=round(self._seconds / 60, 2))

    def _add_metrics(self, row: Mapping[str, Any]) -> None:
        path = self._folder / "metrics.csv"
        new = not path.exists()
        with path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(row))
            if new:
                writer.writeheader()
            writer.writerow(row)

    def _save_checkpoint(self, trainer: lightning.Trainer, better: bool) -> None:
        folder = self._folder / "checkpoints"
        beside = folder / "part.ckpt"
        trainer.save_checkpoint(beside, weights_only=False)
        beside.replace(folder / "last.ckpt")
        if better:
            shutil.copyfile(folder / "last.ckpt", beside)
            beside.replace(folder / "best.ckpt")

    def _card(self, module: ReconstructionModule, step: int) -> Card:
        config = self._config

        def subjects(data: str, part: str) -> tuple[str, ...]:
            return tuple(sorted({s.subject for s in self._sources if s.data == data and s.part == part}))

        return Card(
            name=config.name,
            title=config.title,
            architecture=config.architecture,
            architecture_parameters=config.architecture_parameters,
            plane=config.planes[0] if len(config.planes) == 1 else "any",
            multiple_of=config.multiple_of,
            training=Training(
                data=tuple(
                    DataSource(
                        name=folder.label,
                        reference=folder.reference,
                        licence=folder.licence,
                        notes=folder.notes,
                        training_subjects=subjects(folder.label, "training"),
                        validation_subjects=subjects(folder.label, "validation"),
                        test_subjects=subjects(folder.label, "test"),
                    )
                    for folder in config.data
                ),
                recipe=config.name,
                seed=config.seed,
                steps=step,
                batch_size=config.batch_size,
                patch_size=config.patch_size,
                minutes=round(self._seconds / 60, 1),
                hardware=_hardware(module.device),
                loss=config.loss,
                corruption=config.augmentation.model_dump(mode="json"),
                description=config.description,
            ),
            limits=config.limits,
            licence=config.licence,
            versions=self._versions,
            created=datetime.now(UTC).date().isoformat(),
            parameters=count_parameters(module.average),
        )


def _hardware(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    cores = min(torch.get_num_threads(), os.cpu_count() or 1)
    return f"{cores} CPU core{'s' if cores != 1 else ''}"

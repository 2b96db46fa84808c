"""What a training leaves in its run folder while it goes on."""

import copy
import csv
import io
import math
import shutil
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import lightning
import numpy as np
import torch

from napari_mri_cae.models import Card, Model, save_model
from napari_mri_cae.training.board import Board
from napari_mri_cae.training.config import TrainingConfig
from napari_mri_cae.training.control import Control
from napari_mri_cae.training.data import TrainingBatch
from napari_mri_cae.training.module import Preview, ReconstructionModule
from napari_mri_cae.training.pictures import save_curves, save_sheet
from napari_mri_cae.training.run_folder import Record, RunFolder, write_text

MakeCard = Callable[[ReconstructionModule, int, float], Card]

_SECONDS_BETWEEN_STEP_EVENTS: Final = 2.0
_MOST_PREVIEWS: Final = 100
"""Of a whole training, whose every epoch would fill the disk."""


class Recorder(lightning.Callback):
    """Writes events, metrics, checkpoints, pictures and the best model so far into a run folder.

    `events.jsonl` and `metrics.csv` are appended to; everything else is replaced in one go, so that a killed
    run leaves whole files. Of processes that train together the first one writes.

    Parameters
    ----------
    folder
        The run folder; it exists.
    config
        Of the training.
    control
        Tells when to pause and to stop.
    make_card
        Returns the card of the model after so many steps and minutes.
    record
        Takes down an event.
    leads
        Whether this process writes; of those that train together, one does.
    """

    def __init__(
        self,
        folder: RunFolder,
        config: TrainingConfig,
        control: Control,
        make_card: MakeCard,
        record: Record,
        *,
        leads: bool = True,
    ) -> None:
        self._folder = folder
        self._config = config
        self._control = control
        self._make_card = make_card
        self._record = record
        self._leads = leads
        self._board: Board | None = None
        self._seconds = 0.0
        self._best = math.inf
        self._losses: list[tuple[torch.Tensor, int]] = []
        self._recent: list[torch.Tensor] = []
        self._clock = _Clock()
        self._last_step_event = 0.0
        self._warned = False

    def state_dict(self) -> dict[str, Any]:  # noqa: D102
        return {"seconds": self._seconds, "best": self._best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:  # noqa: D102
        self._seconds, self._best = state_dict["seconds"], state_dict["best"]

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:  # noqa: D102
        assert isinstance(module, ReconstructionModule)
        # Lightning has set its own meanwhile.
        self._control.catch_signals()
        done = trainer.global_step // (module.steps // self._config.epochs)
        if self._leads:
            self._forget_epochs_after(done)
            self._board = Board(self._folder.tensorboard, trainer.global_step)
        self._control.tell(
            state="running",
            epoch=done,
            epochs=self._config.epochs,
            step=trainer.global_step,
            steps=module.steps,
            message="",
        )
        self._record(
            "start",
            step=trainer.global_step,
            steps=module.steps,
            epoch=done,
            epochs=self._config.epochs,
            device=str(module.device),
            precision=str(trainer.precision),
            processes=trainer.world_size,
        )
        self._clock = _Clock(trainer.global_step)

    def on_train_epoch_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:  # noqa: D102
        # What an interrupted epoch left behind.
        self._losses, self._recent = [], []
        self._clock.begin_epoch()

    def on_train_batch_start(  # noqa: D102
        self, trainer: lightning.Trainer, module: lightning.LightningModule, *_: Any
    ) -> None:
        def agree(mine: bool) -> bool:
            if trainer.world_size == 1:
                return mine
            return bool(trainer.strategy.reduce_boolean_decision(mine, all=False))

        def changed(paused: bool) -> None:
            self._record("paused" if paused else "resumed", step=trainer.global_step)
            self._control.tell(state="paused" if paused else "running")

        self._clock.leave_out(self._control.wait_while_paused(changed, agree))

    def on_train_batch_end(  # noqa: D102
        self,
        trainer: lightning.Trainer,
        module: lightning.LightningModule,
        outputs: Any,
        batch: TrainingBatch,
        *_: Any,
    ) -> None:
        assert isinstance(module, ReconstructionModule)
        loss = outputs["loss"].detach()
        self._losses.append((loss, batch.total))
        self._recent.append(loss)
        now = time.monotonic()
        if now - self._last_step_event < _SECONDS_BETWEEN_STEP_EVENTS:
            return
        self._last_step_event = now
        step = trainer.global_step
        recent = float(torch.stack(self._recent).mean())
        self._recent = []
        self._record(
            "step",
            step=step,
            epoch=trainer.current_epoch + 1,
            loss=recent,
            learning_rate=trainer.optimizers[0].param_groups[0]["lr"],
            slices_per_second=round(self._clock.rate(sum(total for _, total in self._losses)), 1),
            seconds_left=round(self._clock.seconds_left(step, module.steps)),
        )
        self._control.tell(step=step)
        if self._board is not None:
            self._board.add({"loss/step": recent}, step)
        if not math.isfinite(recent) and not self._warned:
            self._warned = True
            self._record(
                "warning",
                step=step,
                message="The loss is no number any more: stop, and begin again with a lower learning rate.",
            )

    def on_validation_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:  # noqa: D102
        self._clock.end_epoch()

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:  # noqa: D102
        assert isinstance(module, ReconstructionModule)
        losses = torch.stack([loss for loss, _ in self._losses]).cpu().double()
        totals = torch.tensor([total for _, total in self._losses], dtype=torch.float64)
        training_loss = (losses * totals).sum() / totals.sum()
        if trainer.world_size > 1:
            training_loss = trainer.strategy.reduce(training_loss.to(module.device), reduce_op="mean")
        self._seconds += self._clock.whole_epoch()
        epoch = trainer.current_epoch + 1
        row = {
            "epoch": epoch,
            "step": trainer.global_step,
            "minutes": round(self._seconds / 60, 2),
            "learning_rate": trainer.optimizers[0].param_groups[0]["lr"],
            "slices_per_second": round(self._clock.rate(int(totals.sum())), 1),
            "training_loss": float(training_loss),
            **module.scores,
        }
        score = module.scores["validation_loss"]
        if self._config.checkpoints.best_by == "psnr":
            score = -module.scores["psnr"]
        better = score < self._best
        self._best = min(score, self._best) if math.isfinite(score) else self._best
        if self._leads:
            # A row that no checkpoint holds is taken back on resuming; the other way round it would miss.
            self._add_metrics(row)
            if better:
                self._save_model(module, trainer.global_step)
        self._save_checkpoint(trainer, epoch, better, row)
        if not self._leads:
            return
        self._record("validation", best=better, **row)
        self._control.tell(epoch=epoch, step=trainer.global_step)
        if self._board is not None:
            self._board.add(_for_board(row), trainer.global_step)
        if epoch % max(1, self._config.epochs // _MOST_PREVIEWS) == 0 or epoch == self._config.epochs:
            self._show(module.preview, epoch, trainer.global_step)

    def on_train_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:  # noqa: D102
        assert isinstance(module, ReconstructionModule)
        self.save_some_model(module, trainer.global_step)
        if self._board is not None:
            self._board.close()

    def tell_end(self, step: int, steps: int) -> None:
        """Record that all is done, after so many of the training's steps."""
        epoch = step // (steps // self._config.epochs)
        self._record(
            "end",
            step=step,
            epoch=epoch,
            minutes=round(self._seconds / 60, 2),
            early=epoch < self._config.epochs,
        )

    def on_exception(  # noqa: D102
        self, trainer: lightning.Trainer, module: lightning.LightningModule, exception: BaseException
    ) -> None:
        if self._board is not None:
            self._board.close()

    def save_some_model(self, module: ReconstructionModule, step: int) -> None:
        """Write the model as it is, unless a better one has been written."""
        if self._leads and not self._folder.model_path.exists():
            self._save_model(module, step)

    def _save_model(self, module: ReconstructionModule, step: int) -> None:
        minutes = (self._seconds + self._clock.so_far()) / 60
        network = module.result
        if self._config.stored_as == "float16":
            network = copy.deepcopy(network).half().float()
        save_model(Model(network, self._make_card(module, step, minutes)), self._folder.model_path)

    def _save_checkpoint(
        self, trainer: lightning.Trainer, epoch: int, better: bool, row: Mapping[str, float]
    ) -> None:
        folder = self._folder.checkpoints
        beside, last = folder / "part.ckpt", self._folder.last_checkpoint
        try:
            trainer.save_checkpoint(beside, weights_only=False)
            if not self._leads:
                return
            beside.replace(last)
            every = self._config.checkpoints.every_epochs
            name = f"epoch-{epoch:04d}-loss-{row['validation_loss']:.3g}.ckpt"
            kept = ["best.ckpt"] * better + [name] * bool(every and epoch % every == 0)
            for kept_as in kept:
                shutil.copyfile(last, beside)
                beside.replace(folder / kept_as)
        except OSError:
            beside.unlink(missing_ok=True)
            raise

    def _add_metrics(self, row: Mapping[str, Any]) -> None:
        path = self._folder.metrics_path
        new = not path.exists()
        with path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(row))
            if new:
                writer.writeheader()
            writer.writerow(row)

    def _forget_epochs_after(self, epoch: int) -> None:
        """Take back what a killed run wrote of epochs that no checkpoint holds: they come again."""
        path = self._folder.metrics_path
        if not path.exists():
            return
        with path.open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if int(row["epoch"]) <= epoch]
        if not rows:
            path.unlink()
            return
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
        write_text(path, text.getvalue())

    def _show(self, preview: "Preview | None", epoch: int, step: int) -> None:
        """Write the curves, the slices as numbers and as a sheet."""
        save_curves(self._folder.metrics(), self._folder.curves_path)
        self._record("picture", epoch=epoch, path=self._folder.curves_path.name)
        if preview is None:
            return
        folder = self._folder.previews
        folder.mkdir(exist_ok=True)
        numbers, sheet = folder / f"epoch-{epoch:04d}.npz", folder / f"epoch-{epoch:04d}.png"
        beside = folder / "part.npz"
        middle = len(preview.original) // 2
        try:
            np.savez_compressed(
                beside,
                original=preview.original[middle],
                corrupted=preview.corrupted[middle],
                reconstructed=preview.reconstructed[middle],
            )
            beside.replace(numbers)
        except OSError:
            beside.unlink(missing_ok=True)
            raise
        save_sheet(preview.strips(), sheet)
        if self._board is not None:
            self._board.add_picture("slices", sheet, step)
        self._record(
            "preview",
            epoch=epoch,
            path=f"{folder.name}/{numbers.name}",
            sheet=f"{folder.name}/{sheet.name}",
        )


class _Clock:
    """How long epochs take, without what a run was paused for."""

    def __init__(self, first_step: int = 0) -> None:
        self._first_step = first_step
        self._began = time.monotonic()
        self._epoch_began = self._began
        self._epoch_ended: float | None = None
        self._last_look = self._began

    def begin_epoch(self) -> None:
        self._epoch_began = time.monotonic()
        self._epoch_ended = None

    def end_epoch(self) -> None:
        if self._epoch_ended is None:
            self._epoch_ended = time.monotonic()

    def leave_out(self, seconds: float) -> None:
        """Count so much less, which the run was paused."""
        self._began += seconds
        self._epoch_began += seconds
        self._last_look += seconds

    def so_far(self) -> float:
        """Return the seconds since the last whole epoch."""
        return time.monotonic() - self._last_look

    def whole_epoch(self) -> float:
        """Return the seconds since this was last asked: an epoch's, its validation included."""
        now = time.monotonic()
        passed, self._last_look = now - self._last_look, now
        return passed

    def rate(self, slices: int) -> float:
        """Return slices a second of the epoch's training, without its validation."""
        end = self._epoch_ended or time.monotonic()
        return slices / max(end - self._epoch_began, 1e-6)

    def seconds_left(self, step: int, steps: int) -> float:
        done = step - self._first_step
        return (time.monotonic() - self._began) / max(done, 1) * (steps - step)


def _for_board(row: Mapping[str, float]) -> dict[str, float]:
    groups = {"training_loss": "loss/training", "validation_loss": "loss/validation"}
    return {groups.get(name, name): value for name, value in row.items() if name not in ("step", "minutes")}

"""Lightning's trainer, set up as a configuration says."""

import logging
import os
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import EarlyStopping

from napari_mri_cae.errors import InputError
from napari_mri_cae.reconstruction.devices import resolve_device
from napari_mri_cae.training.config import TrainingConfig
from napari_mri_cae.training.data import ValidationBatch

_MIXED = {"bfloat16": "bf16-mixed", "float16": "16-mixed", "float32": "32-true"}


def make_trainer(config: TrainingConfig) -> lightning.Trainer:
    """Return a trainer without callbacks, which knows which of the processes of the run it is in.

    Raises
    ------
    InputError
        If the machine has not so many devices, or there is no such strategy.
    """
    device = resolve_device()
    devices = config.devices if isinstance(config.devices, int) else 1
    if device.is_cpu:
        # Processes beside each other share the cores.
        torch.set_num_threads(config.threads or max(1, _cores() // devices))
    precision: Any = config.precision if config.precision != "auto" else _MIXED[device.precision]
    try:
        with _quiet():
            return lightning.Trainer(
                accelerator="cpu" if device.is_cpu else "auto",
                devices=devices,
                num_nodes=config.num_nodes,
                strategy=config.strategy,
                precision=precision,
                # On a CPU each process keeps its own statistics.
                sync_batchnorm=not device.is_cpu and devices * config.num_nodes > 1,
                max_epochs=config.epochs,
                gradient_clip_val=config.optimizer.gradient_clip,
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
                num_sanity_val_steps=0,
                use_distributed_sampler=False,
            )
    except (MisconfigurationException, ValueError) as error:
        raise InputError(f"these devices will not do: {' '.join(str(error).split())}") from error


def early_stopping(config: TrainingConfig) -> list[lightning.Callback]:
    """Return what ends a training early, if anything does.

    Lightning's callback counts as Keras's does.
    """
    settings = config.early_stopping
    if settings is None:
        return []
    return [
        EarlyStopping(
            "validation_loss",
            min_delta=settings.min_delta,
            patience=settings.patience,
            check_finite=False,
            # Right after the validation: before the state is saved, so that a resumed run goes on counting.
            check_on_train_epoch_end=False,
        )
    ]


def fit(
    trainer: lightning.Trainer,
    module: lightning.LightningModule,
    batches: Iterable[Any],
    validation: Iterable[Any],
    checkpoint: Path | None,
) -> None:
    """Train, from a checkpoint on if there is one.

    Raises
    ------
    InputError
        If the checkpoint has had more epochs than the training is to have.
    """
    with _quiet():
        try:
            trainer.fit(module, batches, validation, ckpt_path=checkpoint, weights_only=True)
        except MisconfigurationException as error:
            asked = trainer.max_epochs
            if checkpoint is not None and asked is not None and trainer.current_epoch > asked:
                raise InputError(f"the run has had over {asked} epochs already: ask for more.") from error
            raise


class Unsized:
    """Batches whose number nobody asks for: a process may have none of a small validation set."""

    def __init__(self, batches: Iterable[ValidationBatch]) -> None:
        self._batches = batches

    def __iter__(self) -> Iterator[ValidationBatch]:
        return iter(self._batches)


def _cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave out advice that does not apply."""
    with warnings.catch_warnings():
        logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
        for about in (
            "does not have many workers",  # A thread of our own reads ahead.
            "in eval mode at the start of training",  # The average of the weights is meant to be.
            "LeafSpec",  # Lightning's own use of something that torch has deprecated.
            "Precision 16-mixed is not supported by the model summary",
        ):
            warnings.filterwarnings("ignore", message=f".*{about}.*")
        yield

"""A run: one training, a folder."""

import dataclasses
import errno
import json
import os
import shutil
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari_mri_cae.allocator import keep_pages
from napari_mri_cae.errors import InputError
from napari_mri_cae.training.config import OneCycleRate, TrainingConfig
from napari_mri_cae.training.control import Control, Stopped
from napari_mri_cae.training.run_folder import OnEvent, Record, RunFolder, State, write_text

if TYPE_CHECKING:
    import lightning

    from napari_mri_cae.models import Card, Domain, Model
    from napari_mri_cae.training.data import Data, Prepared, Source
    from napari_mri_cae.training.module import ReconstructionModule

_FOLDER_VARIABLE: Final = "NAPARI_MRI_CAE_RUN_FOLDER"
"""Where a process that was started to help finds the run's folder."""
_FULL: Final = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
_MOST_VOLUMES_LOOKED_AT: Final = 24
"""For what the card says of how training volumes look."""
_SECONDS_BETWEEN_EVENTS: Final = 1.0


def train(
    config: TrainingConfig,
    run_folder: str | Path | None = None,
    *,
    resume: bool = False,
    on_event: OnEvent | None = None,
) -> Path:
    """Train a model.

    Parameters
    ----------
    config
        What to train, on what, and how. On resuming, `epochs` and the schedule's `decay_steps` may differ
        from what the run began with, as long as the learning rate has not begun to fall: the outcome is the
        same as if they had been so from the start. A one-cycle schedule keeps its epochs.
    run_folder
        Where everything about the run goes; `RunFolder` says what. By default `runs/NAME-DATE-TIME` in the
        current directory.
    resume
        Go on from the end of the run's last finished epoch; from the start, if it had finished none.
    on_event
        Called, in this thread, with each event: a mapping with "event" ("preparing", "start", "step",
        "validation", "preview", "picture", "finishing", "paused", "resumed", "warning", "stopped", "error",
        "end"), "time" and the facts.

    Returns
    -------
    Path
        The run folder. Its status tells whether the training is finished or was stopped.

    Raises
    ------
    InputError
        If the data are not there or cannot be read, the folder holds a run already and is not to be resumed,
        there is nothing to resume, or the folder cannot be written, as where the disk is full.
    """
    from napari_mri_cae.training.trainer import make_trainer

    keep_pages()
    trainer = make_trainer(config)
    leads = trainer.is_global_zero
    folder = RunFolder(_folder_of(config, run_folder, trainer))
    # So that the run can be resumed from anywhere.
    config = config.model_copy(update={"root": config.root.expanduser().resolve()})
    if leads:
        _begin(folder, config, resume=resume)

    def record(kind: str, /, **facts: Any) -> None:
        if leads:
            event = folder.add_event(kind, facts)
            if on_event is not None:
                on_event(event)

    control = Control(folder, leads=leads)

    def end(state: State, event: str, message: str) -> None:
        # Where the disk is full there may be no room for this either.
        with suppress(OSError):
            control.tell(state=state, message=message)
            record(event, message=message)

    try:
        with _sentences(folder):
            control.start()
            # From here on; Lightning's own come and go in between.
            control.catch_signals()
            _run(config, folder, trainer, control, record, resume=resume)
            control.tell(state="finished", message="")
    except Stopped as stopped:
        end("stopped", "stopped", str(stopped))
    except InputError as error:
        end("failed", "error", str(error))
        if leads and run_folder is None and not folder.status.steps:
            # Nobody asked for this folder, and nothing came to be in it.
            shutil.rmtree(folder.path, ignore_errors=True)
        raise
    except BaseException as error:
        if leads:
            with suppress(OSError):
                write_text(folder.log_path, traceback.format_exc())
        end("failed", "error", f"{type(error).__name__}: {error}")
        raise
    finally:
        control.close()
        os.environ.pop(_FOLDER_VARIABLE, None)
    return folder.path


def _run(
    config: TrainingConfig,
    folder: RunFolder,
    trainer: "lightning.Trainer",
    control: Control,
    record: Record,
    *,
    resume: bool,
) -> None:
    """Prepare the data, and train until the end or until the run is to stop."""
    import lightning

    from napari_mri_cae.training.data import ValidationSet, training_batches
    from napari_mri_cae.training.facts import make_card, versions
    from napari_mri_cae.training.module import ReconstructionModule, choose_sample
    from napari_mri_cae.training.network import check_network
    from napari_mri_cae.training.recorder import Recorder
    from napari_mri_cae.training.trainer import Unsized, early_stopping, fit
    from napari_mri_cae.training.usual_slices import add_slice_statistics

    leads, processes = trainer.is_global_zero, trainer.world_size
    check_network(config)
    checkpoint = folder.last_checkpoint if resume and folder.last_checkpoint.exists() else None
    first = None if checkpoint is not None else _model_to_start_from(config)
    software = versions()
    progress = _progress(control, record)
    prepared = _prepare(config, folder, software, record, progress, leads=leads)
    lightning.seed_everything(config.seed, verbose=False)
    share = (trainer.global_rank, processes)
    batches = training_batches(prepared, lambda: trainer.global_step, share, progress)
    validation = ValidationSet(prepared, share, progress)
    module = ReconstructionModule(config, config.epochs * len(batches), prepared.labels)
    if first is not None:
        _start_from(module, first, config)
    if leads:
        module.sample = choose_sample(ValidationSet(prepared))
    if processes == 1:
        module.guard(control.check)
    module.test_rates = partial(_test_rates, batches=batches, folder=folder, control=control, record=record)
    domain = _describe_in_background(prepared.data.sources, config) if leads else None

    def card_of(trained: ReconstructionModule, step: int, minutes: float) -> "Card":
        return make_card(
            prepared,
            trained.result,
            step=step,
            minutes=minutes,
            software=software,
            domain=None if domain is None else domain.result(),
            device=trained.device,
            devices=processes,
        )

    recorder = Recorder(folder, config, control, card_of, record, leads=leads)
    # The recorder last: it saves the state that the others have come to.
    callbacks = [*early_stopping(config), recorder]
    trainer.callbacks.extend(callbacks)  # type: ignore[attr-defined]
    try:
        fit(trainer, module, batches, Unsized(validation), checkpoint)
    except Stopped:
        recorder.save_some_model(module, trainer.global_step)
        raise
    if leads:
        # The training is over: who stops it now does without.
        with suppress(Stopped):
            add_slice_statistics(folder, prepared.data.sources, config.seed, control.check, record)
    recorder.tell_end(trainer.global_step, module.steps)


def _prepare(
    config: TrainingConfig,
    folder: RunFolder,
    software: dict[str, str],
    record: Record,
    progress: Callable[[int, int, str], None],
    *,
    leads: bool,
) -> "Prepared":
    """Find and decode the data, and write down what they are."""
    from napari_mri_cae.training.data import find_data, prepare

    record("preparing", message="Looking for the volumes.")
    found = find_data(config)
    if leads:
        _write_facts(folder, config, found, software)
    prepared = prepare(found, on_progress=progress)
    if leads:
        _write_facts(folder, config, prepared.data, software)
    for warning in prepared.data.warnings:
        record("warning", message=warning)
    return prepared


def _folder_of(config: TrainingConfig, run_folder: str | Path | None, trainer: "lightning.Trainer") -> Path:
    """Return the run's folder, the same in every process of the run."""
    chosen = os.environ.get(_FOLDER_VARIABLE) if not trainer.is_global_zero else None
    if chosen is None and run_folder is not None:
        chosen = str(Path(run_folder).expanduser().absolute())
    if chosen is None:
        if not trainer.is_global_zero or (trainer.world_size > 1 and _is_launched(trainer)):
            raise InputError("name a run folder, so that the processes of this training agree on one.")
        name = f"{config.name}-{datetime.now():%Y%m%d-%H%M%S}"
        chosen = str(Path("runs").absolute() / name)
    if trainer.is_global_zero:
        os.environ[_FOLDER_VARIABLE] = chosen
    return Path(chosen)


def _is_launched(trainer: "lightning.Trainer") -> bool:
    """Return whether something else, torchrun or SLURM, starts the processes."""
    environment = getattr(trainer.strategy, "cluster_environment", None)
    return environment is not None and environment.creates_processes_externally


def _begin(folder: RunFolder, config: TrainingConfig, *, resume: bool) -> None:
    """Make the folder, unless what is in it does not allow that."""
    if folder.status.alive:
        raise InputError(
            f"the run in {folder.path} goes on already: stop it first, or choose another folder."
        )
    if resume and not folder.is_run:
        raise InputError(f"{folder.path} holds no run to resume: start it without resuming.")
    if not resume and folder.last_checkpoint.exists():
        raise InputError(f"{folder.path} holds a run already: resume it, or choose another folder.")
    if resume and folder.last_checkpoint.exists() and isinstance(config.schedule, OneCycleRate):
        epochs = folder.config().epochs
        if epochs != config.epochs:
            raise InputError(
                f"epochs: a one-cycle schedule ends with the run's {epochs} epochs; begin a new run that "
                "starts from this one's model (start_from)."
            )
    try:
        folder.checkpoints.mkdir(parents=True, exist_ok=True)
        write_text(folder.path / "control", "run")
    except OSError as error:
        raise InputError(f"{folder.path} cannot be written: {error.strerror or error}.") from error


def _write_facts(folder: RunFolder, config: TrainingConfig, data: "Data", software: dict[str, str]) -> None:
    config.save(folder.config_path)
    rows = [
        {**dataclasses.asdict(source), "part": source.part or "split by slice", "path": str(source.path)}
        for source in data.sources
    ]
    left_out = [
        {"data": each.data, "path": str(each.path), "reason": each.reason} for each in data.unreadable
    ]
    listing = {"seed": config.seed, "volumes": rows, "left_out": left_out}
    write_text(folder.path / "data.json", json.dumps(listing, indent=1))
    write_text(folder.path / "versions.json", json.dumps(software, indent=1))


def _progress(control: Control, record: Record) -> Callable[[int, int, str], None]:
    """Return what tells how far the preparations are, and ends them if the run is to stop."""
    told = time.monotonic()

    def progress(done: int, total: int, what: str) -> None:
        nonlocal told
        control.check()
        if time.monotonic() - told > _SECONDS_BETWEEN_EVENTS:
            told = time.monotonic()
            record("preparing", done=done, total=total, message=f"Reading {what}: {done} of {total}.")

    return progress


def _model_to_start_from(config: TrainingConfig) -> "Model | None":
    """Open the model whose weights to begin with, before anything takes long."""
    from napari_mri_cae.models import load_model

    if config.start_from is None:
        return None
    try:
        return load_model(config.start_from)
    except InputError as error:
        raise InputError(f"start_from: {error}") from error


def _start_from(module: "ReconstructionModule", model: "Model", config: TrainingConfig) -> None:
    """Begin with the weights of a model."""
    from napari_mri_cae.training.network import load_weights

    fits = model.card.architecture == config.architecture
    if fits:
        weights = model.network.state_dict()
        begin = [module.network, *([module.average] if config.average_decay else [])]
        fits = all(load_weights(network, weights) for network in begin)
    if not fits:
        raise InputError(
            f"start_from: {config.start_from} has another architecture, {model.card.architecture} "
            f"{model.card.architecture_parameters or ''}: choose a model of {config.architecture} with the "
            "same parameters; a residual-unet may have more blocks and more neighbours than the model it "
            "starts from."
        )


def _test_rates(
    module: "ReconstructionModule", *, batches: Any, folder: RunFolder, control: Control, record: Record
) -> float:
    """Find the highest learning rate of a cycle, and leave the curve in the run folder."""
    from napari_mri_cae.training.pictures import save_rates
    from napari_mri_cae.training.rate_test import find_learning_rate

    record("preparing", message="Looking for the learning rate.")
    test = find_learning_rate(
        module.network,
        module.optimizer_of,
        lambda network, number: module.loss_of(network, batches.batch(number)),
        check=control.check,
    )
    if module.trainer.is_global_zero:
        test.save(folder.path / "learning-rates.csv")
        picture = folder.path / "learning-rates.png"
        save_rates(test.rates, test.losses, test.chosen, picture)
        record("picture", path=picture.name, message=f"The highest learning rate will be {test.chosen:.2g}.")
    return test.chosen


def _describe_in_background(sources: "Sequence[Source]", config: TrainingConfig) -> "Future[Domain]":
    """Begin to look at the training volumes for the card, while the training begins."""
    from napari_mri_cae.models.suitability import domain_of
    from napari_mri_cae.volume import Volume

    learnt = [source.path for source in sources if source.part in ("training", None)]
    few = learnt[:: max(1, -(-len(learnt) // _MOST_VOLUMES_LOOKED_AT))]
    plane = config.planes[0] if len(config.planes) == 1 else "any"

    def describe() -> "Domain":
        return domain_of((Volume.load(path) for path in few), plane=plane, fixed_size=config.network_size)

    executor = ThreadPoolExecutor(1, thread_name_prefix="domain")
    future = executor.submit(describe)
    executor.shutdown(wait=False)
    return future


@contextmanager
def _sentences(folder: RunFolder) -> Iterator[None]:
    """Say in a sentence what the machine has too little of."""
    import torch

    try:
        yield
    except OSError as error:
        if error.errno in _FULL or (error.strerror is None and "written" in str(error)):
            raise InputError(
                f"the disk of {folder.path} is full: make room and resume the run; what it had saved is "
                "intact."
            ) from error
        where = error.filename or folder.path
        raise InputError(f"{where} cannot be read or written: {error.strerror or error}.") from error
    except torch.OutOfMemoryError as error:
        raise InputError("the device has too little memory for this: take a smaller batch_size.") from error
    except MemoryError as error:
        raise InputError("there is too little memory for this: take a smaller batch_size.") from error

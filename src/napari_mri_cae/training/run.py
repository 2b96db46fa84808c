"""A run: one training, a folder."""

import dataclasses
import json
import logging
import platform
import warnings
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

from napari_mri_cae.allocator import keep_pages
from napari_mri_cae.errors import InputError
from napari_mri_cae.training.config import TrainingConfig
from napari_mri_cae.training.data import (
    CachedVolume,
    Patches,
    Source,
    cache_volume,
    find_sources,
    validation_slices,
)
from napari_mri_cae.training.recorder import OnEvent, Recorder

_CONFIG: Final = "config.yaml"


def train_from_file(path: str | Path, *, resume: bool = False, on_event: OnEvent | None = None) -> Path:
    """Train as a YAML file says.

    A file called config.yaml is a run's own: the run is in its folder. From any other file, a recipe, a new
    run folder is made: `runs/NAME-DATE-TIME` in the current directory.

    Parameters
    ----------
    path
        A recipe, or the config.yaml of a run folder.
    resume
        Go on with the run from its last checkpoint.
    on_event
        As in `train`.

    Returns
    -------
    Path
        The run folder.

    Raises
    ------
    InputError
        As `train`, or if `resume` is asked of a file that is no run's config.yaml.
    """
    path = Path(path)
    config = TrainingConfig.load(path)
    if path.name == _CONFIG:
        return train(config, path.parent, resume=resume, on_event=on_event)
    if resume:
        raise InputError(f"{path} belongs to no run: give the {_CONFIG} in the folder of the run to resume.")
    return train(config, on_event=on_event)


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
        What to train, on what, and how. On resuming, `steps` and `decay_steps` may differ from what the run
        began with, as long as the learning rate has not begun to fall: the outcome is the same as if
        they had been so from the start.
    run_folder
        Where everything about the run goes: config.yaml, events.jsonl, metrics.csv, data.json (the
        volumes with their checksums), versions.json, checkpoints, and model.safetensors, the best model so
        far. By default `runs/NAME-DATE-TIME` in the current directory.
    resume
        Go on from the run folder's last checkpoint.
    on_event
        Called, in this thread, with each event: a mapping with "event" ("start", "step", "validation",
        "end"), "time" and the facts.

    Returns
    -------
    Path
        The run folder.

    Raises
    ------
    InputError
        If the data are not there or cannot be read, the folder holds a run already and is not to be resumed,
        or there is nothing to resume.
    """
    import lightning
    import torch
    from torch.utils.data import DataLoader

    from napari_mri_cae.training.module import ReconstructionModule

    folder = (
        Path(run_folder) if run_folder else Path("runs") / f"{config.name}-{datetime.now():%Y%m%d-%H%M%S}"
    )
    last = folder / "checkpoints" / "last.ckpt"
    # So that the run can be resumed from anywhere.
    config = config.model_copy(update={"root": config.root.resolve()})
    if resume and not last.exists():
        raise InputError(f"{folder} has no checkpoint to resume from: start it without resuming.")
    if not resume and last.exists():
        raise InputError(f"{folder} holds a run already: resume it, or choose another folder.")
    sources = [source for data in config.data for source in find_sources(data, config.root)]
    versions = _versions()
    try:
        last.parent.mkdir(parents=True, exist_ok=True)
        _write_facts(folder, config, sources, versions)
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror or error}.") from error

    keep_pages()
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    lightning.seed_everything(config.seed, verbose=False)
    volumes = [cache_volume(source) for source in sources if source.part != "test"]
    recorder = Recorder(folder, config, sources, versions, on_event)
    module = ReconstructionModule(config)
    with warnings.catch_warnings():
        _quieten_lightning()
        trainer = lightning.Trainer(
            accelerator="auto",
            devices=1,
            precision=config.precision,
            max_epochs=config.steps // config.steps_per_epoch,
            gradient_clip_val=config.gradient_clip,
            callbacks=[recorder],
            default_root_dir=folder,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
        )
        trainer.fit(
            module,
            Patches(_part(volumes, "training"), config, lambda: trainer.global_step),
            # Lightning takes a plain list for several loaders.
            DataLoader(validation_slices(_part(volumes, "validation"), config), batch_size=None),  # type: ignore[arg-type]
            ckpt_path=last if resume else None,
            weights_only=True,
        )
    return folder


def _part(volumes: list[CachedVolume], part: str) -> list[CachedVolume]:
    return [volume for volume in volumes if volume.source.part == part]


def _quieten_lightning() -> None:
    """Leave out advice that does not apply."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    for about in (
        "does not have many workers",  # A thread of our own reads ahead.
        "in eval mode at the start of training",  # The average of the weights is meant to be.
        "LeafSpec",  # Lightning's own use of something that torch has deprecated.
    ):
        warnings.filterwarnings("ignore", message=f".*{about}.*")


def _versions() -> dict[str, str]:
    packages = ("napari-mri-cae", "torch", "lightning", "numpy", "nibabel")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}


def _write_facts(
    folder: Path, config: TrainingConfig, sources: list[Source], versions: dict[str, str]
) -> None:
    config.save(folder / _CONFIG)
    rows = [{**dataclasses.asdict(source), "path": str(source.path)} for source in sources]
    (folder / "data.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")
    (folder / "versions.json").write_text(json.dumps(versions, indent=1), encoding="utf-8")

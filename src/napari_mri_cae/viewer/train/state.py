"""What the user has chosen in one viewer's Train dock."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import ClassVar, Final

import platformdirs
from psygnal import SignalGroupDescriptor

from napari_mri_cae.training import TrainingConfig, load_recipe
from napari_mri_cae.training.config.optimization import CosineRate

#: Trains on any plane of any data, to take any strength of noise away.
FIRST_RECIPE: Final = "denoiser-any"


def runs_folder() -> Path:
    """Return the folder in which runs are made unless the user says otherwise. It need not exist."""
    return platformdirs.user_data_path("napari-mri-cae", appauthor=False) / "runs"


def new_run_folder(name: str) -> Path:
    """Return a folder for a new run of a model; there is nothing in it yet."""
    stem = f"{name}-{datetime.now():%Y%m%d-%H%M%S}"
    path, number = runs_folder() / stem, 2
    while path.exists():
        path, number = runs_folder() / f"{stem}-{number}", number + 1
    return path


def model_name(recipe: str, folder: Path) -> str:
    """Return a name for a model that a recipe makes from a folder; both may be called anything."""
    parts = (re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("._-") for name in (recipe, folder.name))
    return "-".join(part for part in parts if part) or "model"


def without_data(config: TrainingConfig) -> TrainingConfig:
    """Return a recipe without the folders that it was made for, and what was said about the outcome."""
    told = {"limits": "", "licence": "", "title": "", "description": ""}
    return config.with_values({"data": [], "root": ".", **told})


@dataclass
class TrainState:
    """The settings of the next run as the user has them; `events` tells of every change.

    Attributes
    ----------
    config : TrainingConfig
        The recipe with the data folder and everything else that was changed.
    recipe : str
        The recipe's name, or that of the file it was opened from.
    run_folder : pathlib.Path or None
        Where the run goes; None is a new folder of its own.
    device : str
        "auto", or "cpu" where there is something faster.
    """

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()

    config: TrainingConfig = field(default_factory=lambda: without_data(load_recipe(FIRST_RECIPE)))
    recipe: str = FIRST_RECIPE
    run_folder: Path | None = None
    device: str = "auto"

    @property
    def data_folder(self) -> Path | None:
        """The first folder of volumes, if one was chosen."""
        return self.config.root / self.config.data[0].folder if self.config.data else None

    def choose_folder(self, folder: Path) -> None:
        """Train on the volumes of a folder, split as the configuration says."""
        self.config = self.config.with_values(
            {
                "data": [{"folder": str(folder.resolve())}],
                "root": ".",
                "name": model_name(self.recipe, folder),
            }
        )

    def choose_epochs(self, epochs: int) -> None:
        """Train for so many epochs; a rate that falls at the end falls over the same share of them."""
        config = self.config
        changes: dict[str, int] = {"epochs": epochs}
        if isinstance(config.schedule, CosineRate) and config.steps_per_epoch is not None:
            decay = max(1, round(config.schedule.decay_steps * epochs / config.epochs))
            room = max(0, epochs * config.steps_per_epoch - decay)
            changes["schedule.decay_steps"] = decay
            changes["schedule.warmup_steps"] = min(config.schedule.warmup_steps, room)
        self.config = config.with_values(changes)

    def choose_recipe(self, recipe: str, config: TrainingConfig) -> None:
        """Train as another configuration says, on the folder that was chosen, if one was."""
        folder = self.data_folder
        if folder is not None and not config.data:
            data = self.config.model_dump(mode="json", include={"data", "root"})
            config = config.with_values({**data, "name": model_name(recipe, folder)})
        self.recipe = recipe
        self.config = config

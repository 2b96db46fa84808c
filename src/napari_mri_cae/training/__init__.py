"""Training: configuration, recipes, data, engine and run folder; importing it leaves torch alone."""

from typing import TYPE_CHECKING, Any

from napari_mri_cae.training.config import DataFolder, TrainingConfig
from napari_mri_cae.training.recipes import load_recipe, recipe_paths
from napari_mri_cae.training.run_folder import RunFolder, RunStatus

if TYPE_CHECKING:
    from napari_mri_cae.training.run import train

__all__ = [
    "DataFolder",
    "RunFolder",
    "RunStatus",
    "TrainingConfig",
    "load_recipe",
    "recipe_paths",
    "train",
]


def __getattr__(name: str) -> Any:
    if name == "train":
        from napari_mri_cae.training import run

        return run.train
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

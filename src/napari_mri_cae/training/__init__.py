"""Training: configuration, patches, Lightning module and run folder; importing it leaves torch alone."""

from typing import TYPE_CHECKING, Any

from napari_mri_cae.training.config import DataFolder, TrainingConfig, ValidationNoise

if TYPE_CHECKING:
    from napari_mri_cae.training.run import train, train_from_file

__all__ = ["DataFolder", "TrainingConfig", "ValidationNoise", "train", "train_from_file"]


def __getattr__(name: str) -> Any:
    if name in {"train", "train_from_file"}:
        from napari_mri_cae.training import run

        return getattr(run, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""The configuration of a training: one model for the form, the file, Python and the command line."""

from napari_mri_cae.training.config.training import DataFolder, TrainingConfig, ValidationNoise

__all__ = ["DataFolder", "TrainingConfig", "ValidationNoise"]

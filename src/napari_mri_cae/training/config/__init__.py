"""The configuration of a training: one model for the form, the file, Python and the command line."""

from napari_mri_cae.training.config.base import Settings, explanation, validated
from napari_mri_cae.training.config.data import (
    PARTS,
    AllSlices,
    BrainSlices,
    ContentSlices,
    DataFolder,
    Intensity,
    MeanSlices,
    MiddleSlices,
    NoiseDrawn,
    Part,
    PatchSampling,
    Sampling,
    SliceRange,
    SliceRule,
    SliceSampling,
    Split,
    Unreadable,
)
from napari_mri_cae.training.config.training import TrainingConfig, ValidationNoise

__all__ = [
    "PARTS",
    "AllSlices",
    "BrainSlices",
    "ContentSlices",
    "DataFolder",
    "Intensity",
    "MeanSlices",
    "MiddleSlices",
    "NoiseDrawn",
    "Part",
    "PatchSampling",
    "Sampling",
    "Settings",
    "SliceRange",
    "SliceRule",
    "SliceSampling",
    "Split",
    "TrainingConfig",
    "Unreadable",
    "ValidationNoise",
    "explanation",
    "validated",
]

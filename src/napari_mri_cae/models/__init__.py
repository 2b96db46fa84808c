"""Models: architectures, cards, the model file and the shipped weights; importing it leaves torch alone."""

from napari_mri_cae.models.card import (
    Card,
    DataSource,
    Domain,
    Measurement,
    SliceBin,
    SliceStatistics,
    Training,
)
from napari_mri_cae.models.file import read_card, read_model, save_model
from napari_mri_cae.models.keras import import_keras
from napari_mri_cae.models.model import Model
from napari_mri_cae.models.registry import (
    DEFAULT_MODEL,
    find_models,
    list_models,
    load_model,
    user_model_folder,
)
from napari_mri_cae.models.suitability import domain_of, head_of, unfamiliar, with_domain

__all__ = [
    "DEFAULT_MODEL",
    "Card",
    "DataSource",
    "Domain",
    "Measurement",
    "Model",
    "SliceBin",
    "SliceStatistics",
    "Training",
    "domain_of",
    "find_models",
    "head_of",
    "import_keras",
    "list_models",
    "load_model",
    "read_card",
    "read_model",
    "save_model",
    "unfamiliar",
    "user_model_folder",
    "with_domain",
]

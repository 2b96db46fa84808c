"""Models: architectures, cards, the model file and the shipped weights; importing it leaves torch alone."""

from napari_mri_cae.models.card import Card, DataSource, Measurement, Training
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

__all__ = [
    "DEFAULT_MODEL",
    "Card",
    "DataSource",
    "Measurement",
    "Model",
    "Training",
    "find_models",
    "import_keras",
    "list_models",
    "load_model",
    "read_card",
    "read_model",
    "save_model",
    "user_model_folder",
]

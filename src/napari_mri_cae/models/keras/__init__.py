"""Opening what Keras has saved, without Keras or TensorFlow."""

from napari_mri_cae.models.keras.importing import SUFFIXES, import_keras

__all__ = ["SUFFIXES", "import_keras"]

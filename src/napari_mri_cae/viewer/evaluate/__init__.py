"""The Evaluate dock: models and classical methods measured on many volumes, and the report."""

from napari_mri_cae.viewer.evaluate.dock import EvaluateDock

__all__ = ["EvaluateDock"]

"""Original, corrupted, reconstructed and residual, with their metrics, slice by slice."""

from napari_mri_cae.comparison.comparison import Comparison, FinishedSlices

__all__ = ["Comparison", "FinishedSlices"]

"""How metrics are written."""

import math

from napari_mri_cae.slice_statistics import UNUSUAL
from napari_mri_cae.viewer.widgets import NOTHING


def format_metric(metric: str, value: float) -> str:
    """Return a metric as a reader expects it: 32.10, 0.9876, 1.2e-04; a dash where there is none."""
    if math.isnan(value):
        return NOTHING
    if math.isinf(value):
        return "∞"
    return {"psnr": f"{value:.2f}", "ssim": f"{value:.4f}", "mse": f"{value:.1e}"}[metric]


def format_z(z: float) -> str:
    """Return what a z-score means, as a sentence."""
    if math.isnan(z):
        return "no slice of the model's training volumes to compare it with."
    side = "worse" if z < 0 else "better"
    much = "as usual" if abs(z) <= UNUSUAL else "unusual"
    return f"{much}, {abs(z):.1f} standard deviations {side} than training slices with as much tissue."

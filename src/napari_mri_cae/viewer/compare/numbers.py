"""How metrics are written."""

import math

from napari_mri_cae.viewer.widgets import NOTHING


def format_metric(metric: str, value: float) -> str:
    """Return a metric as a reader expects it: 32.10, 0.9876, 1.2e-04; a dash where there is none."""
    if math.isnan(value):
        return NOTHING
    if math.isinf(value):
        return "∞"
    return {"psnr": f"{value:.2f}", "ssim": f"{value:.4f}", "mse": f"{value:.1e}"}[metric]

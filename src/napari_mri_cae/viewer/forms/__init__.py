"""Forms made from settings models, and the fold that keeps what is rarely needed out of sight."""

from napari_mri_cae.viewer.forms.fold import Fold
from napari_mri_cae.viewer.forms.form import SettingsForm

__all__ = ["Fold", "SettingsForm"]

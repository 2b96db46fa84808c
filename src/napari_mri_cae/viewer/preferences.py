"""The plugin's page in napari's preferences: how a comparison opens, and what is offered."""

from dataclasses import dataclass
from typing import Any, Final

from napari.settings import get_plugin_settings

from napari_mri_cae.planes import Plane
from napari_mri_cae.viewer.orientation import Convention

PLUGIN: Final = "napari-mri-cae"


@dataclass(frozen=True)
class ComparePreferences:
    """How a comparison opens.

    Attributes
    ----------
    plane : {"axial", "coronal", "sagittal"}
    convention : {"radiological", "neurological"}
    device : {"auto", "cpu"}
    """

    plane: Plane = "axial"
    convention: Convention = "radiological"
    device: str = "auto"


def compare_preferences() -> ComparePreferences:
    """Return how the user wants a comparison to open; as shipped where napari does not know the plugin."""
    settings = _settings()
    if settings is None:
        return ComparePreferences()
    chosen = settings.compare
    return ComparePreferences(chosen.plane, chosen.convention, chosen.device)


def offers_default_reader() -> bool:
    """Return whether the user may still be asked who opens NIfTI files."""
    settings = _settings()
    return settings is not None and bool(settings.reading.offer_default_reader)


def stop_offering_default_reader() -> None:
    """Remember that the user has answered; in the preferences the offer can be switched on again."""
    settings = _settings()
    if settings is not None:
        settings.reading.offer_default_reader = False


def _settings() -> Any:
    try:
        return get_plugin_settings(PLUGIN)
    except KeyError:  # not installed as a plugin, or switched off
        return None

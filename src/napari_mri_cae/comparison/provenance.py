"""How a result was made."""

import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from napari_mri_cae.corruptions import Corruption
from napari_mri_cae.planes import Plane
from napari_mri_cae.volume import Volume

if TYPE_CHECKING:
    from napari_mri_cae.models import Model


def describe(
    volume: Volume,
    models: "Sequence[Model]",
    *,
    corruptions: Sequence[Corruption],
    plane: Plane,
    seed: int,
    device: str,
) -> dict[str, Any]:
    """Return what a result depends on, as JSON-able values."""
    window = volume.window
    return {
        "volume": {
            "name": volume.name,
            "file": None if volume.path is None else volume.path.name,
            "shape": list(volume.data.shape),
            "spacing_mm": [float(value) for value in volume.spacing],
            "window": {
                "low": window.low,
                "high": window.high,
                "clipped_fraction": window.clipped_fraction,
            },
        },
        "model": models[0].card.model_dump(mode="json") if models else None,
        **({"second_model": models[1].card.model_dump(mode="json")} if len(models) > 1 else {}),
        "corruptions": [corruption.to_dict() for corruption in corruptions],
        "plane": plane,
        "seed": seed,
        "device": device,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": software_versions(),
    }


def software_versions(*others: str) -> dict[str, str]:
    """Return the versions of what results depend on, and of other packages by name."""
    names = ("napari-mri-cae", "torch", "numpy", "nibabel", *others)
    return {"python": platform.python_version(), **{name: version(name) for name in names}}

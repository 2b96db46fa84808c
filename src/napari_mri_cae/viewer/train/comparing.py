"""From a run to Compare: remember its model, choose it there, and open a volume that it has not seen."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from napari_mri_cae.models import Card, load_model
from napari_mri_cae.models.user_models import remember_model
from napari_mri_cae.training import RunFolder

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_mri_cae.viewer.compare import CompareDock

# Compare shows best how a model does on what it did not learn from.
_PARTS = ("test", "validation", "training", None)


def remember(run: RunFolder) -> Card:
    """Keep the run's best model among the user's own, and return its card. Loads torch.

    Raises
    ------
    InputError
        If it cannot be read or kept.
    """
    model = load_model(run.model_path)
    name = remember_model(model)
    return model.card.model_copy(update={"name": name})


def held_out_volume(run: RunFolder) -> Path | None:
    """Return a volume that the model did not learn from, if there is one; else any of the run's."""
    try:
        rows = json.loads((run.path / "data.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    rows = rows.get("volumes", []) if isinstance(rows, dict) else rows
    for part in _PARTS:
        for row in rows:
            path = Path(str(row.get("path", "")))
            if row.get("part") == part and path.is_file():
                return path
    return None


def choose(dock: "CompareDock", card: Card) -> None:
    """Choose a model in a Compare dock, and the plane that it is for."""
    dock.state.model = card.name
    if card.plane != "any":
        dock.state.plane = card.plane


def compare(viewer: "Viewer", card: Card, volume: Path | None) -> "CompareDock":
    """Open Compare with a model.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    card : Card
        Of a model that is remembered.
    volume : pathlib.Path or None
        What to compare if nothing is compared yet.
    """
    from napari_mri_cae.viewer.compare import bring_up

    dock = bring_up(viewer)
    choose(dock, card)
    if dock.comparison is None and volume is not None:
        dock.open_path(volume)
    return dock

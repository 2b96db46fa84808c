"""From a row of an evaluation to Compare: the same volume, corruption and model, at that slice."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Layer

from napari_mri_cae.evaluation import Condition, Row
from napari_mri_cae.evaluation.baselines import baseline_kinds
from napari_mri_cae.viewer.compare import CompareDock, bring_up
from napari_mri_cae.viewer.evaluate.results import Results
from napari_mri_cae.viewer.layers import frame_on_screen, role_of

if TYPE_CHECKING:
    from napari.viewer import Viewer


def show_slice(viewer: "Viewer", results: Results, row: Row) -> CompareDock:
    """Open Compare as a row was measured, at its slice.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    results : Results
        Which the row is of.
    row : Row
    """
    plan, path = results.plan, results.file_of(row)
    dock = bring_up(viewer)
    chain = next(chain for chain in plan.conditions if Condition(chain).label == row.corruption)
    dock.state.use_corruptions(chain)
    dock.state.seed, dock.state.plane = plan.settings.seed, row.plane
    dock.state.device, dock.state.exact = plan.settings.device, plan.settings.exact
    if plan.models and row.model not in baseline_kinds():
        # The first one's worst slices are listed.
        dock.state.model = plan.models[0]

    session = dock.session

    def arrived(*_: Any) -> None:
        source = session.source
        if source is not None and _is_of(source, path) and not _brings_frame(viewer, source, plan.frame):
            session.opened.disconnect(arrived, missing_ok=True)
            session.go_to(row.slice)
        elif source is None or not _is_of(source, path):
            # It could not be opened, and this is another volume.
            session.opened.disconnect(arrived, missing_ok=True)

    session.opened.connect(arrived)
    layer = next((layer for layer in viewer.layers if _is_of(layer, path)), None)
    if layer is None:
        dock.open_path(path)
    elif layer is session.source:
        arrived()
    else:
        session.open_layer(layer)
    return dock


def _is_of(layer: Layer, path: Path) -> bool:
    """Tell whether a layer is the volume in a file."""
    return role_of(layer) == "source" and layer.metadata.get("file") == str(path)


def _brings_frame(viewer: "Viewer", source: Layer, frame: int) -> bool:
    """Bring a volume of a series on screen; return whether it was not, so that its comparison comes next."""
    if source.ndim == 3 or frame_on_screen(source, viewer.dims) == frame:
        return False
    viewer.dims.set_current_step(0, frame)
    return True

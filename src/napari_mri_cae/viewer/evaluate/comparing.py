"""From a row of an evaluation to Compare: the same volume, corruption and model, at that slice."""

from typing import TYPE_CHECKING

from napari_mri_cae.evaluation import Condition, Row
from napari_mri_cae.evaluation.baselines import baseline_kinds
from napari_mri_cae.viewer.compare import CompareDock, bring_up
from napari_mri_cae.viewer.evaluate.results import Results

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

    def go() -> None:
        dock.session.opened.disconnect(go)
        dock.session.go_to(row.slice)

    dock.session.opened.connect(go)
    dock.open_path(path)
    return dock

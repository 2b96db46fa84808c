"""The Compare dock: original, corrupted, reconstructed and residual, side by side and live."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from napari_mri_cae.corruptions import Corruption, GaussianNoise
from napari_mri_cae.viewer.compare.dock import CompareDock
from napari_mri_cae.volume import Volume

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.viewer import Viewer

__all__ = ["CompareDock", "bring_up", "open_comparison", "open_docks"]

# What napari's own menu calls it: so the menu shows and hides this one, and makes no second.
_NAME: Final = "Compare (MRI autoencoder)"


def open_docks(viewer: "ViewerModel") -> list[CompareDock]:
    """Return the Compare docks of a viewer."""
    window = getattr(viewer, "window", None)
    docks = [] if window is None else window.dock_widgets.values()
    return [dock for dock in docks if isinstance(dock, CompareDock)]


def bring_up(viewer: "Viewer") -> CompareDock:
    """Return the Compare dock of a viewer, in front of others; a new one if there is none."""
    docks = open_docks(viewer)
    if docks:
        dock = docks[0]
    else:
        dock = CompareDock(viewer)
        viewer.window.add_dock_widget(dock, name=_NAME)
    frame = dock.dock_widget
    if frame is not None:
        frame.show()
        frame.raise_()
    return dock


def open_comparison(
    viewer: "Viewer",
    volume: Volume,
    *,
    model: str | None = None,
    corruptions: Sequence[Corruption] = (GaussianNoise(sigma=0.03),),
) -> CompareDock:
    """Open the Compare dock in a viewer, with a volume.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    volume : Volume
        A single volume or a series.
    model : str, optional
        What `load_model` takes; the default shipped model if left out.
    corruptions : sequence of Corruption
        Those that are switched on, at most one of each kind.

    Returns
    -------
    CompareDock
        Fills in the background; its `wait_until_done` waits for that.
    """
    dock = bring_up(viewer)
    dock.state.use_corruptions(corruptions)
    dock.state.model = model
    dock.session.open_volume(volume)
    return dock

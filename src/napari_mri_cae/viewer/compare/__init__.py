"""The Compare dock: original, corrupted, reconstructed and residual, side by side and live."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from napari_mri_cae.corruptions import Corruption, GaussianNoise
from napari_mri_cae.viewer.compare.dock import CompareDock
from napari_mri_cae.viewer.compare.state import ChainItem
from napari_mri_cae.volume import Volume

if TYPE_CHECKING:
    from napari.viewer import Viewer

__all__ = ["CompareDock", "open_comparison"]


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
    _, dock = viewer.window.add_plugin_dock_widget("napari-mri-cae", "Compare")
    chosen = {corruption.kind: corruption for corruption in corruptions}
    listed = [item.corruption for item in dock.state.chain]
    dock.state.chain = (
        *(ChainItem(corruption, enabled=True) for corruption in corruptions),
        *(ChainItem(corruption) for corruption in listed if corruption.kind not in chosen),
    )
    dock.state.model = model
    dock.session.open_volume(volume)
    return cast("CompareDock", dock)

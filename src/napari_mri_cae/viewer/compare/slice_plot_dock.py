"""Where the plot over the slices stands: below the panels, where it has the width."""

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDockWidget

from napari_mri_cae.viewer.compare.session import ComparisonSession
from napari_mri_cae.viewer.compare.state import CompareState
from napari_mri_cae.viewer.compare.worst_keys import WorstKeys

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_mri_cae.viewer.compare.slice_plot import SlicePlot

NAME = "Slices (MRI autoencoder)"


class SlicePlotDock:
    """Opens and closes the plot as the state says. The plot, and pyqtgraph, are made when first asked for.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Without a window the plot is a window of its own.
    session : ComparisonSession
    state : CompareState
        Its `slice_plot` says whether the plot is open.
    keys : WorstKeys
        Work in the plot, too.

    Attributes
    ----------
    plot : SlicePlot or None
    """

    def __init__(
        self, viewer: "ViewerModel", session: ComparisonSession, state: CompareState, keys: WorstKeys
    ) -> None:
        self._viewer = viewer
        self._session = session
        self._state = state
        self._keys = keys
        self._dock: QDockWidget | None = None
        self.plot: SlicePlot | None = None
        state.events.slice_plot.connect(self._follow)

    def _follow(self, is_open: bool) -> None:
        if is_open:
            self._open()
        else:
            self._close()

    def _open(self) -> None:
        if self.plot is None:
            from napari_mri_cae.viewer.compare.slice_plot import SlicePlot

            self.plot = SlicePlot(self._viewer, self._session, self._state)
            self.plot.dismissed.connect(self._on_dismissed)
            self._keys.bind_in(self.plot)
        window: Any = getattr(self._viewer, "window", None)
        if window is None:
            self.plot.setWindowFlag(Qt.WindowType.Tool)
        elif self._dock is None:
            self._dock = window.add_dock_widget(self.plot, name=NAME, area="bottom")
        self.plot.show()

    def _close(self) -> None:
        dock, self._dock = self._dock, None
        if dock is not None:
            with suppress(RuntimeError, LookupError):
                self._viewer.window.remove_dock_widget(dock)
        if self.plot is not None:
            self.plot.hide()

    def _on_dismissed(self) -> None:
        self._state.slice_plot = False

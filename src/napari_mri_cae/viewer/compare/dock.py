"""The Compare dock."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QTimer
from qtpy.QtGui import QHideEvent, QShowEvent
from qtpy.QtWidgets import QApplication, QWidget

from napari_mri_cae.comparison import Comparison
from napari_mri_cae.corruptions import BlankOut
from napari_mri_cae.errors import InputError
from napari_mri_cae.viewer.compare.blank_out_tool import BlankOutTool
from napari_mri_cae.viewer.compare.corruption_box import CorruptionBox
from napari_mri_cae.viewer.compare.metrics_box import MetricsBox
from napari_mri_cae.viewer.compare.model_box import MODEL_SUFFIXES, ModelBox
from napari_mri_cae.viewer.compare.progress_row import ProgressRow
from napari_mri_cae.viewer.compare.save_box import SaveBox
from napari_mri_cae.viewer.compare.session import ComparisonSession
from napari_mri_cae.viewer.compare.slice_plot_dock import SlicePlotDock
from napari_mri_cae.viewer.compare.source_box import SourceBox
from napari_mri_cae.viewer.compare.state import ChainItem, CompareState
from napari_mri_cae.viewer.compare.unfamiliar_note import UnfamiliarNote
from napari_mri_cae.viewer.compare.view_box import ViewBox
from napari_mri_cae.viewer.compare.worst_box import WorstBox
from napari_mri_cae.viewer.compare.worst_keys import WorstKeys
from napari_mri_cae.viewer.compare.worst_slices import WorstSlices
from napari_mri_cae.viewer.default_reader import DefaultReaderOffer
from napari_mri_cae.viewer.dock import Dock
from napari_mri_cae.viewer.widgets import heading

if TYPE_CHECKING:
    import napari.viewer


class CompareDock(Dock):
    """Original, corrupted, reconstructed and residual of a volume, side by side and live.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        napari passes it when the dock is opened from the Plugins menu.

    Attributes
    ----------
    state : CompareState
        What the user has chosen; set its attributes to change the comparison from Python.
    session : ComparisonSession
        The comparison that is shown.
    """

    def __init__(self, viewer: "napari.viewer.Viewer", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._started = False
        self.state = CompareState.preferred()
        self.session = ComparisonSession(viewer, self.state)
        self.setMinimumWidth(364)  # its parts, and a scroll bar beside them

        self.source_box = SourceBox(self.session)
        self.corruption_box = CorruptionBox(self.state)
        self.metrics_box = MetricsBox(self.session, self.state)
        self.progress_row = ProgressRow(self.session, self.state)
        self.worst = WorstSlices(self.session, self.state)
        self.worst_box = WorstBox(self.session, self.state, self.worst)
        self.view_box = ViewBox(self.session, self.state)
        self.model_box = ModelBox(self.session, self.state)
        self.save_box = SaveBox(self.session)
        self.offer = DefaultReaderOffer()
        self.unfamiliar_note = UnfamiliarNote(self.session, self.state)
        self.message.linkActivated.connect(lambda _link: self.session.restore_panels())

        self._set_parts(
            (
                self.source_box,
                self.message,
                self.unfamiliar_note,
                self.offer,
                heading("Metrics"),
                self.metrics_box,
                self.progress_row,
                self.worst_box,
                heading("Corruptions"),
                self.corruption_box,
                heading("View"),
                self.view_box,
                heading("Model"),
                self.model_box,
                self.save_box,
            )
        )

        self._keys = WorstKeys(viewer, self.worst)
        self._keys.bind_in(self)
        self.slice_plot_dock = SlicePlotDock(viewer, self.session, self.state, self._keys)
        self.blank_out_tool = BlankOutTool(self.session, self._place_blank_out)
        place = self.corruption_box.row(BlankOut).place
        if place is not None:
            place.toggled.connect(lambda on: setattr(self.blank_out_tool, "active", on))
        self.session.failed.connect(self._on_failed)
        self.session.saved.connect(self._say)
        self.session.opened.connect(self._on_opened)
        self.session.closed.connect(self._on_closed)
        self.session.panels_changed.connect(self._on_panels_changed)
        # When the window goes, Qt deletes this widget without asking: the worker must not outlive it.
        self.destroyed.connect(self.session.stop)

    def open_path(self, path: str | Path) -> None:
        """Compare the volume in a file."""
        self.source_box.open_file(Path(path))

    @property
    def comparison(self) -> Comparison | None:
        """The comparison that is shown, if there is one."""
        return self.session.comparison

    def wait_until_done(self, timeout_s: float) -> bool:
        """Let the viewer work until the comparison is complete.

        Parameters
        ----------
        timeout_s : float
            How long to wait at most, in seconds.

        Returns
        -------
        bool
            Whether every slice is finished.
        """
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            QApplication.processEvents()
            comparison, fill = self.session.comparison, self.session.fill
            is_idle = not self.session.is_busy and fill is not None and not fill.is_running
            if is_idle and comparison is not None and comparison.is_complete:
                return True
            time.sleep(0.01)
        return False

    def _open_dropped(self, paths: list[Path]) -> None:
        """Open one volume, or one model."""
        if len(paths) > 1:
            self._on_failed(InputError("Drop one volume at a time: one comparison is shown."))
        elif paths[0].suffix.lower() in MODEL_SUFFIXES:
            self.model_box.open_model(paths[0])
        else:
            self.open_path(paths[0])

    def showEvent(self, event: QShowEvent | None) -> None:
        """Compare what is there already, the first time and after the dock was closed."""
        super().showEvent(event)
        QTimer.singleShot(0, self._start)

    def hideEvent(self, event: QHideEvent | None) -> None:
        """End the comparison if the dock has been closed, not if another tab covers it."""
        super().hideEvent(event)
        # Afterwards: a dock that is made to float is hidden for an instant.
        QTimer.singleShot(0, self._close_if_hidden)

    def event(self, event: QEvent | None) -> bool:
        """Give the viewer back when the dock lets go of the widget; stop before it is deleted."""
        kind = None if event is None else event.type()
        if kind == QEvent.Type.ParentChange and self.parent() is None:
            self.close_comparison()
        elif kind == QEvent.Type.DeferredDelete:
            self.session.stop()
        return super().event(event)

    def close_comparison(self) -> None:
        """End the comparison and give the viewer back as it was."""
        self._started = False
        self.session.follows_viewer = False
        self.blank_out_tool.active = False
        self.state.slice_plot = False
        self.session.close()

    def _start(self) -> None:
        """Begin with a volume that is in the viewer already, so that nothing has to be pressed first."""
        if self._started or not self.isVisible():
            return
        self._started = True
        self.session.follows_viewer = True
        self.model_box.list_devices()
        if self.session.comparison is None and not self.session.is_busy:
            layer = self.source_box.likely_layer()
            if layer is not None:
                self.session.open_layer(layer)

    def _close_if_hidden(self) -> None:
        dock = self.dock_widget
        if dock is not None and dock.isHidden():
            self.close_comparison()

    def _place_blank_out(self, square: BlankOut) -> None:
        positions = [isinstance(item.corruption, BlankOut) for item in self.state.chain]
        position = positions.index(True)
        value = self.state.chain[position].corruption.model_dump()["value"]
        placed = square.model_copy(update={"value": value})
        self.state.replace_corruption(position, ChainItem(placed, enabled=True))

    def _on_opened(self) -> None:
        self._keys.bind_on_canvas()
        self._say("")

    def _on_closed(self) -> None:
        self._keys.unbind_on_canvas()
        self._say("")
        place = self.corruption_box.row(BlankOut).place
        if place is not None:
            place.setChecked(False)

    def _on_panels_changed(self) -> None:
        missing = self.session.panels.missing
        if missing:
            names = " and ".join(role for role in missing)
            self._say(f'Deleted: {names}. <a href="restore">Show again</a>')
        elif "href" in self.message.text():
            self._say("")

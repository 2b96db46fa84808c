"""What our docks have in common: parts in a column that scrolls, a line for words, files that are dropped."""

from abc import abstractmethod
from collections.abc import Iterable
from pathlib import Path

from qtpy.QtCore import QSize, Qt, QThreadPool, QTimer
from qtpy.QtGui import QDragEnterEvent, QDropEvent, QShowEvent
from qtpy.QtWidgets import (
    QDockWidget,
    QFrame,
    QLabel,
    QLayout,
    QLineEdit,
    QMainWindow,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from napari_mri_cae.errors import InputError
from napari_mri_cae.viewer.notifications import report
from napari_mri_cae.viewer.widgets import dropped_paths, dropped_urls

_WIDTH = 380
# Qt starts no more threads than there are cores. Ours mostly wait, for a process or a disk: on two cores a
# training and an evaluation that are followed would leave none to open a volume with.
_THREADS = 16


class Dock(QWidget):
    """A dock's widget.

    Attributes
    ----------
    message : qtpy.QtWidgets.QLabel
        What is said at the moment; hidden while that is nothing.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        pool = QThreadPool.globalInstance()
        if pool is not None:
            pool.setMaxThreadCount(max(pool.maxThreadCount(), _THREADS))
        self._is_placed = False
        self.setAcceptDrops(True)
        self.message = QLabel()
        self.message.setWordWrap(True)
        self.message.setTextInteractionFlags(Qt.TextInteractionFlag.TextBrowserInteraction)
        self.message.hide()
        self._scroll_area = QScrollArea()
        self._scroll_area.setWidgetResizable(True)
        self._scroll_area.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll_area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self._scroll_area)

    def sizeHint(self) -> QSize:
        """Leave most of the window to the layers."""
        return QSize(_WIDTH, 700)

    @property
    def dock_widget(self) -> QDockWidget | None:
        """The movable frame that it is in, if it is in one."""
        parent = self.parentWidget()
        while parent is not None and not isinstance(parent, QDockWidget):
            parent = parent.parentWidget()
        return parent

    def showEvent(self, event: QShowEvent | None) -> None:
        """Come to the front."""
        super().showEvent(event)
        # Afterwards: whoever shows it has not yet put it into its place.
        if event is not None and not event.spontaneous():
            QTimer.singleShot(0, self._come_to_front)

    def _come_to_front(self) -> None:
        """Share a place with our other docks, behind tabs: none of them can be used in half a column.

        Only at first, and only with those on the same side of the window: from then on docks stay where
        they are put.
        """
        dock = self.dock_widget
        if dock is None or dock.isFloating() or not isinstance(window := dock.parentWidget(), QMainWindow):
            return
        if not self._is_placed:
            self._is_placed = True
            area = window.dockWidgetArea(dock)
            for other in window.findChildren(Dock):  # type: ignore[type-abstract]
                place = other.dock_widget
                if place is None or place is dock or place.isFloating():
                    continue
                if window.dockWidgetArea(place) == area:
                    window.tabifyDockWidget(place, dock)
                    break
        dock.raise_()

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:
        """Take files and folders."""
        if event is not None and dropped_urls(event):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent | None) -> None:
        """Open what has been dropped."""
        if event is None:
            return
        event.acceptProposedAction()
        paths = dropped_paths(event)
        if paths:
            self._open_dropped(paths)
        else:
            self._on_failed(InputError("Only files of this computer can be dropped: save it first."))

    @abstractmethod
    def _open_dropped(self, paths: list[Path]) -> None:
        """Open files and folders of this computer, one at least."""

    def _set_parts(self, parts: Iterable[QWidget | QLayout]) -> None:
        """Put the dock's parts below each other."""
        content = QWidget()
        layout = QVBoxLayout(content)
        layout.setContentsMargins(8, 6, 8, 8)
        layout.setSpacing(6)
        for part in parts:
            if isinstance(part, QLayout):
                layout.addLayout(part)
            else:
                layout.addWidget(part)
        layout.addStretch(1)
        self._scroll_area.setWidget(content)
        # Otherwise a file that is dropped on one of them becomes text.
        for field in self.findChildren(QLineEdit):
            field.setAcceptDrops(False)

    def _say(self, text: str) -> None:
        self.message.setText(text)
        self.message.setVisible(bool(text))

    def _on_failed(self, error: Exception) -> None:
        self._say(str(error) if isinstance(error, InputError) else "")
        report(error)

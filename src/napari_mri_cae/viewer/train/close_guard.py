"""Ask what becomes of a run before the window or the dock goes."""

from collections.abc import Callable

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QDockWidget, QMessageBox, QWidget


class CloseGuard(QObject):
    """Watches the window and the dock widget that a widget is in.

    Parameters
    ----------
    widget : qtpy.QtWidgets.QWidget
    is_needed : callable
        Returns whether to ask.
    on_stop, on_keep : callable
        Called when the user has chosen to stop the run, or to let it go on.
    """

    def __init__(
        self,
        widget: QWidget,
        is_needed: Callable[[], bool],
        on_stop: Callable[[], None],
        on_keep: Callable[[], None],
    ) -> None:
        super().__init__(widget)
        self._widget = widget
        self._is_needed = is_needed
        self._on_stop = on_stop
        self._on_keep = on_keep
        self._watched: list[QWidget] = []

    def watch(self) -> None:
        """Watch the window and the dock that the widget is in now."""
        parents: list[QWidget] = []
        parent = self._widget.parentWidget()
        while parent is not None:
            if isinstance(parent, QDockWidget) or parent.isWindow():
                parents.append(parent)
            parent = parent.parentWidget()
        for one in parents:
            if not any(one is watched for watched in self._watched):
                one.installEventFilter(self)
        self._watched = parents

    def ask(self, *, can_cancel: bool = True) -> bool:
        """Ask if it is needed, and do what was chosen; return whether closing may go on."""
        if not self._is_needed():
            return True
        box = QMessageBox(self._widget.window())
        box.setObjectName("close-run")
        box.setWindowTitle("A training is going on")
        box.setText("A training is going on.")
        box.setInformativeText(
            "Stop it, which keeps its best model, or let it go on by itself? It can be opened again with "
            '"Open a run ...".'
        )
        stop = box.addButton("Stop", QMessageBox.ButtonRole.DestructiveRole)
        keep = box.addButton("Keep running", QMessageBox.ButtonRole.AcceptRole)
        if can_cancel:
            box.addButton(QMessageBox.StandardButton.Cancel)
        box.setDefaultButton(keep)
        box.exec()
        chosen = box.clickedButton()
        box.deleteLater()
        if chosen is stop:
            self._on_stop()
        elif chosen is keep or not can_cancel:
            self._on_keep()
        else:
            return False
        return True

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Hold a closing back that the user takes back."""
        if event is not None and event.type() == QEvent.Type.Close and not self.ask():
            event.ignore()
            return True
        return False

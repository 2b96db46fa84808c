"""Ask what becomes of work that goes on before the window or the dock goes."""

from collections.abc import Callable
from dataclasses import dataclass

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QDockWidget, QMessageBox, QWidget


@dataclass(frozen=True)
class Question:
    """What is asked: that something goes on, and what will become of it."""

    going_on: str
    what_now: str


class CloseGuard(QObject):
    """Watches the window and the dock widget that a widget is in.

    Parameters
    ----------
    widget : qtpy.QtWidgets.QWidget
    question : Question
    is_needed : callable
        Returns whether to ask.
    on_stop : callable
        Called when the user has chosen to stop what goes on.
    on_keep : callable, optional
        Called when it is to go on by itself; left out where it cannot. It goes on while the dock is only
        hidden, and nothing is asked then.
    """

    def __init__(
        self,
        widget: QWidget,
        question: Question,
        is_needed: Callable[[], bool],
        on_stop: Callable[[], None],
        on_keep: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(widget)
        self._widget = widget
        self._question = question
        self._is_needed = is_needed
        self._on_stop = on_stop
        self._on_keep = on_keep
        self._watched: list[QWidget] = []

    def watch(self) -> None:
        """Watch the window and the dock that the widget is in now."""
        parents: list[QWidget] = []
        parent = self._widget.parentWidget()
        while parent is not None:
            if parent.isWindow() or (isinstance(parent, QDockWidget) and self._on_keep is not None):
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
        box.setWindowTitle(self._question.going_on.rstrip("."))
        box.setText(self._question.going_on)
        box.setInformativeText(self._question.what_now)
        stop = box.addButton("Stop", QMessageBox.ButtonRole.DestructiveRole)
        keep = None
        if self._on_keep is not None:
            keep = box.addButton("Keep running", QMessageBox.ButtonRole.AcceptRole)
            box.setDefaultButton(keep)
        if can_cancel:
            box.addButton(QMessageBox.StandardButton.Cancel)
        box.exec()
        chosen = box.clickedButton()
        box.deleteLater()
        if chosen is stop:
            self._on_stop()
        elif self._on_keep is not None and (chosen is keep or not can_cancel):
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

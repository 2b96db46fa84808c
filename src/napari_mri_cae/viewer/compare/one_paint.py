"""One repaint of the window for a control and the picture that follows from it."""

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QObject, QTimer
from qtpy.QtWidgets import QApplication

if TYPE_CHECKING:
    from napari.components import ViewerModel

#: How long a control may stand where it was before the window is painted without the picture, in ms.
LONGEST_HOLD_MS: int = 80


class OnePaint(QObject):
    """Holds a window's repaint back until a picture that is about to come can be painted with it.

    A slider that moves has itself painted. Without a graphics card putting the window together takes as long
    as computing a slice, on the same cores, and the interpreter is locked meanwhile, so that the worker
    cannot even begin. Qt asks a window for its repaint by an event; it is kept, and sent again later.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Without a window nothing is held back.
    """

    def __init__(self, viewer: "ViewerModel") -> None:
        super().__init__()
        self._viewer = viewer
        self._window: QObject | None = None
        self._kept = False
        self._deadline = QTimer(self)
        self._deadline.setSingleShot(True)
        self._deadline.setInterval(LONGEST_HOLD_MS)
        self._deadline.timeout.connect(self.release)

    def hold(self) -> None:
        """Hold repaints back: a picture has been asked for."""
        window: Any = getattr(self._viewer, "window", None)
        if window is None or self._window is not None:
            return
        # Of a window that has been closed, PyQt and PySide have deleted the parts.
        with suppress(RuntimeError):
            self._window = window.main_menu.window()
            self._window.installEventFilter(self)
            self._deadline.start()

    def release(self) -> None:
        """Paint what has been held back: the picture is there, or will not come."""
        self._deadline.stop()
        window, self._window = self._window, None
        was_kept, self._kept = self._kept, False
        if window is None:
            return
        with suppress(RuntimeError):
            window.removeEventFilter(self)
            if was_kept:
                QApplication.postEvent(window, QEvent(QEvent.Type.UpdateRequest))

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Keep the event that asks the window for its repaint."""
        if watched is self._window and event is not None and event.type() == QEvent.Type.UpdateRequest:
            self._kept = True
            return True
        return super().eventFilter(watched, event)

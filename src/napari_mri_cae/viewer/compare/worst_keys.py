"""Keys for the worst slices, wherever the focus is."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from qtpy.QtCore import Qt
from qtpy.QtGui import QAction, QKeySequence  # type: ignore[attr-defined]
from qtpy.QtWidgets import QWidget

from napari_mri_cae.viewer.compare.worst_slices import WorstSlices

if TYPE_CHECKING:
    from napari.components import ViewerModel

#: As napari and Qt write them.
WORST: Final = ("Alt-Home", "Alt+Home")
NEXT: Final = ("Alt-PageDown", "Alt+PgDown")
PREVIOUS: Final = ("Alt-PageUp", "Alt+PgUp")


class WorstKeys:
    """Binds the keys on the canvas while a comparison is open, and in widgets.

    A key that is bound already on the canvas stays with whoever has it.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    worst : WorstSlices
    """

    def __init__(self, viewer: "ViewerModel", worst: WorstSlices) -> None:
        self._viewer = viewer
        self._actions: Mapping[tuple[str, str], Callable[[], None]] = {
            WORST: worst.go_to_worst,
            NEXT: worst.go_to_next,
            PREVIOUS: worst.go_to_previous,
        }
        self._bound: list[str] = []

    def bind_on_canvas(self) -> None:
        """Bind the keys in the viewer, if they are not bound already."""
        if self._bound:
            return
        for (key, _), action in self._actions.items():
            try:
                self._viewer.bind_key(key, lambda _viewer, action=action: action())
            except ValueError:
                continue
            self._bound.append(key)

    def unbind_on_canvas(self) -> None:
        """Let go of the viewer's keys."""
        while self._bound:
            self._viewer.bind_key(self._bound.pop(), None)

    def bind_in(self, widget: QWidget) -> None:
        """Bind the keys in a widget and all that is in it."""
        for (_, key), action in self._actions.items():
            shortcut = QAction(widget)
            shortcut.setShortcut(QKeySequence(key))
            shortcut.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.triggered.connect(lambda _checked=False, action=action: action())
            widget.addAction(shortcut)

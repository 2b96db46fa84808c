"""One corruption in the list, as the user sees and changes it."""

from collections.abc import Callable

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_mri_cae.corruptions import BlankOut, Corruption
from napari_mri_cae.viewer.compare.state import ChainItem
from napari_mri_cae.viewer.forms import SettingsForm


class CorruptionRow(QFrame):
    """A corruption: on or off, its main parameter, the others folded away, and its place in the order.

    Parameters
    ----------
    item : ChainItem
        What it shows first; the kind of corruption stays.
    removable : bool
        Whether it can be taken out of the list.

    Attributes
    ----------
    edited : callable
        Called with (row, item) after the user has changed something.
    moved : callable
        Called with (row, -1 or 1) when the user wants it earlier or later.
    removed : callable
        Called with the row when the user wants it out of the list.
    """

    edited: Callable[["CorruptionRow", ChainItem], None]
    moved: Callable[["CorruptionRow", int], None]
    removed: Callable[["CorruptionRow"], None]

    def __init__(self, item: ChainItem, parent: QWidget | None = None, *, removable: bool = False) -> None:
        super().__init__(parent)
        self._item = item
        corruption = item.corruption
        self.number = QLabel()
        self.number.setFixedWidth(20)
        self.number.setToolTip("Its place in the order in which corruptions are applied")
        self.check = QCheckBox(corruption.label)
        self.check.setToolTip(f"Apply {corruption.label.lower()} to the volume")
        self.check.setChecked(item.enabled)
        self.check.toggled.connect(self._on_toggled)
        self.earlier = _tool("▲", "Apply it earlier", lambda: self.moved(self, -1))
        self.later = _tool("▼", "Apply it later", lambda: self.moved(self, 1))
        self.more = _tool("⋯", "More settings", None)
        self.more.setCheckable(True)
        self.more.toggled.connect(self._show_options)
        self.remove = _tool("✕", "Take it out of the list", lambda: self.removed(self))
        if not removable:
            self.remove.hide()

        self.form = SettingsForm(type(corruption), corruption, on_change=self._on_settings)
        self._options = tuple(type(corruption).model_fields)[1:]

        head = QHBoxLayout()
        head.setContentsMargins(0, 0, 0, 0)
        head.setSpacing(2)
        head.addWidget(self.number)
        head.addWidget(self.check)
        head.addStretch(1)
        for button in (self.more, self.earlier, self.later, self.remove):
            head.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 4)
        layout.setSpacing(0)
        layout.addLayout(head)
        self.place: QPushButton | None = None
        layout.addWidget(self.form.native)
        if isinstance(corruption, BlankOut):
            self.place = QPushButton("Place on the image")
            self.place.setToolTip("Drag a square on any panel to blank it out; click again to pan and zoom")
            self.place.setCheckable(True)
            layout.addWidget(self.place, alignment=Qt.AlignmentFlag.AlignRight)
        self._show_options(False)
        # Otherwise a file that is dropped on one of them becomes text.
        for field in self.findChildren(QLineEdit):
            field.setAcceptDrops(False)

    @property
    def item(self) -> ChainItem:
        """The corruption as the row shows it."""
        return self._item

    @item.setter
    def item(self, item: ChainItem) -> None:
        if item == self._item:
            return
        self._item = item
        self.check.blockSignals(True)
        self.check.setChecked(item.enabled)
        self.check.blockSignals(False)
        if self.form.settings != item.corruption:
            self.form.settings = item.corruption

    def set_position(self, position: int, count: int) -> None:
        """Show the row's place in the order."""
        self.number.setText(f"{position + 1}")
        self.earlier.setEnabled(position > 0)
        self.later.setEnabled(position < count - 1)

    def _on_toggled(self, enabled: bool) -> None:
        self._edit(ChainItem(self._item.corruption, enabled))

    def _on_settings(self, corruption: Corruption) -> None:
        # Whoever moves a slider wants to see what it does.
        self._edit(ChainItem(corruption, enabled=True))

    def _edit(self, item: ChainItem) -> None:
        self.item = item
        self.edited(self, item)

    def _show_options(self, show: bool) -> None:
        for name in self._options:
            self.form.show_field(name, show)


def _tool(text: str, tooltip: str, on_click: Callable[[], None] | None) -> QToolButton:
    button = QToolButton()
    button.setText(text)
    button.setToolTip(tooltip)
    button.setAutoRaise(True)
    if on_click is not None:
        button.clicked.connect(lambda: on_click())
    return button

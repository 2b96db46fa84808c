"""A heading that shows and hides what is below it."""

from collections.abc import Callable

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QSizePolicy, QToolButton, QVBoxLayout, QWidget

_INDENT = 12


class Fold(QWidget):
    """Folded at first; its content is made when it is first needed.

    Parameters
    ----------
    title : str
    make : callable
        Returns the content.
    tooltip : str
    """

    def __init__(
        self, title: str, make: Callable[[], QWidget], *, tooltip: str = "", parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._make = make
        self.content: QWidget | None = None
        self.button = QToolButton()
        self.button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.button.setArrowType(Qt.ArrowType.RightArrow)
        self.button.setAutoRaise(True)
        self.button.setCheckable(True)
        self.button.setToolTip(tooltip)
        # A long title must not make the dock wider.
        self.button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        # A tool button that is checked is painted as pressed, which a heading is not.
        self.button.setStyleSheet(
            "QToolButton, QToolButton:checked, QToolButton:hover"
            " { background: transparent; border: none; text-align: left; padding: 1px; }"
        )
        self.button.toggled.connect(self._on_toggled)
        self._head = QHBoxLayout()
        self._head.setSpacing(2)
        self._head.addWidget(self.button, stretch=1)
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(2)
        self._layout.addLayout(self._head)
        self.set_title(title)

    @property
    def is_open(self) -> bool:
        """Whether the content is shown."""
        return self.button.isChecked()

    def set_title(self, title: str) -> None:
        """Show another title."""
        self.button.setText(title)
        self.button.setAccessibleName(title)

    def add_to_head(self, widget: QWidget) -> None:
        """Put a widget at the right end of the heading."""
        self._head.addWidget(widget)

    def set_open(self, is_open: bool) -> None:
        """Show or hide the content."""
        self.button.setChecked(is_open)

    def _on_toggled(self, is_open: bool) -> None:
        self.button.setArrowType(Qt.ArrowType.DownArrow if is_open else Qt.ArrowType.RightArrow)
        if is_open and self.content is None:
            self.content = self._make()
            row = QHBoxLayout()
            row.setContentsMargins(_INDENT, 0, 0, 4)
            row.addWidget(self.content)
            self._layout.addLayout(row)
        if self.content is not None:
            self.content.setVisible(is_open)

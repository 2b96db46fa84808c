"""The list of corruptions: what is done to the volume, in which order."""

import inspect
from collections.abc import Callable
from collections.abc import Set as AbstractSet

from qtpy.QtGui import QAction  # type: ignore[attr-defined]
from qtpy.QtWidgets import QMenu, QPushButton, QVBoxLayout, QWidget

from napari_mri_cae.corruptions import Corruption, corruption_kinds
from napari_mri_cae.viewer.compare.corruption_row import CorruptionRow
from napari_mri_cae.viewer.compare.state import DEFAULT_CHAIN, ChainItem, CompareState

# Always in the list; the others come into it when they are wanted.
_LASTING = frozenset(item.corruption.kind for item in DEFAULT_CHAIN)


class CorruptionBox(QWidget):
    """One row per corruption, in the order they are applied, and a menu of those that can be added.

    Parameters
    ----------
    state : CompareState
        Its `chain` is shown and changed.
    """

    def __init__(self, state: CompareState, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._state = state
        self.rows: list[CorruptionRow] = []
        self.add_button = AddCorruption(self._add)
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(2)
        self._layout.addWidget(self.add_button)
        self._show()
        state.events.chain.connect(self._show)

    def row(self, kind: type[Corruption]) -> CorruptionRow:
        """Return the row of a kind of corruption that is in the list."""
        return next(row for row in self.rows if isinstance(row.item.corruption, kind))

    def _add(self, kind: type[Corruption]) -> None:
        # Whoever asks for a corruption wants to see it.
        self._state.chain = (*self._state.chain, ChainItem(kind(), enabled=True))

    def _on_edited(self, row: CorruptionRow, item: ChainItem) -> None:
        self._state.replace_corruption(self.rows.index(row), item)

    def _on_moved(self, row: CorruptionRow, by: int) -> None:
        self._state.move_corruption(self.rows.index(row), by)

    def _on_removed(self, row: CorruptionRow) -> None:
        position = self.rows.index(row)
        self._state.chain = (*self._state.chain[:position], *self._state.chain[position + 1 :])

    def _show(self) -> None:
        """Bring the rows in line with the state."""
        chain = self._state.chain
        by_kind = {row.item.corruption.kind: row for row in self.rows}
        rows = [by_kind.get(item.corruption.kind) or self._make_row(item) for item in chain]
        if rows != self.rows:
            for row in self.rows:
                self._layout.removeWidget(row)
                if row not in rows:
                    row.hide()
                    row.deleteLater()
            for position, row in enumerate(rows):
                self._layout.insertWidget(position, row)
                row.set_position(position, len(rows))
            self.rows = rows
            self.add_button.offer({item.corruption.kind for item in chain})
        for row, item in zip(self.rows, chain, strict=True):
            row.item = item

    def _make_row(self, item: ChainItem) -> CorruptionRow:
        row = CorruptionRow(item, self, removable=item.corruption.kind not in _LASTING)
        row.edited = self._on_edited
        row.moved = self._on_moved
        row.removed = self._on_removed
        return row


class AddCorruption(QPushButton):
    """A button with a menu of the corruptions that are not in the list, in groups.

    Parameters
    ----------
    add : callable
        Called with the kind that the user chooses.
    """

    def __init__(self, add: Callable[[type[Corruption]], None], parent: QWidget | None = None) -> None:
        super().__init__("Add a corruption", parent)
        self.setToolTip("Blobs, and artefacts of MRI scanners; each comes last and can be moved")
        self._groups: dict[QAction, dict[str, QAction]] = {}
        menu = QMenu(self)
        menu.setToolTipsVisible(True)
        for group in dict.fromkeys(kind.group for kind in corruption_kinds().values()):
            heading = QAction(group, menu)
            heading.setEnabled(False)
            menu.addAction(heading)
            entries = self._groups[heading] = {}
            for name, kind in corruption_kinds().items():
                if kind.group == group:
                    entries[name] = entry = QAction(f"    {kind.label}", menu)
                    entry.setToolTip(inspect.cleandoc(kind.__doc__ or "").split("\n", maxsplit=1)[0])
                    entry.triggered.connect(lambda _checked=False, kind=kind: add(kind))
                    menu.addAction(entry)
        self.setMenu(menu)

    def offer(self, listed: AbstractSet[str]) -> None:
        """Show all kinds but those that are in the list."""
        for heading, entries in self._groups.items():
            for name, entry in entries.items():
                entry.setVisible(name not in listed)
            heading.setVisible(not listed >= entries.keys())
        self.setEnabled(any(heading.isVisible() for heading in self._groups))

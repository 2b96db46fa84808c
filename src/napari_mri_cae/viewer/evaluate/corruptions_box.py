"""Choose the corruptions, each with the strengths at which it is measured."""

import re
from collections.abc import Callable
from typing import Any

from qtpy.QtWidgets import QCheckBox, QGridLayout, QLabel, QLineEdit, QVBoxLayout, QWidget

from napari_mri_cae.corruptions import Corruption, corruption_kinds
from napari_mri_cae.corruptions.parameters import parameter_bounds, read_parameter, strength_field
from napari_mri_cae.errors import InputError
from napari_mri_cae.viewer.evaluate.state import EvaluateState, suggested_strengths
from napari_mri_cae.viewer.forms import Fold
from napari_mri_cae.viewer.forms.leaves import WRONG_COLOR


def read_strengths(kind: type[Corruption], text: str) -> tuple[Any, ...]:
    """Return the strengths that a text such as "0.03, 0.05" gives, each once.

    Raises
    ------
    InputError
        If one of them is no number, or out of bounds, or there is none.
    """
    words = [word for word in re.split(r"[,;\s]+", text) if word]
    if not words:
        raise InputError(f"Give at least one strength, {parameter_bounds(kind, strength_field(kind))}.")
    return tuple(dict.fromkeys(read_parameter(kind, strength_field(kind), word) for word in words))


class StrengthsRow:
    """A check box, a line for the strengths, and below it what is wrong with them.

    Parameters
    ----------
    kind : type of Corruption
    strengths : tuple
        What the line shows first.
    is_on : bool
    on_change : callable
        Called after every change by the user.

    Attributes
    ----------
    error : str
        What is wrong, in a sentence; "" if nothing is, or the corruption is switched off.
    """

    def __init__(
        self,
        kind: type[Corruption],
        strengths: tuple[Any, ...],
        is_on: bool,
        on_change: Callable[[], None],
    ) -> None:
        self.kind = kind
        self.error = ""
        self._on_change = on_change
        field = kind.model_fields[strength_field(kind)]
        about = f"{field.description} ({parameter_bounds(kind, strength_field(kind))})"
        self.check = QCheckBox(kind.label)
        self.check.setChecked(is_on)
        self.check.setToolTip(f"Measure slices with {kind.label.lower()}")
        self.check.toggled.connect(self._changed)
        self.line = QLineEdit(", ".join(f"{strength:g}" for strength in strengths))
        self.line.setToolTip(f"{about}: one or several numbers, each measured by itself")
        self.line.setAccessibleName(f"Strengths of {kind.label.lower()}")
        self.line.textEdited.connect(self._on_edited)
        self.message = QLabel()
        self.message.setWordWrap(True)
        self.message.setStyleSheet(f"color: {WRONG_COLOR};")
        self.message.hide()
        self._mark()

    @property
    def strengths(self) -> tuple[Any, ...]:
        """The strengths at which it is measured; none if it is switched off or they are wrong."""
        return () if self.error or not self.check.isChecked() else read_strengths(self.kind, self.line.text())

    def _on_edited(self) -> None:
        # Who gives strengths wants them measured.
        self.check.blockSignals(True)
        self.check.setChecked(bool(self.line.text().strip()))
        self.check.blockSignals(False)
        self._changed()

    def _changed(self) -> None:
        self._mark()
        self._on_change()

    def _mark(self) -> None:
        self.error = ""
        if self.check.isChecked():
            try:
                read_strengths(self.kind, self.line.text())
            except InputError as error:
                self.error = str(error)
        self.line.setStyleSheet(f"border: 1px solid {WRONG_COLOR};" if self.error else "")
        self.message.setText(self.error)
        self.message.setVisible(bool(self.error))


class CorruptionsBox(QWidget):
    """Every kind of corruption with its strengths, those of a scanner folded away, and clean slices.

    Parameters
    ----------
    state : EvaluateState
    on_judged : callable
        Called after every change by the user, when `error` says what is wrong.

    Attributes
    ----------
    rows : dict of str to StrengthsRow
    """

    def __init__(
        self, state: EvaluateState, on_judged: Callable[[], None], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._state = state
        self._on_judged = on_judged
        self.rows: dict[str, StrengthsRow] = {}
        groups: dict[str, list[type[Corruption]]] = {}
        for kind in corruption_kinds().values():
            groups.setdefault(kind.group, []).append(kind)
        self.clean = QCheckBox("Clean slices")
        self.clean.setChecked(state.clean)
        self.clean.setToolTip("Measure what models do to slices that nothing was done to")
        self.clean.toggled.connect(lambda on: setattr(state, "clean", on))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        first, *others = groups
        layout.addWidget(self._grid(groups[first]))
        self.folds: dict[str, Fold] = {}
        for title in others:
            grid = self._grid(groups[title])
            grid.hide()
            self.folds[title] = Fold(title, lambda grid=grid: grid)  # type: ignore[misc]
            layout.addWidget(self.folds[title])
        layout.addWidget(self.clean)

    @property
    def error(self) -> str:
        """What is wrong first, in a sentence; "" if nothing."""
        return next(
            (f"{row.kind.label}: {row.error}" for row in self.rows.values() if row.error),
            "",
        )

    def _grid(self, kinds: list[type[Corruption]]) -> QWidget:
        content = QWidget(self)
        grid = QGridLayout(content)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(2)
        grid.setColumnStretch(1, 1)
        for kind in kinds:
            chosen = self._state.strengths.get(kind.kind, ())
            row = StrengthsRow(kind, chosen or suggested_strengths(kind), bool(chosen), self._on_change)
            self.rows[kind.kind] = row
            place = grid.rowCount()
            grid.addWidget(row.check, place, 0)
            grid.addWidget(row.line, place, 1)
            grid.addWidget(row.message, place + 1, 1)
        return content

    def _on_change(self) -> None:
        self._state.strengths = {
            kind: strengths for kind, row in self.rows.items() if (strengths := row.strengths)
        }
        for title, fold in self.folds.items():
            count = sum(row.check.isChecked() for row in self.rows.values() if row.kind.group == title)
            fold.set_title(f"{title} ({count})" if count else title)
        self._on_judged()

"""How the panels are shown: plane, convention and the range of the residual."""

from typing import Any, Final

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QButtonGroup, QComboBox, QFormLayout, QHBoxLayout, QLabel, QPushButton, QWidget
from superqt import QLabeledDoubleSlider

from napari_mri_cae.planes import PLANES, Plane
from napari_mri_cae.viewer.compare.session import ComparisonSession
from napari_mri_cae.viewer.compare.state import CompareState
from napari_mri_cae.viewer.orientation import Convention
from napari_mri_cae.viewer.widgets import NOTHING

_CONVENTIONS: Final[dict[Convention, str]] = {
    "radiological": "patient's right is on your left",
    "neurological": "patient's right is on your right",
}


class ViewBox(QWidget):
    """Plane buttons, the convention that is shown, and the residual's range.

    Parameters
    ----------
    session : ComparisonSession
    state : CompareState
    """

    def __init__(
        self, session: ComparisonSession, state: CompareState, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._state = state
        self.planes: dict[Plane, QPushButton] = {}
        group = QButtonGroup(self)
        row = QHBoxLayout()
        row.setSpacing(2)
        for plane in PLANES:
            button = QPushButton(plane.capitalize())
            button.setCheckable(True)
            button.setToolTip(f"Show and compute {plane} slices")
            button.clicked.connect(lambda _checked=False, plane=plane: self._on_plane(plane))
            group.addButton(button)
            row.addWidget(button)
            self.planes[plane] = button

        self.convention = QComboBox()
        for convention, meaning in _CONVENTIONS.items():
            self.convention.addItem(convention.capitalize(), convention)
            self.convention.setItemData(self.convention.count() - 1, meaning, Qt.ItemDataRole.ToolTipRole)
        self.convention.setToolTip("Which side is shown on the left. The view is flipped, never the data.")
        self.convention.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.convention.activated.connect(self._on_convention)

        self.shown = QLabel()
        self.shown.setWordWrap(True)
        self.shown.setToolTip("What is on screen now")

        self.residual_range = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
        self.residual_range.setRange(0.01, 1.0)
        self.residual_range.setDecimals(2)
        self.residual_range.setSingleStep(0.01)  # type: ignore[arg-type]  # superqt's is a float
        self.residual_range.setToolTip(
            "Original - reconstruction is shown from minus to plus this fraction of the volume's window"
        )
        self.residual_range.valueChanged.connect(lambda value: setattr(state, "residual_range", value))

        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setVerticalSpacing(4)
        form.addRow(row)
        form.addRow("Sides", self.convention)
        form.addRow("Shown", self.shown)
        label = QLabel("Residual ±")
        label.setToolTip(self.residual_range.toolTip())
        form.addRow(label, self.residual_range)

        for signal in (state.events.plane, state.events.convention, state.events.residual_range):
            signal.connect(self._show)
        session.view.changed.connect(self._show)
        session.opened.connect(self._show)
        session.closed.connect(self._show)
        self._show()

    def _on_plane(self, plane: Plane) -> None:
        self._state.plane = plane
        # Also where the state has it already: the user may have turned the view by hand.
        self._session.view.plane = plane

    def _on_convention(self, position: int) -> None:
        self._state.convention = self.convention.itemData(position)

    def _show(self, *_: Any) -> None:
        is_open = self._session.comparison is not None
        self.shown.setText(self._session.view.sentence if is_open else NOTHING)
        self.planes[self._state.plane].setChecked(True)
        self.convention.setCurrentIndex(self.convention.findData(self._state.convention))
        if self.residual_range.value() != self._state.residual_range:
            self.residual_range.blockSignals(True)
            self.residual_range.setValue(self._state.residual_range)
            self.residual_range.blockSignals(False)

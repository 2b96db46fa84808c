"""Which slices are measured, where the table goes, and the button that starts."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QElidingLabel

from napari_mri_cae.evaluation import EvaluationPlan, EvaluationSettings
from napari_mri_cae.planes import PLANES, Plane
from napari_mri_cae.viewer.device_picker import DevicePicker
from napari_mri_cae.viewer.evaluate.state import EvaluateState, new_table
from napari_mri_cae.viewer.forms import SettingsForm

_GROUPS: Final = {
    "": ("slices", "every"),
    "More settings": ("least_brain", "seed", "exact"),
}


class RunBox(QWidget):
    """Planes and slices, the table, and Evaluate.

    Parameters
    ----------
    state : EvaluateState
    obstacle : callable
        Returns in a sentence what has to be done before it can start; "" if nothing.
    on_evaluate : callable
        Called with the plan when the user presses Evaluate.
    """

    def __init__(
        self,
        state: EvaluateState,
        obstacle: Callable[[], str],
        on_evaluate: Callable[[EvaluationPlan], None],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._state = state
        self._obstacle = obstacle
        self._on_evaluate = on_evaluate
        self._proposal = new_table()
        self._started: EvaluationPlan | None = None

        self.form = SettingsForm(
            EvaluationSettings,
            state.settings,
            groups=_GROUPS,
            on_change=self._on_settings,
            on_judged=self.show_state,
        )
        self.planes: dict[Plane, QCheckBox] = {}
        planes = QHBoxLayout()
        for plane in PLANES:
            box = QCheckBox(plane.capitalize())
            box.setChecked(plane in state.settings.planes)
            box.setToolTip(f"Measure {plane} slices")
            box.toggled.connect(self._on_planes)
            self.planes[plane] = box
            planes.addWidget(box)
        planes.addStretch(1)
        self.device = DevicePicker(lambda name: self._change(device=name))
        self.table = QElidingLabel()
        self.table.setElideMode(Qt.TextElideMode.ElideLeft)
        self.change_button = QPushButton("Change ...")
        self.change_button.setToolTip("Choose where the table goes; the report goes beside it")
        self.change_button.clicked.connect(self._ask_table)
        self.evaluate_button = QPushButton("Evaluate")
        self.evaluate_button.setToolTip(
            "Measure, in a process of its own, and write the table and the report"
        )
        self.evaluate_button.clicked.connect(self._evaluate)
        self.hint = QLabel()
        self.hint.setWordWrap(True)

        table = QHBoxLayout()
        table.addWidget(self.table, stretch=1)
        table.addWidget(self.change_button)
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.setVerticalSpacing(4)
        form.addRow("Device", self.device)
        form.addRow("Table", table)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(planes)
        layout.addWidget(self.form.native)
        layout.addLayout(form)
        layout.addWidget(self.evaluate_button)
        layout.addWidget(self.hint)
        for event in (
            state.events.volumes,
            state.events.models,
            state.events.baselines,
            state.events.strengths,
            state.events.clean,
            state.events.settings,
            state.events.frame,
            state.events.output,
        ):
            event.connect(self.show_state)
        self.show_state()

    @property
    def output(self) -> Path:
        """Where the table goes."""
        return self._state.output or self._proposal

    def show_state(self, *_: Any) -> None:
        """Show what the state says."""
        # What was cancelled goes on in its own folder; what is asked for anew gets another.
        if self._started is not None and self._state.plan(self._proposal) != self._started:
            self._proposal, self._started = new_table(), None
        self.table.setText(str(self.output))
        self.table.setToolTip(str(self.output))
        self.device.show_device(self._state.settings.device)
        obstacle = self._obstacle()
        if not obstacle and not any(box.isChecked() for box in self.planes.values()):
            obstacle = "Choose a plane."
        if not obstacle and self.form.errors:
            obstacle = f"Correct the settings first: {self.form.errors[0]}."
        self.evaluate_button.setEnabled(not obstacle)
        self.hint.setText(obstacle)
        self.hint.setVisible(bool(obstacle))

    def _on_planes(self) -> None:
        chosen = tuple(plane for plane, box in self.planes.items() if box.isChecked())
        if chosen:
            self._change(planes=chosen)
        else:
            self.show_state()

    def _change(self, **changes: Any) -> None:
        """Change settings that the form does not show."""
        self.form.settings = self._state.settings.model_copy(update=changes)
        self._state.settings = self.form.settings

    def _on_settings(self, settings: EvaluationSettings) -> None:
        self._state.settings = settings

    def _ask_table(self) -> None:
        name, _ = QFileDialog.getSaveFileName(
            self, "Where the table goes", str(self.output), "Tables (*.tsv)"
        )
        if name:
            path = Path(name)
            self._state.output = path if path.suffix else path.with_name(f"{path.name}.tsv")

    def _evaluate(self) -> None:
        plan = self._state.plan(self.output)
        if self._state.output is None:
            self._started = plan
        self._on_evaluate(plan)

"""Name the model, choose where the run goes and what it runs on, and start it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QElidingLabel

from napari_mri_cae.errors import InputError
from napari_mri_cae.viewer.device_picker import DevicePicker
from napari_mri_cae.viewer.forms.leaves import WRONG_COLOR
from napari_mri_cae.viewer.train.state import TrainState, new_run_folder


class RunBox(QWidget):
    """The model's name, the run folder, the device and the button that starts.

    Parameters
    ----------
    state : TrainState
    obstacle : callable
        Returns in a sentence what has to be done before the run can start; "" if nothing.
    on_train : callable
        Called with the run folder when the user presses Train.
    """

    def __init__(
        self,
        state: TrainState,
        obstacle: Callable[[], str],
        on_train: Callable[[Path], None],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._state = state
        self._obstacle = obstacle
        self._on_train = on_train
        self._proposal = new_run_folder(state.config.name)
        self._shown_name = ""

        self.name = QLineEdit()
        self.name.setAcceptDrops(False)
        self.name.setToolTip("The model's name, under which Compare and the command line find it")
        self.name.textEdited.connect(self._on_name)
        self.name_message = QLabel()
        self.name_message.setWordWrap(True)
        self.name_message.setStyleSheet(f"color: {WRONG_COLOR};")
        self.name_message.hide()
        self.folder = QElidingLabel()
        self.folder.setElideMode(Qt.TextElideMode.ElideLeft)
        self.change_button = QPushButton("Change ...")
        self.change_button.setToolTip("Put the run, with everything about it, into another folder")
        self.change_button.clicked.connect(self._ask_folder)
        self.device = DevicePicker(lambda name: setattr(state, "device", name))
        self.train_button = QPushButton("Train")
        self.train_button.setToolTip("Start the run, in a process of its own")
        self.train_button.clicked.connect(self._train)
        self.hint = QLabel()
        self.hint.setWordWrap(True)

        folder = QHBoxLayout()
        folder.addWidget(self.folder, stretch=1)
        folder.addWidget(self.change_button)
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.setVerticalSpacing(4)
        form.addRow("Model", self.name)
        form.addRow("", self.name_message)
        form.addRow("Run folder", folder)
        form.addRow("Device", self.device)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(form)
        layout.addWidget(self.train_button)
        layout.addWidget(self.hint)
        for event in (state.events.config, state.events.run_folder, state.events.device, state.events.recipe):
            event.connect(self.show_state)
        self.show_state()

    @property
    def run_folder(self) -> Path:
        """Where the run goes."""
        return self._state.run_folder or self._proposal

    def show_state(self, *_: Any) -> None:
        """Show what the state says."""
        name = self._state.config.name
        # What is wrong is in the line alone, and stays there until there is another name.
        if self._shown_name != name:
            self._shown_name = name
            self._mark("")
            if self.name.text() != name:
                self.name.setText(name)
        if not self._proposal.name.startswith(f"{name}-") or self._proposal.exists():
            self._proposal = new_run_folder(name)
        self.folder.setText(str(self.run_folder))
        self.folder.setToolTip(str(self.run_folder))
        self.device.show_device(self._state.device)
        obstacle = self._obstacle() or ("Correct the model's name first." if self.name_message.text() else "")
        self.train_button.setEnabled(not obstacle)
        self.hint.setText(obstacle)
        self.hint.setVisible(bool(obstacle))

    def _on_name(self, text: str) -> None:
        try:
            self._state.config = self._state.config.with_values({"name": text})
        except InputError as error:
            self._mark(str(error))
        else:
            self._mark("")
        self.show_state()

    def _mark(self, message: str) -> None:
        self.name.setStyleSheet(f"border: 1px solid {WRONG_COLOR};" if message else "")
        self.name_message.setText("Letters, digits, dots and hyphens, please." if message else "")
        self.name_message.setVisible(bool(message))

    def _ask_folder(self) -> None:
        start = str(self.run_folder.parent)
        name = QFileDialog.getExistingDirectory(self, "Choose a folder for the run", start)
        if name:
            # A folder with something in it gets the run as one more.
            folder = Path(name)
            empty = not any(folder.iterdir())
            self._state.run_folder = folder if empty else folder / self._proposal.name

    def _train(self) -> None:
        self._on_train(self.run_folder)
        # The next run has a folder of its own.
        self._state.run_folder = None

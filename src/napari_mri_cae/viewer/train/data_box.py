"""Choose the volumes, the recipe, and what of it to change."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)
from superqt import QElidingLabel

from napari_mri_cae.errors import InputError
from napari_mri_cae.planes import PLANES
from napari_mri_cae.training import TrainingConfig, load_recipe, recipe_paths
from napari_mri_cae.viewer.forms import Fold, SettingsForm
from napari_mri_cae.viewer.train.state import FIRST_RECIPE, TrainState, without_data
from napari_mri_cae.viewer.widgets import picker

#: Every setting of a training, in the folds in which the form has them.
GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "Data and split": ("data", "root", "split", "unreadable"),
    "Slices": ("planes", "slices", "intensity", "sampling"),
    "Corruption": ("augmentation", "noise_drawn"),
    "Network": ("architecture", "architecture_parameters", "multiple_of", "start_from"),
    "Learning": (
        "loss",
        "epochs",
        "steps_per_epoch",
        "batch_size",
        "optimizer",
        "schedule",
        "average_decay",
        "early_stopping",
        "seed",
    ),
    "Validation and checkpoints": ("validation", "checkpoints", "stored_as"),
    "Machine": ("precision", "threads", "devices", "num_nodes", "strategy"),
    "Model's card": ("name", "title", "licence", "description", "limits"),
}
_FILE = "file"
_ANY = "Any plane"
_TOOLTIP = Qt.ItemDataRole.ToolTipRole


class DataBox(QWidget):
    """Data folder, recipe, planes and epochs, and folded below them every other setting.

    Parameters
    ----------
    state : TrainState
    on_failed : callable
        Called with an `InputError` when something could not be opened.
    """

    def __init__(self, state: TrainState, on_failed: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._state = state
        self._on_failed = on_failed
        self.form: SettingsForm[TrainingConfig] | None = None

        self.folder = QElidingLabel()
        self.choose_button = QPushButton("Choose ...")
        self.choose_button.setToolTip("Choose the folder of volumes, BIDS or plain; or drop it on this dock")
        self.choose_button.clicked.connect(self._ask_folder)

        self.recipe = picker("A published system, a shipped model's training, or a configuration of yours")
        for name in sorted(recipe_paths(), key=lambda name: (name != FIRST_RECIPE, name)):
            self.recipe.addItem(name, name)
        self.recipe.insertSeparator(self.recipe.count())
        self.recipe.addItem("Open a configuration ...", _FILE)
        self.recipe.activated.connect(self._on_recipe)

        self.planes = picker("In which plane the slices are that the model learns from, and will be used in")
        self.planes.addItem(_ANY, PLANES)
        for plane in PLANES:
            self.planes.addItem(plane.capitalize(), (plane,))
        self.planes.activated.connect(self._on_planes)

        self.epochs = QSpinBox()
        self.epochs.setRange(1, 100_000)
        self.epochs.setKeyboardTracking(False)
        self.epochs.setToolTip("Passes, each with a validation at its end; the schedule stretches with them")
        self.epochs.valueChanged.connect(self._on_epochs)

        self.settings = Fold(
            "Settings", self._make_form, tooltip="Every setting of the recipe, to be changed before the run"
        )

        folder = QHBoxLayout()
        folder.addWidget(self.folder, stretch=1)
        folder.addWidget(self.choose_button)
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.setVerticalSpacing(4)
        form.addRow("Data", folder)
        form.addRow("Recipe", self.recipe)
        form.addRow("Planes", self.planes)
        form.addRow("Epochs", self.epochs)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(form)
        layout.addWidget(self.settings)
        state.events.config.connect(self._show)
        self._show()

    @property
    def errors(self) -> tuple[str, ...]:
        """What is wrong in the form."""
        return () if self.form is None else self.form.errors

    def open_folder(self, folder: Path) -> None:
        """Train on the volumes of a folder."""
        self._try(lambda: self._state.choose_folder(folder))

    def open_configuration(self, path: Path) -> None:
        """Train as a YAML file says."""
        self._try(lambda: self._state.choose_recipe(path.stem, TrainingConfig.load(path)))

    def _ask_folder(self) -> None:
        before = self._state.data_folder
        name = QFileDialog.getExistingDirectory(self, "Choose the folder of volumes", str(before or ""))
        if name:
            self.open_folder(Path(name))

    def _on_recipe(self, position: int) -> None:
        name = self.recipe.itemData(position)
        if name == _FILE:
            path, _ = QFileDialog.getOpenFileName(
                self, "Open a configuration", "", "Configurations (*.yaml *.yml);;All files (*)"
            )
            if path:
                self.open_configuration(Path(path))
            self._show()
        elif name in recipe_paths():
            self._try(lambda: self._state.choose_recipe(name, without_data(load_recipe(name))))
            # What is changed most often can be typed at once.
            self.epochs.setFocus()
            self.epochs.selectAll()

    def _on_planes(self, position: int) -> None:
        self._change({"planes": list(self.planes.itemData(position))})

    def _on_epochs(self, value: int) -> None:
        self._try(lambda: self._state.choose_epochs(value))

    def _change(self, changes: Mapping[str, Any]) -> None:
        self._try(lambda: setattr(self._state, "config", self._state.config.with_values(changes)))

    def _try(self, change: Any) -> None:
        """Change the state; show what it is if that is refused."""
        try:
            change()
        except InputError as error:
            self._on_failed(error)
            self._show()

    def _make_form(self) -> QWidget:
        self.form = SettingsForm(
            TrainingConfig,
            self._state.config,
            groups=GROUPS,
            on_change=self._on_form,
            on_judged=self._on_judged,
        )
        return self.form.native

    def _on_form(self, config: TrainingConfig) -> None:
        before = self._state.config
        if config.architecture != before.architecture:
            # No other architecture takes the same parameters.
            config = config.model_copy(update={"architecture_parameters": {}})
        self._state.config = config

    def _on_judged(self) -> None:
        # Whether the run can start depends on it.
        self._state.events.recipe.emit(self._state.recipe, self._state.recipe)

    def _show(self, *_: Any) -> None:
        config, folder = self._state.config, self._state.data_folder
        names = [str(config.root / one.folder) for one in config.data]
        self.folder.setText(", ".join(names) or "None yet: drop one here")
        elide = Qt.TextElideMode.ElideLeft if names else Qt.TextElideMode.ElideRight
        self.folder.setElideMode(elide)
        self.folder.setToolTip("\n".join(names))
        self.folder.setEnabled(folder is not None)
        position = self.recipe.findData(self._state.recipe)
        if position < 0:
            position = self.recipe.count() - 2
            self.recipe.insertItem(position, self._state.recipe, self._state.recipe)
        self.recipe.setCurrentIndex(position)
        self.recipe.setToolTip(config.description or config.title or self._state.recipe)
        self._show_planes()
        self.epochs.blockSignals(True)
        self.epochs.setValue(config.epochs)
        self.epochs.blockSignals(False)
        if self.form is not None and self.form.settings != config:
            self.form.settings = config

    def _show_planes(self) -> None:
        planes = tuple(plane for plane in PLANES if plane in self._state.config.planes)
        entries = [tuple(self.planes.itemData(row)) for row in range(self.planes.count())]
        if planes not in entries:
            self.planes.addItem(" and ".join(plane.capitalize() for plane in planes), planes)
            entries.append(planes)
        self.planes.setCurrentIndex(entries.index(planes))

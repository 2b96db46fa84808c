"""Which model reconstructs, and on which device."""

from pathlib import Path
from typing import Any, Final

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSpinBox,
    QWidget,
)

from napari_mri_cae.errors import InputError
from napari_mri_cae.models import Card, list_models, read_card
from napari_mri_cae.models.file import SUFFIX
from napari_mri_cae.models.keras import SUFFIXES as KERAS_SUFFIXES
from napari_mri_cae.viewer.compare.session import ComparisonSession
from napari_mri_cae.viewer.compare.state import CompareState
from napari_mri_cae.viewer.device_picker import DevicePicker
from napari_mri_cae.viewer.widgets import NOTHING, picker

#: What the files of models end in.
MODEL_SUFFIXES: Final = (SUFFIX, *KERAS_SUFFIXES)
MODEL_FILTER: Final = f"Models ({' '.join(f'*{suffix}' for suffix in MODEL_SUFFIXES)});;All files (*)"
# Of all the measurements on a card, those that a tooltip has room for.
_QUOTED: Final = ("none", "gaussian-noise sigma=0.03")
_TOOLTIP = Qt.ItemDataRole.ToolTipRole


class ModelBox(QWidget):
    """Model, device, arithmetic and seed.

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

        self.model = picker("The autoencoder that reconstructs the corrupted slices")
        for card in list_models():
            self._add_model(card.name, card)
        self.model.activated.connect(self._on_model)
        self.second_model = picker("Another model, shown beside the first: the same slices, two more panels")
        self.second_model.addItem("None", None)
        for position in range(self.model.count()):
            _copy_item(self.model, position, self.second_model)
        self.second_model.activated.connect(self._on_second_model)
        self.open_button = QPushButton("Open ...")
        self.open_button.setToolTip(f"Open a model file: {', '.join(MODEL_SUFFIXES)}")
        self.open_button.clicked.connect(self._ask)

        self.device = DevicePicker(lambda name: setattr(state, "device", name))
        self.in_use = QLabel("")
        self.in_use.setWordWrap(True)
        self.in_use.setToolTip("The device in use and the arithmetic of its convolutions")

        self.exact = QCheckBox("Exact (float32)")
        self.exact.setToolTip("Compute in float32, also where the device has a faster arithmetic")
        self.exact.toggled.connect(lambda on: setattr(state, "exact", on))
        self.seed = QSpinBox()
        self.seed.setRange(0, 2**31 - 1)
        self.seed.setToolTip("Seed of all random corruptions: the same seed gives the same noise everywhere")
        self.seed.valueChanged.connect(lambda value: setattr(state, "seed", value))

        models = QHBoxLayout()
        models.addWidget(self.model, stretch=1)
        models.addWidget(self.open_button)
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setVerticalSpacing(4)
        form.addRow("Model", models)
        form.addRow("Beside it", self.second_model)
        form.addRow("Device", self.device)
        form.addRow("In use", self.in_use)
        form.addRow("", self.exact)
        form.addRow("Seed", self.seed)

        state.events.model.connect(self._show)
        state.events.second_model.connect(self._show)
        state.events.device.connect(self._show)
        state.events.exact.connect(self._show)
        state.events.seed.connect(self._show)
        session.opened.connect(self._show)
        # What a model runs on is known with its first slice.
        session.progressed.connect(self._show_device)
        self._show()

    def list_devices(self) -> None:
        """List this machine's devices, in a thread."""
        self.device.list_devices(self._session.failed.emit)

    def open_model(self, path: Path) -> None:
        """Use a model file, if it is one."""
        if path.suffix.lower() == SUFFIX:
            try:
                read_card(path)
            except InputError as error:
                self._session.failed.emit(error)
                return
        self._state.model = str(path)

    def _ask(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Open a model", "", MODEL_FILTER)
        if name:
            self.open_model(Path(name))

    def _add_model(self, name: str, card: Card) -> None:
        self.model.addItem(card.title or name, name)
        self.model.setItemData(self.model.count() - 1, describe_card(card), _TOOLTIP)

    def _on_model(self, position: int) -> None:
        self._state.model = self.model.itemData(position)

    def _on_second_model(self, position: int) -> None:
        self._state.second_model = self.second_model.itemData(position)

    def _show(self, *_: Any) -> None:
        state = self._state
        for name in (state.model, state.second_model):
            if name is not None and self.model.findData(name) < 0:
                # One that was trained or remembered after the dock was opened, or else a file.
                card = next((card for card in list_models() if card.name == name), None)
                if card is not None:
                    self._add_model(name, card)
                else:
                    self.model.addItem(Path(name).stem, name)
                    self.model.setItemData(self.model.count() - 1, name, _TOOLTIP)
                _copy_item(self.model, self.model.count() - 1, self.second_model)
        self.second_model.setCurrentIndex(max(self.second_model.findData(state.second_model), 0))
        self.model.setCurrentIndex(max(self.model.findData(state.model), 0))
        self.model.setToolTip(self.model.itemData(self.model.currentIndex(), _TOOLTIP) or "")
        self.device.show_device(state.device)
        self.exact.setChecked(state.exact)
        self.seed.setValue(state.seed)
        self._show_device()

    def _show_device(self) -> None:
        comparison = self._session.comparison
        self.in_use.setText(NOTHING if comparison is None else comparison.device_description)


def describe_card(card: Card) -> str:
    """Return a model's card in a few lines."""
    data = ", ".join(source.name for source in card.training.data)
    lines = [
        card.title or card.name,
        f"Architecture: {card.architecture}, {card.parameters:,} parameters",
        f"Plane: {card.plane}",
    ]
    if card.neighbours:
        lines.append(f"Looks at {card.neighbours} slices on either side as well")
    if data:
        lines.append(f"Trained on: {data}")
    plane = "axial" if card.plane == "any" else card.plane
    for row in card.metrics:
        if (row.plane, row.region) == (plane, "whole slice") and row.corruption in _QUOTED:
            before = "" if row.psnr_corrupted is None else f"{row.psnr_corrupted:.1f} → "
            what = "clean" if row.corruption == "none" else row.corruption
            lines.append(f"{row.data}, {row.plane}, {what}: {before}{row.psnr_reconstructed:.1f} dB")
    if card.licence:
        lines.append(f"Licence: {card.licence}")
    return "\n".join(lines)


def _copy_item(source: QComboBox, position: int, target: QComboBox) -> None:
    """Add an entry of one picker to another."""
    target.addItem(source.itemText(position), source.itemData(position))
    target.setItemData(target.count() - 1, source.itemData(position, _TOOLTIP), _TOOLTIP)

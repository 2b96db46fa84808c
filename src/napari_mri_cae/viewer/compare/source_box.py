"""Choose the volume: drop a file, open one, or pick a layer."""

from pathlib import Path
from typing import Any, Final

from napari.layers import Image, Layer
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QFileDialog, QHBoxLayout, QPushButton, QVBoxLayout, QWidget
from superqt import QElidingLabel

from napari_mri_cae.viewer.compare.session import ComparisonSession
from napari_mri_cae.viewer.layers import role_of

FILE_FILTER: Final = "Volumes (*.nii *.nii.gz *.mgz *.mgh *.mnc *.hdr *.img *.hdr.gz *.img.gz);;All files (*)"


class SourceBox(QWidget):
    """The row in which a volume is chosen.

    Parameters
    ----------
    session : ComparisonSession
    """

    def __init__(self, session: ComparisonSession, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._folder = ""
        self._layers: list[Layer] = []
        self.open_button = QPushButton("Open ...")
        self.open_button.setToolTip("Open a NIfTI, MGH, Analyze or MINC volume")
        self.open_button.clicked.connect(self._ask)
        self.picker = QComboBox()
        self.picker.setToolTip("The volume that is compared: any 3-D image layer of this viewer")
        self.picker.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.picker.setMinimumContentsLength(8)
        self.picker.activated.connect(self._pick)
        self.hint = QElidingLabel("Drop a volume here, open one, or choose a layer.")
        self.hint.setWordWrap(True)
        self.hint.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        row = QHBoxLayout()
        row.addWidget(self.picker, stretch=1)
        row.addWidget(self.open_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(row)
        layout.addWidget(self.hint)

        for event in (session.viewer.layers.events.inserted, session.viewer.layers.events.removed):
            event.connect(self._list_layers)
        session.opened.connect(self._on_opened)
        session.closed.connect(self._on_closed)
        session.busy.connect(self._on_busy)
        # What was picked and cannot be compared is not what is shown.
        session.failed.connect(self._show_names)
        self._list_layers()

    def open_file(self, path: Path) -> None:
        """Open a file, as the button and a drop do."""
        self._folder = str(path.parent)
        self._session.open_path(path)

    def likely_layer(self) -> Layer | None:
        """Return the layer to begin with: the selected one, or the only one there is."""
        active = self._session.viewer.layers.selection.active
        if active in self._layers:
            return active
        return self._layers[0] if len(self._layers) == 1 else None

    def _ask(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Open a volume", self._folder, FILE_FILTER)
        if name:
            self.open_file(Path(name))

    def _pick(self, position: int) -> None:
        if 0 <= position < len(self._layers):
            self._session.open_layer(self._layers[position])

    def _list_layers(self, event: Any = None) -> None:
        """List the image layers that can be compared, by their present names."""
        for layer in self._layers:
            layer.events.name.disconnect(self._show_names)
        self._layers = [
            layer
            for layer in self._session.viewer.layers
            if isinstance(layer, Image) and layer.ndim in (3, 4) and role_of(layer) in (None, "source")
        ]
        for layer in self._layers:
            layer.events.name.connect(self._show_names)
        self._show_names()

    def _show_names(self, event: Any = None) -> None:
        self.picker.clear()
        self.picker.addItems([layer.name for layer in self._layers])
        source = self._session.source
        self.picker.setCurrentIndex(self._layers.index(source) if source in self._layers else -1)
        self.picker.setPlaceholderText("Choose a layer" if self._layers else "No volume yet")
        self.picker.setEnabled(bool(self._layers))

    def _on_opened(self) -> None:
        self._show_names()
        comparison = self._session.comparison
        if comparison is None:
            return
        volume = comparison.volume
        size = " x ".join(str(length) for length in volume.shape)
        spacing = " x ".join(f"{step:.3g}" for step in volume.spacing)
        notes = "".join(f"\n{note}" for note in volume.notes)
        self.hint.setText(f"{size} voxels, {spacing} mm{notes}")
        window = volume.window
        self.hint.setToolTip(
            f"Window: {window.low:.6g} to {window.high:.6g} become 0 and 1 "
            f"({100 * window.clipped_fraction:.3g} % of the voxels are clipped)"
        )

    def _on_closed(self) -> None:
        self._show_names()
        self.hint.setText("Drop a volume here, open one, or choose a layer.")
        self.hint.setToolTip("")

    def _on_busy(self, what: str) -> None:
        if what:
            self.hint.setText(what)
        elif self._session.comparison is not None:
            self._on_opened()
        else:
            self._on_closed()

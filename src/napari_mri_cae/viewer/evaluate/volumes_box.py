"""Choose the volumes: files, folders, the layer in the viewer."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari.layers import Image, Layer
from qtpy.QtCore import Qt
from qtpy.QtGui import QAction, QKeySequence  # type: ignore[attr-defined]
from qtpy.QtWidgets import (
    QAbstractItemView,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_mri_cae.errors import InputError
from napari_mri_cae.evaluation import find_volumes
from napari_mri_cae.evaluation.subjects import name_volumes
from napari_mri_cae.viewer.background import Background
from napari_mri_cae.viewer.compare.source_box import FILE_FILTER
from napari_mri_cae.viewer.evaluate.state import EvaluateState
from napari_mri_cae.viewer.layers import frame_on_screen, role_of

if TYPE_CHECKING:
    from napari.components import ViewerModel

_EMPTY: Final = "None yet: drop files or a folder on this dock."
_FEW, _MANY = 2, 5


class VolumesBox(QWidget):
    """The list of volumes, and buttons that add to it.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    state : EvaluateState
    background : Background
        Looks into folders and headers.
    on_failed : callable
        Called with an `InputError` when something is no volume.
    """

    def __init__(
        self,
        viewer: "ViewerModel",
        state: EvaluateState,
        background: Background,
        on_failed: Callable[[Exception], None],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._state = state
        self._background = background
        self._on_failed = on_failed
        self._folder = ""
        self._additions = 0

        self.list = QListWidget()
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.list.setTextElideMode(Qt.TextElideMode.ElideLeft)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setToolTip("The volumes that are measured; Delete takes the selected ones out")
        self.list.itemSelectionChanged.connect(self._show_buttons)
        self.count = QLabel()
        self.count.setWordWrap(True)
        self.frame = QSpinBox()
        self.frame.setRange(0, 99_999)
        self.frame.setPrefix("of a series: ")
        self.frame.setToolTip("Which volume of a series is measured, counted from 0")
        self.frame.valueChanged.connect(lambda value: setattr(state, "frame", value))
        self.files_button = _button("Files ...", "Add NIfTI, MGH, Analyze or MINC files", self._ask_files)
        self.folder_button = _button(
            "Folder ...",
            "Add the volumes of a folder: of a BIDS data set its T1w images, of any other every NIfTI file",
            self._ask_folder,
        )
        self.layer_button = _button("Layer", "Add the volume of the selected layer", self._add_layer)
        self.remove_button = _button("Remove", "Take the selected volumes out, or all", self._remove)
        delete = QAction("Remove", self.list)
        delete.setShortcut(QKeySequence(QKeySequence.StandardKey.Delete))
        delete.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        delete.triggered.connect(self._remove_selected)
        self.list.addAction(delete)

        about = QHBoxLayout()
        about.addWidget(self.count, stretch=1)
        about.addWidget(self.frame)
        row = QHBoxLayout()
        for button in (self.files_button, self.folder_button, self.layer_button, self.remove_button):
            row.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.list)
        layout.addLayout(about)
        layout.addLayout(row)
        state.events.volumes.connect(self._show)
        state.events.frame.connect(self._show_frame)
        background.busy.connect(self._show_count)
        self._show()

    def add(self, paths: Sequence[Path]) -> None:
        """Add files, and the volumes of folders."""
        # Of a kind of its own: it does not overtake one that is still being looked for.
        self._additions += 1
        self._background.run(
            f"volumes {self._additions}",
            partial(find_volumes, list(paths)),
            self._add_found,
            "Looking for volumes ...",
        )

    def likely_layer(self) -> Layer | None:
        """Return the layer whose volume the user most likely means: the selected one, or the only one."""
        layers = [
            layer
            for layer in self._viewer.layers
            if isinstance(layer, Image) and role_of(layer) in (None, "source")
        ]
        active = self._viewer.layers.selection.active
        if active in layers:
            return active
        return layers[0] if len(layers) == 1 else None

    def add_layer(self, layer: Layer) -> None:
        """Add the file that a layer was read from; of a series, the volume on screen."""
        file = layer.metadata.get("file") or layer.source.path
        if not file:
            self._on_failed(
                InputError(f"The layer {layer.name} has no file: save it as NIfTI, and add that.")
            )
            return
        self._state.frame = frame_on_screen(layer, self._viewer.dims)
        self.add([Path(file)])

    def _add_found(self, found: list[Path]) -> None:
        self._state.volumes = tuple(dict.fromkeys((*self._state.volumes, *found)))

    def _ask_files(self) -> None:
        names, _ = QFileDialog.getOpenFileNames(self, "Add volumes", self._folder, FILE_FILTER)
        if names:
            self._folder = str(Path(names[0]).parent)
            self.add([Path(name) for name in names])

    def _ask_folder(self) -> None:
        name = QFileDialog.getExistingDirectory(self, "Add the volumes of a folder", self._folder)
        if name:
            self._folder = name
            self.add([Path(name)])

    def _add_layer(self) -> None:
        layer = self.likely_layer()
        if layer is None:
            self._on_failed(InputError("No layer is selected: select an image in the list of layers."))
        else:
            self.add_layer(layer)

    def _remove_selected(self) -> None:
        # The button says that it takes all of them out, where none is selected; the key does not.
        if self.list.selectedItems():
            self._remove()

    def _remove(self) -> None:
        rows = {self.list.row(item) for item in self.list.selectedItems()}
        kept = [path for row, path in enumerate(self._state.volumes) if rows and row not in rows]
        self._state.volumes = tuple(kept)

    def _show(self, *_: Any) -> None:
        self.list.clear()
        for path in self._state.volumes:
            item = QListWidgetItem(path.name)
            item.setToolTip(str(path))
            self.list.addItem(item)
        count = len(self._state.volumes)
        rows = min(max(count, _FEW), _MANY)
        self.list.setFixedHeight(rows * self.list.sizeHintForRow(0) + 2 * self.list.frameWidth())
        for widget in (self.list, self.frame):
            widget.setVisible(count > 0)
        self._show_frame()
        self._show_buttons()
        self._show_count("")

    def _show_frame(self, *_: Any) -> None:
        self.frame.blockSignals(True)
        self.frame.setValue(self._state.frame)
        self.frame.blockSignals(False)

    def _show_count(self, busy: str) -> None:
        volumes = self._state.volumes
        if busy:
            self.count.setText(busy)
        elif volumes:
            subjects = len({name.subject for name in name_volumes(volumes)})
            self.count.setText(f"{_several(len(volumes), 'volume')} of {_several(subjects, 'subject')}")
        else:
            self.count.setText(_EMPTY)

    def _show_buttons(self) -> None:
        self.remove_button.setEnabled(bool(self._state.volumes))
        self.remove_button.setText("Remove" if self.list.selectedItems() else "Remove all")


def _several(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _button(text: str, tooltip: str, action: Callable[[], None]) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tooltip)
    button.clicked.connect(action)
    return button

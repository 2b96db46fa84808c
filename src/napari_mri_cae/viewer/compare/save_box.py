"""Save the volumes as NIfTI and the panels as a picture."""

from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QMenu, QPushButton, QWidget

from napari_mri_cae.viewer.compare.panels import ROLES
from napari_mri_cae.viewer.compare.session import ComparisonSession
from napari_mri_cae.viewer.layers import Role


class SaveBox(QWidget):
    """A button for the volumes and one for the picture.

    Parameters
    ----------
    session : ComparisonSession
    """

    def __init__(self, session: ComparisonSession, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.volumes = QPushButton("Save")
        self.volumes.setToolTip(
            "Write volumes as NIfTI, on the original grid and in their own intensities, or the model as ONNX"
        )
        menu = QMenu(self.volumes)
        menu.addAction("All ...", lambda: self._ask_volume(None))
        menu.addSeparator()
        for role in ROLES:
            menu.addAction(f"{role.capitalize()} ...", lambda role=role: self._ask_volume(role))
        menu.addSeparator()
        menu.addAction("The model as ONNX ...", self._ask_model)
        self.volumes.setMenu(menu)
        self.picture = QPushButton("Save picture ...")
        self.picture.setToolTip("Write the panels as they are on screen, as PNG")
        self.picture.clicked.connect(self._ask_picture)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.volumes)
        row.addWidget(self.picture)
        session.opened.connect(self._show)
        session.closed.connect(self._show)
        self._show()

    def _show(self) -> None:
        self.setEnabled(self._session.comparison is not None)

    def _suggestion(self, suffix: str) -> str:
        comparison = self._session.comparison
        if comparison is None:
            return suffix
        folder = comparison.volume.path.parent if comparison.volume.path is not None else Path.cwd()
        return str(folder / f"{comparison.volume.name}{suffix}")

    def _ask_volume(self, role: Role | None) -> None:
        title = "Save all volumes" if role is None else f"Save the {role} volume"
        suffix = ".nii.gz" if role is None else f"_{role}.nii.gz"
        name, _ = QFileDialog.getSaveFileName(self, title, self._suggestion(suffix), "NIfTI (*.nii.gz *.nii)")
        if name:
            self._session.save(Path(name), role)

    def _ask_model(self) -> None:
        comparison = self._session.comparison
        if comparison is None:
            return
        suggestion = str(Path.cwd() / f"{comparison.model.card.name}.onnx")
        name, _ = QFileDialog.getSaveFileName(self, "Export the model", suggestion, "ONNX (*.onnx)")
        if name:
            self._session.export_model(Path(name))

    def _ask_picture(self) -> None:
        name, _ = QFileDialog.getSaveFileName(
            self, "Save a picture of the panels", self._suggestion("_panels.png"), "PNG (*.png)"
        )
        if name:
            self._session.save_picture(Path(name))

"""Write what a comparison shows: volumes, the picture, the model."""

from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from psygnal import Signal

from napari_mri_cae.comparison import Comparison
from napari_mri_cae.errors import InputError
from napari_mri_cae.viewer.background import SAVE, Background
from napari_mri_cae.viewer.compare.panels import roles_of
from napari_mri_cae.viewer.layers import Role
from napari_mri_cae.viewer.writer import save_comparison

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_mri_cae.models import Model


class Saving:
    """Writes files in the background, volumes as soon as they are finished.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    background : Background

    Attributes
    ----------
    saved : psygnal.Signal(str)
        What has been written, as a sentence.
    failed : psygnal.Signal(Exception)
        What could not be.
    """

    saved = Signal(str)
    failed = Signal(object)

    def __init__(self, viewer: "ViewerModel", background: Background) -> None:
        self._viewer = viewer
        self._background = background
        self._waiting: list[tuple[Path, Role | None]] = []

    def request(self, path: Path, role: Role | None) -> None:
        """Have volumes written by the next `write_finished` that finds them finished."""
        self._waiting.append((path, role))

    def write_finished(self, comparison: Comparison | None) -> None:
        """Write what is waiting, if the comparison is complete."""
        if comparison is None or not self._waiting or not comparison.is_complete:
            return
        # The user may go on changing settings while the files are written.
        finished = comparison.snapshot()
        waiting, self._waiting = self._waiting, []
        for path, role in waiting:
            roles = roles_of(finished) if role is None else (role,)
            self._background.run(
                SAVE,
                partial(save_comparison, finished, path, roles=roles),
                lambda written: self._tell(*written),
                f"Saving {path.name} ...",
            )

    def give_up(self, *, silently: bool = False) -> None:
        """Write nothing any more of what is waiting."""
        waiting, self._waiting = self._waiting, []
        for path, _ in () if silently else waiting:
            sentence = f"{path.name} was not saved, the volume was not finished: open it again and wait."
            self.failed.emit(InputError(sentence))

    def write_model(self, model: "Model", path: Path) -> None:
        """Write a model as ONNX."""
        from napari_mri_cae.models.export import export_onnx

        target = path if path.suffix.lower() == ".onnx" else path.with_name(f"{path.name}.onnx")
        what = f"Exporting {model.card.name} ..."
        self._background.run(SAVE, partial(export_onnx, model, target), self._tell, what)

    def write_picture(self, path: Path) -> None:
        """Write the panels as they are on screen, as PNG."""
        picture = path if path.suffix.lower() == ".png" else path.with_name(f"{path.name}.png")
        beside = picture.with_name(f".{picture.stem}.part.png")
        try:
            self._viewer.screenshot(str(beside), canvas_only=True, flash=False)
            beside.replace(picture)
        except OSError as error:
            with suppress(OSError):
                beside.unlink()
            sentence = f"{picture} cannot be written ({error.strerror}): choose another folder."
            self.failed.emit(InputError(sentence))
            return
        self._tell(picture)

    def _tell(self, *written: Path) -> None:
        self.saved.emit(f"Saved {', '.join(file.name for file in written)}.")

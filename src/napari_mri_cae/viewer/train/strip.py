"""Example slices, clean above corrupted, with the outline of the brain mask."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QRectF
from qtpy.QtGui import QColor, QHelpEvent, QImage, QPainter, QPaintEvent, QResizeEvent
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget

if TYPE_CHECKING:
    from napari_mri_cae.training.data.overview import Example

_GAP: Final = 3
_OUTLINE: Final = (86, 180, 233)


class ExampleStrip(QWidget):
    """Columns of example slices that share the width there is."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._images: list[tuple[QImage, QImage]] = []
        self._labels: list[str] = []
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Example slices, clean above corrupted")

    def show_examples(self, examples: "Sequence[Example]") -> None:
        """Show other slices."""
        self._labels = [
            f"{example.data}, {example.subject}, {example.plane} slice {example.index}"
            for example in examples
        ]
        self._images = [_pictures(example) for example in examples]
        self.setVisible(bool(examples))
        self._fit()
        self.update()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Take the height that two rows need at this width."""
        super().resizeEvent(event)
        self._fit()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw the slices, each as large as its cell allows."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        side = self._side(self.width())
        for column, pair in enumerate(self._images):
            for row, image in enumerate(pair):
                cell = QRectF(column * (side + _GAP), row * (side + _GAP), side, side)
                painter.fillRect(cell, QColor(0, 0, 0))
                scale = side / max(image.width(), image.height())
                width, height = image.width() * scale, image.height() * scale
                place = QRectF(cell.x() + (side - width) / 2, cell.y() + (side - height) / 2, width, height)
                painter.drawImage(place, image)
        painter.end()

    def event(self, event: Any) -> bool:
        """Say where the slice under the mouse comes from."""
        if isinstance(event, QHelpEvent) and self._images:
            column = min(event.pos().x() // max(self._side(self.width()) + _GAP, 1), len(self._labels) - 1)
            row = "clean" if event.pos().y() <= self._side(self.width()) else "corrupted"
            QToolTip.showText(event.globalPos(), f"{self._labels[column]}, {row}", self)
            return True
        return super().event(event)

    def _fit(self) -> None:
        self.setFixedHeight(2 * self._side(self.width()) + _GAP if self._images else 0)

    def _side(self, width: int) -> int:
        count = max(len(self._images), 1)
        return max((width - (count - 1) * _GAP) // count, 1)


def _pictures(example: "Example") -> tuple[QImage, QImage]:
    """Return the clean slice with the outline, and the corrupted one, on the clean one's grey scale."""
    low, high = float(np.nanmin(example.clean)), float(np.nanmax(example.clean))
    span = high - low if high > low else 1.0

    def gray(image: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
        scaled = np.clip((np.nan_to_num(image) - low) / span, 0, 1)
        return np.repeat((255 * scaled).astype(np.uint8)[..., None], 3, axis=2)

    clean, corrupted = gray(example.clean), gray(example.corrupted)
    clean[example.outline] = _OUTLINE
    return _image(clean), _image(corrupted)


def _image(pixels: npt.NDArray[np.uint8]) -> QImage:
    height, width = pixels.shape[:2]
    # A copy: Qt does not keep the bytes.
    return QImage(pixels.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888).copy()

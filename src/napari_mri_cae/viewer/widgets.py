"""Small building blocks that the docks share."""

from pathlib import Path
from typing import Final

from qtpy.QtCore import QUrl
from qtpy.QtGui import QDropEvent
from qtpy.QtWidgets import QComboBox, QLabel

#: Stands where there is nothing to say.
NOTHING: Final = "\N{EN DASH}"


def heading(title: str) -> QLabel:
    """Return the title of a part of a dock."""
    label = QLabel(title)
    font = label.font()
    font.setBold(True)
    label.setFont(font)
    label.setContentsMargins(0, 6, 0, 0)
    return label


def picker(tooltip: str) -> QComboBox:
    """Return a combo box whose longest entry does not make the dock wider."""
    box = QComboBox()
    box.setToolTip(tooltip)
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(8)
    return box


def dropped_urls(event: QDropEvent) -> list[QUrl]:
    """Return what is being dropped, if it is files or addresses."""
    mime = event.mimeData()
    return mime.urls() if mime is not None else []


def dropped_paths(event: QDropEvent) -> list[Path]:
    """Return the files and folders of this computer that are being dropped."""
    return [Path(url.toLocalFile()) for url in dropped_urls(event) if url.isLocalFile()]


def in_hours(seconds: float) -> str:
    """Return a duration as people say it: 45 s, 12 min, 3 h 05 min."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"

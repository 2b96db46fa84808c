"""Offer, once, to open NIfTI files by default.

napari's own reader claims every .gz: dropping a .nii.gz on the canvas asks which of the two should read it.
"""

from typing import Any, Final

from napari.settings import get_settings
from psygnal import Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_mri_cae.viewer.preferences import (
    PLUGIN,
    offers_default_reader,
    stop_offering_default_reader,
)

PATTERNS: Final = ("*.nii", "*.nii.gz")


def is_default() -> bool:
    """Return whether napari opens NIfTI files with this plugin without asking."""
    return all(_readers().get(pattern) == PLUGIN for pattern in PATTERNS)


def make_default() -> None:
    """Have napari open NIfTI files with this plugin, and remember that this has been answered."""
    get_settings().plugins.extension2reader = {**_readers(), **dict.fromkeys(PATTERNS, PLUGIN)}
    stop_offering_default_reader()


def should_offer() -> bool:
    """Return whether to ask: not if it was asked before, nor if the user has chosen any reader for NIfTI."""
    return offers_default_reader() and not any(pattern in _readers() for pattern in PATTERNS)


class DefaultReaderOffer(QWidget):
    """A sentence and two buttons, shown until they have been answered once.

    Attributes
    ----------
    answered : psygnal.Signal(bool)
        Whether the plugin is now the default.
    """

    answered = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        sentence = QLabel("Open NIfTI files that are dropped on the canvas with this plugin, without asking?")
        sentence.setWordWrap(True)
        self.yes = QPushButton("Make default")
        self.yes.setToolTip("Writes *.nii and *.nii.gz into napari's preferences, where it can be undone")
        self.no = QPushButton("Not now")
        self.no.setToolTip("Does not ask again; the plugin's preferences can bring the question back")
        self.yes.clicked.connect(self._accept)
        self.no.clicked.connect(self._decline)
        buttons = QHBoxLayout()
        buttons.addWidget(self.yes)
        buttons.addWidget(self.no)
        buttons.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(sentence)
        layout.addLayout(buttons)
        if not should_offer():
            self.hide()

    def _accept(self) -> None:
        make_default()
        self.hide()
        self.answered.emit(True)

    def _decline(self) -> None:
        stop_offering_default_reader()
        self.hide()
        self.answered.emit(False)


def _readers() -> dict[str, Any]:
    return dict(get_settings().plugins.extension2reader)

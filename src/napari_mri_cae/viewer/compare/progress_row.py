"""How far the volume is, with a button that stops and goes on."""

from typing import Any

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QWidget

from napari_mri_cae.viewer.compare.session import ComparisonSession
from napari_mri_cae.viewer.compare.state import CompareState

_INTERVAL_MS = 250


class ProgressRow(QWidget):
    """Finished slices of the volume, and Cancel or Resume.

    Parameters
    ----------
    session : ComparisonSession
    state : CompareState
        Its `fill` is switched.
    """

    def __init__(
        self, session: ComparisonSession, state: CompareState, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._state = state
        self.bar = QProgressBar()
        self.bar.setFormat("%v of %m slices")
        self.bar.setToolTip("Finished slices of the volume, outward from the one on screen")
        self.button = QPushButton("Cancel")
        self.button.clicked.connect(self._toggle)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.bar, stretch=1)
        row.addWidget(self.button)
        # A progress bar paints itself at once, and the window with it: too slow for every slice.
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(_INTERVAL_MS)
        self._soon.timeout.connect(self._show)
        session.progressed.connect(self._show_soon)
        for signal in (session.opened, session.closed, state.events.fill):
            signal.connect(self._show)
        self._show()

    def _toggle(self) -> None:
        self._state.fill = not self._state.fill

    def _show_soon(self) -> None:
        comparison = self._session.comparison
        if comparison is not None and comparison.is_complete:
            self._soon.stop()
            self._show()
        elif not self._soon.isActive():
            self._soon.start()

    def _show(self, *_: Any) -> None:
        comparison = self._session.comparison
        total = 1 if comparison is None else comparison.n_slices
        done = 0 if comparison is None else int(comparison.done.sum())
        self.bar.setMaximum(total)
        self.bar.setValue(done)
        self.bar.setTextVisible(comparison is not None)
        self.button.setText("Cancel" if self._state.fill else "Resume")
        self.button.setToolTip(
            "Compute only the slice on screen" if self._state.fill else "Go on with the rest of the volume"
        )
        self.button.setEnabled(comparison is not None and (not self._state.fill or done < total))

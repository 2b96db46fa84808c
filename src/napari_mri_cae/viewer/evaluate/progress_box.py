"""The evaluation that goes on: what is being done, how far it is, and Cancel."""

from collections.abc import Callable
from typing import Final

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from napari_mri_cae.viewer.evaluate.session import EvaluationSession
from napari_mri_cae.viewer.widgets import in_hours

_INTERVAL_MS: Final = 250


class ProgressBox(QWidget):
    """Shown while an evaluation goes on.

    Parameters
    ----------
    session : EvaluationSession
    on_cancel : callable
        Called when the user has had enough.
    """

    def __init__(
        self, session: EvaluationSession, on_cancel: Callable[[], None], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._session = session
        self.step = QLabel()
        self.step.setWordWrap(True)
        # Room for two lines, so that what is below does not jump.
        self.step.setMinimumHeight(2 * self.step.fontMetrics().lineSpacing())
        self.step.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignBottom)
        self.bar = QProgressBar()
        self.bar.setFormat("%v of %m slices")
        self.bar.setToolTip("Slices, each counted once for each corruption and strength")
        self.left = QLabel()
        self.left.setToolTip("At the present speed")
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setToolTip("End it now; what is measured is kept, and Evaluate goes on from there")
        self.cancel_button.clicked.connect(on_cancel)
        row = QHBoxLayout()
        row.addWidget(self.bar, stretch=1)
        row.addWidget(self.cancel_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.step)
        layout.addLayout(row)
        layout.addWidget(self.left)
        # A progress bar paints itself at once, and the window with it: too slow for every event.
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(_INTERVAL_MS)
        self._soon.timeout.connect(self._show)
        session.changed.connect(self._show_soon)
        self._show()

    def _show_soon(self) -> None:
        if self._session.is_going_on != self.isVisibleTo(self.parentWidget()):
            self._show()
        elif not self._soon.isActive():
            self._soon.start()

    def _show(self) -> None:
        session = self._session
        self.setVisible(session.is_going_on)
        self.step.setText(session.step)
        # Without an end the bar would be painted again and again.
        self.bar.setRange(0, max(session.total, 1))
        self.bar.setValue(session.done)
        self.bar.setTextVisible(bool(session.total))
        seconds = session.seconds_left
        self.left.setText("" if seconds is None else f"About {in_hours(seconds)} left")

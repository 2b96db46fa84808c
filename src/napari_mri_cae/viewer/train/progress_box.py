"""The run that is open: how far it is, its curves, and what can be done with it."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from qtpy.QtCore import Qt, QTimer, QUrl
from qtpy.QtGui import QDesktopServices, QMouseEvent, QPixmap
from qtpy.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QElidingLabel

from napari_mri_cae.training import RunFolder
from napari_mri_cae.viewer.plots import PlotColors
from napari_mri_cae.viewer.train.follower import News
from napari_mri_cae.viewer.train.plots import Curves
from napari_mri_cae.viewer.train.session import RunSession
from napari_mri_cae.viewer.widgets import NOTHING, in_hours

_TOOLTIPS: Final = {
    "epoch": "Finished passes, after each of which there is a validation",
    "batch": "Finished batches of this epoch",
    "left": "At the present speed",
    "speed": "Slices that the network has learnt from in a second",
    "psnr": "Of the validation slices, mean over the noise levels. The best so far",
}
_TITLES: Final = {
    "epoch": "Epoch",
    "batch": "Batch",
    "left": "Left",
    "speed": "Slices/s",
    "psnr": "PSNR (dB)",
}
_STATES: Final = {
    "new": "Nothing is known of it",
    "running": "Training",
    "paused": "Paused",
    "stopped": "Stopped",
    "failed": "Failed",
    "finished": "Finished",
}
_PAUSING: Final = "Pausing after this batch"


class ProgressBox(QWidget):
    """A run's state and numbers, its buttons, its curves and its newest sheet of pictures.

    Parameters
    ----------
    session : RunSession
    on_compare, on_tensorboard : callable
        Called when the user presses the button.
    device : callable
        Returns the device to go on with.
    colors : PlotColors
        Of the curves.
    """

    def __init__(
        self,
        session: RunSession,
        on_compare: Callable[[], None],
        on_tensorboard: Callable[[], None],
        device: Callable[[], str],
        colors: PlotColors,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._steps = 0
        self._epochs = 0
        self._best = -math.inf
        self._step = 0
        self._requested = ""
        self._doing = ""
        self._board_is_starting = False
        self._sheet: Path | None = None

        self.title = QElidingLabel()
        self.title.setElideMode(Qt.TextElideMode.ElideMiddle)
        self.close_button = QPushButton("Close")
        self.close_button.setToolTip("Show this run no longer; nothing is deleted")
        self.close_button.clicked.connect(self._close)
        self.state = QLabel()
        self.state.setWordWrap(True)
        self.bar = QProgressBar()
        self.bar.setFormat("%p %")
        self.numbers: dict[str, QLabel] = {}
        grid = QGridLayout()
        grid.setHorizontalSpacing(6)
        grid.setVerticalSpacing(1)
        for column, (name, title) in enumerate(_TITLES.items()):
            head, value = QLabel(title), QLabel(NOTHING)
            for label in (head, value):
                label.setToolTip(_TOOLTIPS[name])
                label.setAlignment(Qt.AlignmentFlag.AlignHCenter)
            value.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            grid.addWidget(head, 0, column)
            grid.addWidget(value, 1, column)
            grid.setColumnStretch(column, 1)
            self.numbers[name] = value

        self.pause_button = _button("Pause", "Wait after this batch, and let others have the machine")
        self.pause_button.clicked.connect(lambda: self._pause_or_resume(device()))
        self.stop_button = _button("Stop", "End the run; the best model so far is kept")
        self.stop_button.clicked.connect(self._stop)
        self.compare_button = _button("Compare with this model", "Open Compare with the run's best model")
        self.compare_button.clicked.connect(on_compare)
        self.board_button = _button("TensorBoard", "Look at the run with TensorBoard, in the browser")
        self.board_button.clicked.connect(on_tensorboard)
        self.folder_button = _button("Show folder", "Open the run folder: everything about the run is in it")
        self.folder_button.clicked.connect(self._show_folder)
        first, second = QHBoxLayout(), QHBoxLayout()
        for row, buttons in (
            (first, (self.pause_button, self.stop_button)),
            (second, (self.board_button, self.folder_button)),
        ):
            for button in buttons:
                row.addWidget(button)

        self.curves = Curves(colors)
        self.sheet = _Picture()
        self.sheet.setToolTip("Validation slices, clean and noisy, over what the network makes of them")

        head_row = QHBoxLayout()
        head_row.addWidget(self.title, stretch=1)
        head_row.addWidget(self.close_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(head_row)
        layout.addWidget(self.state)
        layout.addWidget(self.bar)
        layout.addLayout(grid)
        layout.addLayout(first)
        layout.addWidget(self.compare_button)
        layout.addLayout(second)
        layout.addWidget(self.curves)
        layout.addWidget(self.sheet)

        # A plot and a progress bar paint themselves at once: not for every batch.
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(100)
        self._soon.timeout.connect(self._paint)
        session.opened.connect(self._on_opened)
        session.news.connect(self._on_news)
        session.changed.connect(self._show_state)
        self.hide()

    def show_board(self, *, is_starting: bool) -> None:
        """Show whether TensorBoard is being started: that takes seconds, and once is enough."""
        self._board_is_starting = is_starting
        self._show_state()

    def _on_opened(self, run: RunFolder) -> None:
        self._steps, self._epochs, self._step, self._best = 0, 0, 0, -math.inf
        self._requested = self._doing = ""
        self._sheet = None
        self.title.setText(run.path.name)
        self.title.setToolTip(str(run.path))
        self.curves.clear()
        self.sheet.show_file(None)
        for label in self.numbers.values():
            label.setText(NOTHING)
        self.bar.setRange(0, 0)
        self.show()

    def _on_news(self, news: News) -> None:
        if news.status.state == "paused" and self._requested == _PAUSING:
            self._requested = ""
        for event in news.events:
            self._take(event)
        if not self._soon.isActive():
            self._soon.start()

    def _take(self, event: dict[str, Any]) -> None:
        kind = event.get("event")
        if kind == "start":
            self._doing = ""
            self._steps = int(event.get("steps") or 0)
            self._epochs = int(event.get("epochs") or 0)
        elif kind == "step":
            step = int(event.get("step", 0))
            self.curves.add_batch(self._epoch_of(step), event.get("loss"))
            self._show_step(step, event)
        elif kind in ("preparing", "finishing"):
            self._doing = str(event.get("message", ""))
        elif kind in ("stopped", "error", "end"):
            self._doing = ""
        elif kind == "preview" and "sheet" in event and self._session.run is not None:
            self._sheet = self._session.run.path / str(event["sheet"])
        elif kind == "validation":
            self.curves.add_epoch(event)
            self._show_step(int(event.get("step", 0)), event)
            score = event.get("psnr")
            if score is not None:
                self._best = max(self._best, float(score))
                self.numbers["psnr"].setText(f"{score:.2f}")
                self.numbers["psnr"].setToolTip(f"{_TOOLTIPS['psnr']}: {self._best:.2f} dB")

    @property
    def _per_epoch(self) -> float:
        """Batches in an epoch, if it is known."""
        return self._steps / self._epochs if self._epochs else 0.0

    def _epoch_of(self, step: int) -> float:
        return step / self._per_epoch if self._per_epoch else float(step)

    def _show_step(self, step: int, event: dict[str, Any]) -> None:
        if self._per_epoch:
            batches = round(self._per_epoch)
            finished, inside = divmod(step, batches)
            if finished and not inside:
                inside = batches  # the last of the epoch that has just ended
            self.numbers["epoch"].setText(f"{finished} of {self._epochs}")
            self.numbers["batch"].setText(f"{inside} of {batches}")
        self._step = step
        speed, left = event.get("slices_per_second"), event.get("seconds_left")
        if speed is not None:
            self.numbers["speed"].setText(f"{speed:.0f}")
        if left is not None:
            self.numbers["left"].setText(in_hours(float(left)))

    def _paint(self) -> None:
        self.curves.draw()
        status = self._session.status
        total = self._steps or status.steps
        if total:
            self.bar.setRange(0, total)
            self.bar.setValue(max(self._step, status.step))
        elif not self._session.is_going_on:
            self.bar.setRange(0, 1)
        self.sheet.show_file(self._sheet)

    def _show_state(self) -> None:
        session = self._session
        self.setVisible(session.run is not None)
        going_on, state = session.is_going_on, session.status.state
        words = _STATES[state]
        if not going_on and state in ("running", "paused"):
            words = "Ended unexpectedly"
        elif session.is_starting:
            words = "Starting"
        elif going_on and not session.is_own:
            words = f"{words}, started elsewhere ({session.status.host}, process {session.status.pid})"
        elif going_on and self._requested:
            words = self._requested
        elif going_on and self._doing:
            words = self._doing
        if not going_on and session.status.message:
            words = f"{words}: {session.status.message}"
        elif session.can_resume:
            words = f"{words}. It can go on from its last finished epoch."
        self.state.setText(words)
        if not going_on:
            self.numbers["left"].setText(NOTHING)
        paused = state == "paused" and going_on
        self.pause_button.setText("Resume" if paused or session.can_resume else "Pause")
        self.pause_button.setEnabled(session.can_resume or (going_on and state in ("running", "paused")))
        self.stop_button.setEnabled(going_on and not session.is_starting)
        self.close_button.setEnabled(session.run is not None and not (going_on and session.is_own))
        self.compare_button.setEnabled(session.has_model)
        self.compare_button.setVisible(session.has_model or not going_on)
        self.board_button.setText("Starting ..." if self._board_is_starting else "TensorBoard")
        self.board_button.setEnabled(session.run is not None and not self._board_is_starting)
        self.folder_button.setEnabled(session.run is not None)

    def _pause_or_resume(self, device: str) -> None:
        paused = self._session.status.state == "paused"
        if self._session.is_going_on and not paused:
            self._requested = _PAUSING
            self._session.pause()
        else:
            self._requested = ""
            self._session.resume(device)
        self._show_state()

    def _stop(self) -> None:
        self._requested = "Stopping"
        self._session.stop()
        self._show_state()

    def _close(self) -> None:
        self._session.leave()

    def _show_folder(self) -> None:
        if self._session.run is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._session.run.path)))


class _Picture(QLabel):
    """A picture file, as wide as there is room; a click opens it."""

    def __init__(self) -> None:
        super().__init__()
        self._file: Path | None = None
        self._pixmap = QPixmap()
        self.setMinimumWidth(100)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.hide()

    def show_file(self, file: Path | None) -> None:
        """Show another picture, or none."""
        if file == self._file:
            return
        self._file = file
        self._pixmap = QPixmap() if file is None else QPixmap(str(file))
        self.setVisible(not self._pixmap.isNull())
        self._fit()

    def resizeEvent(self, event: Any) -> None:
        """Fit the picture to the new width."""
        super().resizeEvent(event)
        self._fit()

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Open the picture."""
        if self._file is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._file)))

    def _fit(self) -> None:
        if self._pixmap.isNull():
            return
        ratio = self.devicePixelRatioF()
        scaled = self._pixmap.scaledToWidth(
            max(1, round(self.width() * ratio)), Qt.TransformationMode.SmoothTransformation
        )
        scaled.setDevicePixelRatio(ratio)
        self.setFixedHeight(round(scaled.height() / ratio))
        self.setPixmap(scaled)


def _button(text: str, tooltip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tooltip)
    return button

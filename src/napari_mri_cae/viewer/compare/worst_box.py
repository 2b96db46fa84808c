"""The worst slices in a row of the dock, and the button that opens the plot."""

from typing import Any, Final

from qtpy.QtCore import QTimer
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QWidget

from napari_mri_cae.viewer.compare.numbers import format_metric
from napari_mri_cae.viewer.compare.session import ComparisonSession
from napari_mri_cae.viewer.compare.state import CompareState
from napari_mri_cae.viewer.compare.worst_keys import NEXT, PREVIOUS, WORST
from napari_mri_cae.viewer.compare.worst_slices import WorstSlices
from napari_mri_cae.viewer.widgets import picker

_INTERVAL_MS: Final = 300
_LISTED: Final = 8


class WorstBox(QWidget):
    """A list of the worst slices, steps to the next and the previous one, and the plot's button.

    Parameters
    ----------
    session : ComparisonSession
    state : CompareState
        Its `slice_plot` is switched.
    worst : WorstSlices
    """

    def __init__(
        self,
        session: ComparisonSession,
        state: CompareState,
        worst: WorstSlices,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._state = state
        self._worst = worst
        self._listed: tuple[tuple[int, str], ...] = ()
        self.list = picker(
            f"Go to one of the slices that are reconstructed worst ({_native(WORST)}: the worst)"
        )
        self.list.setPlaceholderText("Worst slices")
        self.list.activated.connect(lambda row: session.go_to(self.list.itemData(row)))
        self.previous = self._step("◀", f"The next worse slice ({_native(PREVIOUS)})", worst.go_to_previous)
        self.next = self._step("▶", f"The next better slice ({_native(NEXT)})", worst.go_to_next)
        self.plot = QPushButton("Plot")
        self.plot.setCheckable(True)
        self.plot.setToolTip("Show PSNR or SSIM over all slices below the panels")
        self.plot.clicked.connect(lambda on: setattr(state, "slice_plot", on))
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        row.addWidget(self.list, stretch=1)
        row.addWidget(self.previous)
        row.addWidget(self.next)
        row.addWidget(self.plot)
        # The order of the slices is nothing that has to follow every batch.
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(_INTERVAL_MS)
        self._soon.timeout.connect(self._show)
        session.measured.connect(self._show_soon)
        for signal in (session.opened, session.closed, state.events.metric, state.events.slice_plot):
            signal.connect(self._show)
        self._show()

    def _step(self, text: str, tooltip: str, action: Any) -> QPushButton:
        button = QPushButton(text)
        button.setToolTip(tooltip)
        button.setFixedWidth(30)
        button.clicked.connect(lambda _checked=False: action())
        return button

    def _show_soon(self) -> None:
        if not self._soon.isActive():
            self._soon.start()

    def _show(self, *_: Any) -> None:
        comparison, metric = self._session.comparison, self._state.metric
        self.plot.setChecked(self._state.slice_plot)
        indices = self._worst.order(_LISTED)
        listed: tuple[tuple[int, str], ...] = ()
        if comparison is not None:
            values = comparison.metrics[f"{metric}_reconstructed"]
            unit = " dB" if metric == "psnr" else ""
            listed = tuple(
                (index, f"Slice {index}: {format_metric(metric, values[index])}{unit}") for index in indices
            )
        popup = self.list.view()
        if listed != self._listed and not (popup is not None and popup.isVisible()):
            self._listed = listed
            self.list.clear()
            for index, text in listed:
                self.list.addItem(text, index)
        self._select(self._session.current_slice())
        for widget in (self.list, self.previous, self.next):
            widget.setEnabled(bool(indices))

    def _select(self, index: int | None) -> None:
        row = -1 if index is None else self.list.findData(index)
        if row != self.list.currentIndex():
            self.list.setCurrentIndex(row)


def _native(key: tuple[str, str]) -> str:
    """Return a key as this computer's users write it."""
    return QKeySequence(key[1]).toString(QKeySequence.SequenceFormat.NativeText)

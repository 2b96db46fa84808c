"""The numbers of the slice on screen and of the volume."""

import math
from typing import Any

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QGridLayout, QLabel, QWidget

from napari_mri_cae.comparison import Comparison
from napari_mri_cae.comparison.noteworthy import typicality
from napari_mri_cae.comparison.table import images_of
from napari_mri_cae.viewer.compare.numbers import format_metric, format_z
from napari_mri_cae.viewer.compare.session import ComparisonSession
from napari_mri_cae.viewer.compare.state import CompareState
from napari_mri_cae.viewer.widgets import NOTHING

_METRICS = (
    ("psnr", "PSNR (dB)", "Peak signal-to-noise ratio against the original; data range 1. More is better."),
    ("ssim", "SSIM", "Structural similarity: 11 x 11 Gaussian windows, sigma 1.5, data range 1. 1 is equal."),
    ("mse", "MSE", "Mean squared error on the volume's scale [0, 1]. Less is better."),
)
_IMAGES = ("corrupted", "reconstructed")
_Z = (
    "How many standard deviations the reconstruction is from those of the model's own training slices with "
    "as much tissue; beyond 3 either way a slice is unusual. A signal of quality, never a diagnosis."
)


class MetricsBox(QWidget):
    """A table: metrics down, slice and volume across, each corrupted and reconstructed.

    Parameters
    ----------
    session : ComparisonSession
    state : CompareState
        Its `metric` is the one whose z-scores are shown.
    """

    def __init__(
        self, session: ComparisonSession, state: CompareState, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._state = state
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(4)
        grid.setVerticalSpacing(3)
        self.slice_title, self.volume_title = QLabel(), QLabel()
        for column, title in ((1, self.slice_title), (3, self.volume_title)):
            title.setAlignment(Qt.AlignmentFlag.AlignRight)
            grid.addWidget(title, 0, column, 1, 2)
        self.cells: dict[tuple[str, str, str], QLabel] = {}
        self._second_rows: list[QWidget] = []
        for column in range(1, 5):
            grid.setColumnStretch(column, 1)
            head = QLabel(("corr.", "recon.")[(column - 1) % 2])
            head.setToolTip(("Corrupted", "Reconstructed")[(column - 1) % 2] + " against the original")
            head.setAlignment(Qt.AlignmentFlag.AlignRight)
            grid.addWidget(head, 1, column)
        columns = tuple((scope, image) for scope in ("slice", "volume") for image in _IMAGES)
        for row, (metric, label, tooltip) in enumerate(_METRICS, start=2):
            self._add_label(grid, row, label, tooltip)
            for column, (scope, image) in enumerate(columns, start=1):
                self._add_cell(grid, row, column, (scope, metric, image), tooltip)
        self.z_labels = {"reconstructed": self._add_z_row(grid, 2 + len(_METRICS), "reconstructed")}
        for row, (metric, _, tooltip) in enumerate(_METRICS, start=3 + len(_METRICS)):
            second = f"The second model. {tooltip}"
            self._second_rows.append(self._add_label(grid, row, f"{metric.upper()} 2", second))
            for column, scope in ((2, "slice"), (4, "volume")):
                cell = self._add_cell(grid, row, column, (scope, metric, "reconstructed_2"), second)
                self._second_rows.append(cell)
        self.z_labels["reconstructed_2"] = self._add_z_row(grid, 3 + 2 * len(_METRICS), "reconstructed_2")
        self._second_rows += [
            self.z_labels["reconstructed_2"],
            *(self.cells[scope, "z", "reconstructed_2"] for scope in ("slice", "volume")),
        ]
        session.measured.connect(self.show_numbers)
        session.opened.connect(self.show_numbers)
        session.closed.connect(self.show_numbers)
        session.models_changed.connect(self.show_numbers)
        state.events.metric.connect(self.show_numbers)
        self.show_numbers()

    def _add_z_row(self, grid: QGridLayout, row: int, image: str) -> QLabel:
        label = self._add_label(grid, row, "z 2" if image == "reconstructed_2" else "z", _Z)
        for column, scope in ((2, "slice"), (4, "volume")):
            self._add_cell(grid, row, column, (scope, "z", image), _Z)
        return label

    def _add_label(self, grid: QGridLayout, row: int, text: str, tooltip: str) -> QLabel:
        label = QLabel(text)
        label.setToolTip(tooltip)
        grid.addWidget(label, row, 0)
        return label

    def _add_cell(
        self, grid: QGridLayout, row: int, column: int, key: tuple[str, str, str], tooltip: str
    ) -> QLabel:
        cell = QLabel(NOTHING)
        cell.setAlignment(Qt.AlignmentFlag.AlignRight)
        cell.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        cell.setToolTip(tooltip)
        self.cells[key] = cell
        grid.addWidget(cell, row, column)
        return cell

    def show_numbers(self, *_: Any) -> None:
        """Show what is known now."""
        comparison = self._session.comparison
        has_second = comparison is not None and comparison.second_model is not None
        for widget in self._second_rows:
            widget.setVisible(has_second)
        comparison, index = self._session.comparison, self._session.current_slice()
        self.slice_title.setText("Slice" if index is None else f"Slice {index}")
        if comparison is None:
            self.volume_title.setText("Volume")
            for cell in self.cells.values():
                cell.setText(NOTHING)
            return
        summary = comparison.summary()
        self.volume_title.setText("Volume" if comparison.is_complete else "Volume so far")
        for (scope, metric, image), cell in self.cells.items():
            column = f"{metric}_{image}"
            if column not in summary:
                continue
            if scope == "volume":
                value = summary[column]
            else:
                value = math.nan if index is None else float(comparison.metrics[column][index])
            cell.setText(format_metric(metric, value))
        for image in images_of(comparison.metrics):
            if image in self.z_labels:
                self._show_z(image, comparison, index)

    def _show_z(self, image: str, comparison: Comparison, index: int | None) -> None:
        """Show how the slice stands among the model's training slices, and how many are unusual."""
        metric = self._state.metric
        typical = typicality(comparison, image)
        unusual = typical.is_unusual(metric)
        z = math.nan if index is None else float(typical.of(metric)[index])
        number = NOTHING if math.isnan(z) else f"{z:+.1f}"
        is_flagged = index is not None and bool(unusual[index])
        self.cells["slice", "z", image].setText(f"\N{WARNING SIGN} {number}" if is_flagged else number)
        total = NOTHING if typical.reason else f"{np.count_nonzero(unusual)} unusual"
        self.cells["volume", "z", image].setText(total)
        sentence = typical.reason or f"{metric.upper()} {format_z(z)}"
        for widget in (
            self.z_labels[image],
            *(self.cells[scope, "z", image] for scope in ("slice", "volume")),
        ):
            if widget.toolTip() != f"{_Z} {sentence}":
                widget.setToolTip(f"{_Z} {sentence}")

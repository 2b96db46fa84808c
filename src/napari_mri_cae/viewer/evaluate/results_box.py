"""What a finished evaluation has given: the means, the worst slices, and the report."""

import html
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from qtpy.QtCore import Qt, QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_mri_cae.evaluation import Row, Summary
from napari_mri_cae.evaluation.settings import REGIONS
from napari_mri_cae.evaluation.summary_lines import SHOWN, SummaryCell, summary_lines
from napari_mri_cae.viewer.evaluate.results import Results
from napari_mri_cae.viewer.evaluate.session import EvaluationSession
from napari_mri_cae.viewer.forms import Fold
from napari_mri_cae.viewer.widgets import heading, picker

# Of all metrics, those that a dock has room for.
_COLUMNS: Final = {"psnr": "PSNR (dB)", "ssim": "SSIM"}
_ROWS: Final = 4


class ResultsBox(QWidget):
    """Shown when an evaluation is finished.

    Parameters
    ----------
    session : EvaluationSession
    on_slice : callable
        Called with (results, row) when the user wants to see a slice.
    """

    def __init__(
        self,
        session: EvaluationSession,
        on_slice: Callable[[Results, Row], None],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._on_slice = on_slice
        self.region = picker("Where the metrics are taken")
        for region in REGIONS:
            self.region.addItem("Inside the brain" if region == "brain" else region.capitalize(), region)
        self.plane = picker("In which plane the slices are")
        self.table = _selectable()
        self.table.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.table.setTextFormat(Qt.TextFormat.RichText)
        self.about = _selectable()
        self.remarks = _selectable()
        self.notes = Fold(
            "Notes", lambda: self.remarks, tooltip="What about the volumes does not suit a model"
        )
        self.report_button = _button(
            "Open report", "Open the page with pictures, curves, tests and all numbers in the browser"
        )
        self.report_button.clicked.connect(self._open_report)
        self.folder_button = _button(
            "Show folder", "Open the folder with the table, the report, and how both were made"
        )
        self.folder_button.clicked.connect(self._show_folder)
        self.worst = QListWidget()
        self.worst.setSpacing(1)
        self.worst.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.worst.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.worst.itemClicked.connect(self._on_worst)
        self.worst_fold = Fold("Worst slices", lambda: self.worst, tooltip="A click opens one in Compare")

        choices = QHBoxLayout()
        choices.addWidget(self.region, stretch=1)
        choices.addWidget(self.plane, stretch=1)
        buttons = QHBoxLayout()
        buttons.addWidget(self.report_button)
        buttons.addWidget(self.folder_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(heading("Results"))
        layout.addLayout(choices)
        layout.addWidget(self.table)
        layout.addWidget(self.about)
        layout.addLayout(buttons)
        layout.addWidget(self.notes)
        layout.addWidget(self.worst_fold)
        for box in (self.region, self.plane):
            box.activated.connect(self._show_table)
        session.changed.connect(self._show)
        self._show()

    def _show(self) -> None:
        results = self._session.results
        self.setVisible(results is not None)
        if results is None:
            return
        planes = list(dict.fromkeys(one.plane for one in results.summaries))
        _fill(self.plane, [(plane.capitalize(), plane) for plane in planes])
        self.plane.setVisible(len(planes) > 1)
        self.remarks.setText("\n".join(results.remarks))
        self.notes.set_title(f"⚠ Notes about volumes and models: {len(results.remarks)}")
        self.notes.setVisible(bool(results.remarks))
        self._show_worst(results)
        self._show_table()

    def _show_table(self, *_: Any) -> None:
        results = self._session.results
        if results is None:
            return
        place = self.plane.currentData(), self.region.currentData()
        summaries = [one for one in results.summaries if (one.plane, one.region) == place]
        self.table.setText(_as_html(summaries))
        self.about.setText(_about(summaries, self.region.currentText().lower()))

    def _show_worst(self, results: Results) -> None:
        self.worst.clear()
        for row, difference in results.worst:
            place = f"{row.plane} {row.slice}, {row.volume}"
            item = QListWidgetItem(f"{row.psnr:.1f} dB ({difference:+.1f}): {place}\n{row.corruption}")
            item.setToolTip(
                f"{place}, {row.corruption}, {row.model}, {row.region}: {row.psnr:.2f} dB, {difference:+.2f} "
                "from the mean. A click opens it in Compare."
            )
            self.worst.addItem(item)
        height = (self.worst.sizeHintForRow(0) + 2 * self.worst.spacing()) * min(len(results.worst), _ROWS)
        self.worst.setFixedHeight(height + 2 * self.worst.frameWidth())
        model = results.worst[0].row.model if results.worst else ""
        self.worst_fold.set_title(f"Worst slices of {model}")
        self.worst_fold.setVisible(bool(results.worst))

    def _on_worst(self, item: QListWidgetItem) -> None:
        results = self._session.results
        if results is not None:
            self._on_slice(results, results.worst[self.worst.row(item)].row)

    def _open_report(self) -> None:
        results = self._session.results
        if results is not None and results.plan.report is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(results.plan.report)))

    def _show_folder(self) -> None:
        if self._session.results is not None:
            folder = self._session.results.plan.output.parent
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))


def _as_html(summaries: Sequence[Summary]) -> str:
    """Return the means as a table, the best of each corruption in bold."""
    if not summaries:
        return "No slice has pixels there."
    heads = "".join(f'<td align="right">{title}</td>' for title in _COLUMNS.values())
    lines = [f"<tr><td></td>{heads}</tr>"]
    for line in summary_lines(summaries):
        if line.span:
            what = "Clean slices" if line.corruption == "none" else html.escape(line.corruption)
            lines.append(f'<tr><td colspan="3" style="padding-top: 6px"><i>{what}</i></td></tr>')
        cells = dict(zip(SHOWN, line.cells, strict=True))
        numbers = "".join(f'<td align="right">{_number(cells[metric])}</td>' for metric in _COLUMNS)  # type: ignore[index]
        lines.append(f"<tr><td>{_breakable(line.model)}</td>{numbers}</tr>")
    return f'<table width="100%" cellspacing="0" cellpadding="1">{"".join(lines)}</table>'


def _number(cell: SummaryCell) -> str:
    mean = f"<b>{cell.mean}</b>" if cell.best else cell.mean
    return f"{mean} <small>±&nbsp;{cell.sd}</small>" if cell.sd else mean


def _breakable(name: str) -> str:
    """Return a model's name as HTML that may go on in the next line: one long word would widen the dock."""
    return re.sub(r"([_.\-])(?=\w)", "\\1&#8203;", html.escape(name))


def _about(summaries: Sequence[Summary], region: str) -> str:
    """Return what the numbers are."""
    if not summaries:
        return ""
    slices = {one.n_slices for one in summaries}
    count = f"{min(slices)} to {max(slices)}" if len(slices) > 1 else f"{max(slices)}"
    count = "one slice" if slices == {1} else f"{count} slices"
    subjects = max(one.n_subjects for one in summaries)
    whose = "one subject" if subjects == 1 else f"{subjects} subjects"
    return (
        f"Mean ± standard deviation over {count} of {whose}, {region}; data range 1, the volume's "
        "scale. Bold: the best; identity: as corrupted. Tests, DSSIM and MSE are in the report."
    )


def _fill(box: QComboBox, entries: Sequence[tuple[str, str]]) -> None:
    if [box.itemData(row) for row in range(box.count())] != [value for _, value in entries]:
        box.clear()
        for text, value in entries:
            box.addItem(text, value)


def _selectable() -> QLabel:
    label = QLabel()
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label


def _button(text: str, tooltip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tooltip)
    return button

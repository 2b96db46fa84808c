"""PSNR or SSIM over the slices of a comparison."""

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
from psygnal import Signal
from qtpy.QtCore import QEvent, QSize, Qt, QTimer
from qtpy.QtGui import QHideEvent, QShowEvent
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from napari_mri_cae.comparison import Comparison
from napari_mri_cae.comparison.noteworthy import Typicality, typicality
from napari_mri_cae.comparison.table import IMAGES_OF_TWO, images_of
from napari_mri_cae.planes import Plane
from napari_mri_cae.slice_statistics import LEAST_TISSUE
from napari_mri_cae.viewer.compare.numbers import format_metric, format_z
from napari_mri_cae.viewer.compare.session import ComparisonSession
from napari_mri_cae.viewer.compare.slice_curves import SliceCurves
from napari_mri_cae.viewer.compare.state import CompareState
from napari_mri_cae.viewer.plots import plot_colors

if TYPE_CHECKING:
    from napari.components import ViewerModel

Array = npt.NDArray[np.float64]

# A repaint of the plot takes as long as a slice on a fast device: often enough to see it fill.
_INTERVAL_MS: Final = 300
_ENDS: Final[dict[Plane, tuple[str, str]]] = {
    "axial": ("superior", "inferior"),
    "coronal": ("anterior", "posterior"),
    "sagittal": ("patient's right", "patient's left"),
}
_METRICS: Final = (("PSNR (dB)", "psnr"), ("SSIM", "ssim"))
_EMPTY: Final = "Open a volume in the Compare dock: every slice gets its place here as it is finished."
_HELP: Final = (
    "Click or drag to go to a slice, step with the arrow keys. Faint: before the last change of settings. "
    "Shaded: nothing but background."
)
_SIGNAL: Final = "A signal of quality, never a diagnosis."


class SlicePlot(QWidget):
    """A plot over the slices with the numbers of the slice on screen, or under the mouse, above it.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Its theme is followed.
    session : ComparisonSession
    state : CompareState
        Its `metric` is plotted and switched.

    Attributes
    ----------
    dismissed : psygnal.Signal
        The user has closed what the plot is in.
    """

    dismissed = Signal()

    def __init__(
        self,
        viewer: "ViewerModel",
        session: ComparisonSession,
        state: CompareState,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._session = session
        self._state = state
        self._colors = plot_colors(viewer)
        self._hovered: int | None = None
        self._drawn_for: tuple[Any, ...] = ()
        self._values: dict[str, Array] = {}
        self._typical: dict[str, Typicality] = {}

        self.metric_picker = QComboBox()
        for label, metric in _METRICS:
            self.metric_picker.addItem(label, metric)
        self.metric_picker.setToolTip("What is plotted, and what the worst slices are sought by")
        self.metric_picker.activated.connect(
            lambda row: setattr(state, "metric", self.metric_picker.itemData(row))
        )
        self.readout = QLabel()
        self.readout.setTextFormat(Qt.TextFormat.RichText)
        self.readout.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.readout.setWordWrap(True)
        self.curves = SliceCurves(IMAGES_OF_TWO)
        self.curves.setToolTip(_HELP)
        self.curves.setAccessibleName("PSNR or SSIM over slices")
        self.start, self.axis, self.end = QLabel(), QLabel(), QLabel()

        top = QHBoxLayout()
        top.addWidget(self.metric_picker)
        top.addWidget(self.readout, stretch=1)
        bottom = QHBoxLayout()
        bottom.setContentsMargins(48, 0, 4, 0)
        for words, side in (
            (self.start, Qt.AlignmentFlag.AlignLeft),
            (self.axis, Qt.AlignmentFlag.AlignHCenter),
            (self.end, Qt.AlignmentFlag.AlignRight),
        ):
            words.setAlignment(side)
            bottom.addWidget(words, stretch=1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 4, 6, 4)
        layout.setSpacing(2)
        layout.addLayout(top)
        layout.addWidget(self.curves, stretch=1)
        layout.addLayout(bottom)
        self.setMinimumSize(200, 130)

        self.curves.picked.connect(session.go_to)
        self.curves.hovered.connect(self._on_hovered)
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(_INTERVAL_MS)
        self._soon.timeout.connect(self.draw)
        session.measured.connect(self._on_measured)
        session.progressed.connect(self._draw_soon)
        session.opened.connect(self._on_opened)
        for signal in (session.closed, session.models_changed, state.events.metric):
            signal.connect(self.draw)
        viewer.events.theme.connect(self._on_theme)
        self._on_theme()

    def sizeHint(self) -> QSize:
        """Be wide rather than high."""
        return QSize(800, 190)

    def showEvent(self, event: QShowEvent | None) -> None:
        """Catch up with what has happened meanwhile."""
        super().showEvent(event)
        self.draw()

    def hideEvent(self, event: QHideEvent | None) -> None:
        """Tell if the user has hidden the dock, not if another tab covers it."""
        super().hideEvent(event)
        around = self.parentWidget()
        if around is not None:
            # Afterwards: a dock that is made to float is hidden for an instant.
            QTimer.singleShot(0, lambda: self._tell_if_hidden(around))

    def event(self, event: QEvent | None) -> bool:
        """Tell when the dock lets go of the widget."""
        if event is not None and event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self.dismissed.emit()
        return super().event(event)

    def draw(self, *_: Any) -> None:
        """Show what is known now."""
        if not self.isVisible():
            return
        comparison, metric = self._session.comparison, self._state.metric
        self.metric_picker.setCurrentIndex(self.metric_picker.findData(metric))
        if not self._is_up_to_date():
            self._drawn_for, self._values = self._subject(), {}
            self._set_up(comparison)
        if comparison is None:
            self._typical = {}
            self.curves.draw({}, {}, (0.0, 1.0))
            self.curves.flag(np.zeros(0), np.zeros(0))
        else:
            self._draw_values(comparison)
        self._follow_slice()

    def _set_up(self, comparison: Comparison | None) -> None:
        """Lay the axis out for another volume or plane."""
        if comparison is None:
            self.curves.set_slices(0, np.zeros(0, bool))
            words = ("", "", "")
        else:
            self.curves.set_slices(comparison.n_slices, comparison.tissue < LEAST_TISSUE)
            doubt = "" if self._session.view.orientation_known else "?"
            first, last = (word + doubt for word in _ENDS[comparison.plane])
            words = (f"◂ {first}", f"{comparison.plane} slice", f"{last} ▸")
        for label, word in zip((self.start, self.axis, self.end), words, strict=True):
            label.setText(word)

    def _draw_values(self, comparison: Comparison) -> None:
        metric = self._state.metric
        now, stale = {}, {}
        for image in images_of(comparison.metrics):
            values = comparison.metrics[f"{metric}_{image}"].copy()
            # What is to be done again stays where it was, faintly, until it is there.
            before = self._values.get(image, values)
            now[image] = values
            stale[image] = np.where(np.isnan(values), before, np.nan)
            self._values[image] = np.where(np.isnan(values), before, values)
        self.curves.draw(now, stale, _limits(metric, self._values, comparison.tissue >= LEAST_TISSUE))
        self._typical = {
            image: typicality(comparison, image) for image in now if image.startswith("reconstructed")
        }
        flagged = [
            (np.flatnonzero(one.is_unusual(metric)), now[image]) for image, one in self._typical.items()
        ]
        self.curves.flag(
            np.concatenate([indices for indices, _ in flagged]),
            np.concatenate([values[indices] for indices, values in flagged]),
        )

    def _on_opened(self, *_: Any) -> None:
        """Forget the curves of another volume."""
        self._drawn_for = ()
        self.draw()

    def _subject(self) -> tuple[Any, ...]:
        """Return what the curves are of: those of another plane have other slices."""
        comparison = self._session.comparison
        return (comparison is not None and comparison.plane, self._state.metric)

    def _is_up_to_date(self) -> bool:
        return self._drawn_for == self._subject()

    def _on_measured(self) -> None:
        if not self.isVisible():
            return
        if self._is_up_to_date():
            self._follow_slice()
            self._draw_soon()
        else:
            self.draw()

    def _follow_slice(self) -> None:
        index = self._session.current_slice()
        self.curves.mark(index)
        self._read_out(index if self._hovered is None else self._hovered)

    def _on_hovered(self, index: int | None) -> None:
        self._hovered = index
        self._read_out(self._session.current_slice() if index is None else index)

    def _draw_soon(self) -> None:
        if self.isVisible() and not self._soon.isActive():
            self._soon.start()

    def _read_out(self, index: int | None) -> None:
        """Write a slice's numbers, which is the legend of the curves as well."""
        comparison, metric = self._session.comparison, self._state.metric
        if comparison is None:
            self.readout.setText(_EMPTY)
            self.readout.setToolTip("")
            return
        parts = ["All slices" if index is None else f"Slice {index}"]
        hints = []
        for number, image in enumerate(images_of(comparison.metrics)):
            dash = "╍╍" if number == 2 else "━━"
            part = (
                f'<span style="color:{self._colors.series[number]}">{dash}</span> '
                f"{image.capitalize().replace('_', ' ')}"
            )
            if index is not None and index < comparison.n_slices:
                part += f" {format_metric(metric, float(comparison.metrics[f'{metric}_{image}'][index]))}"
                typical = self._typical.get(image) if self._is_up_to_date() else None
                z = np.nan if typical is None else typical.of(metric)[index]
                if typical is not None:
                    hints.append(typical.reason or f"{image.capitalize().replace('_', ' ')}: {format_z(z)}")
                if np.isfinite(z) and typical is not None and typical.is_unusual(metric)[index]:
                    part += f' <span style="color:{self._colors.warning}">⚠ unusual, z = {z:+.1f}</span>'
            parts.append(part)
        if index is not None and index < comparison.n_slices and comparison.tissue[index] < LEAST_TISSUE:
            parts.append("<i>background only</i>")
        self.readout.setText("&nbsp; &nbsp;".join(parts))
        self.readout.setToolTip(" ".join([*dict.fromkeys(hints), _SIGNAL]) if hints else "")

    def _on_theme(self, *_: Any) -> None:
        self._colors = plot_colors(self._viewer)
        self.curves.set_colors(self._colors)
        self._read_out(self._session.current_slice())

    def _tell_if_hidden(self, around: QWidget) -> None:
        # It may stand elsewhere by now.
        if self.parentWidget() is around and around.isHidden():
            self.dismissed.emit()


def _limits(metric: str, values: dict[str, Array], has_tissue: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Return the ends of the axis: those of the slices with something in them, if there are any."""
    known = np.array(list(values.values()))
    known[~np.isfinite(known)] = np.nan
    inside = known[:, has_tissue]
    if np.isfinite(inside).any():
        known = inside
    elif not np.isfinite(known).any():
        return 0.0, 1.0
    low, high = float(np.nanmin(known)), float(np.nanmax(known))
    room = max(0.06 * (high - low), 0.001 if metric == "ssim" else 0.1)
    return low - room, high + room

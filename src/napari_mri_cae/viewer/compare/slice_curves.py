"""Curves over the slices of a volume, with a mark that the mouse takes along."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyqtgraph
from psygnal import Signal
from qtpy.QtCore import QEvent, QObject, QPoint, Qt
from qtpy.QtGui import QColor, QKeyEvent, QMouseEvent
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_mri_cae.viewer.plots import PlotColors, color_axes, plain_plot

Array = npt.NDArray[np.float64]

_AXIS_WIDTH: Final = 48
_STALE_ALPHA: Final = 70
_ARROWS: Final = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}
_STYLES: Final = (
    (1.0, Qt.PenStyle.SolidLine),
    (2.0, Qt.PenStyle.SolidLine),
    (2.0, Qt.PenStyle.DashLine),
)


class SliceCurves(QWidget):
    """A plot of one number per slice, for several images.

    A click or a drag picks a slice, and so do the arrow keys. What is NaN or infinite leaves a gap.

    Attributes
    ----------
    picked : psygnal.Signal(int)
        The user wants another slice.
    hovered : psygnal.Signal(object)
        The slice under the mouse, or None where there is none.
    plot : pyqtgraph.PlotWidget
    lines : dict of str to pyqtgraph.PlotDataItem
        By image: what is drawn of the present settings.
    stale : dict of str to pyqtgraph.PlotDataItem
        By image: what is drawn of the settings before.
    flagged : pyqtgraph.ScatterPlotItem
        What is pointed at.
    """

    picked = Signal(int)
    hovered = Signal(object)

    def __init__(self, images: tuple[str, ...], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._images = images
        self._n_slices = 0
        self._index: int | None = None
        self.plot = plain_plot()
        self._item = self.plot.getPlotItem()
        self._item.getAxis("left").setWidth(_AXIS_WIDTH)
        self._item.getViewBox().setDefaultPadding(0.0)
        self._item.getViewBox().disableAutoRange()
        # Built once: what changes is their data.
        self._backgrounds = [
            pyqtgraph.LinearRegionItem(movable=False, pen=pyqtgraph.mkPen(None)) for _ in range(2)
        ]
        for region in self._backgrounds:
            region.setZValue(-10)
            self._item.addItem(region)
        self.stale = {image: self._item.plot() for image in images}
        self.lines = {image: self._item.plot() for image in images}
        self._dots = {image: pyqtgraph.ScatterPlotItem(size=5, pen=None) for image in images}
        self.flagged = pyqtgraph.ScatterPlotItem(size=11, symbol="t1", brush=None)
        self._mark = pyqtgraph.InfiniteLine(angle=90)
        for added in (*self._dots.values(), self.flagged, self._mark):
            self._item.addItem(added)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.plot)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.plot.setFocusProxy(self)
        self.plot.viewport().installEventFilter(self)
        self.set_slices(0, np.zeros(0, bool))
        self.mark(None)

    def set_colors(self, colors: PlotColors) -> None:
        """Draw everything in a theme's colours."""
        color_axes(self._item, colors.text)
        for number, image in enumerate(self._images):
            width, style = _STYLES[number]
            color = QColor(colors.series[number])
            self.lines[image].setPen(pyqtgraph.mkPen(color, width=width, style=style))
            self._dots[image].setBrush(color)
            faint = QColor(color)
            faint.setAlpha(_STALE_ALPHA)
            self.stale[image].setPen(pyqtgraph.mkPen(faint, width=1))
        self.flagged.setPen(pyqtgraph.mkPen(colors.warning, width=2))
        self._mark.setPen(pyqtgraph.mkPen(colors.text, width=1))
        shade = QColor(colors.text)
        shade.setAlpha(28)
        for region in self._backgrounds:
            region.setBrush(shade)

    def set_slices(self, n_slices: int, is_background: npt.NDArray[np.bool_]) -> None:
        """Give the plot its length, and shade the ends that hold nothing but background."""
        self._n_slices = n_slices
        self._item.setXRange(-0.5, max(n_slices, 1) - 0.5)
        content = np.flatnonzero(~is_background)
        ends = (0, n_slices) if not len(content) else (int(content[0]), int(content[-1]) + 1)
        spans = ((0, ends[0]), (ends[1], n_slices)) if len(content) else ((0, n_slices), (0, 0))
        for region, (start, stop) in zip(self._backgrounds, spans, strict=True):
            region.setRegion((start - 0.5, stop - 0.5))
            region.setVisible(stop > start)

    def draw(
        self, values: Mapping[str, Array], stale: Mapping[str, Array], limits: tuple[float, float]
    ) -> None:
        """Show values by image, (slices,) each; `stale` are those of earlier settings, drawn faintly."""
        slices = np.arange(self._n_slices)
        for image in self._images:
            now, before = (_finite(part[image]) if image in part else None for part in (values, stale))
            _set(self.lines[image], slices, now)
            _set(self.stale[image], slices, before)
            # A line needs two points.
            alone = np.zeros(0, int) if now is None else _lonely(now)
            self._dots[image].setData(alone, [] if now is None else now[alone])
        self._item.setYRange(*limits)

    def flag(self, slices: Array | npt.NDArray[np.intp], values: Array) -> None:
        """Point at slices, at their values."""
        self.flagged.setData(slices, values)

    def mark(self, index: int | None) -> None:
        """Mark the slice on screen; none where there is no single one."""
        self._index = index
        self._mark.setVisible(index is not None)
        if index is not None:
            self._mark.setValue(index)

    def position_of(self, index: int) -> QPoint:
        """Return where a slice is, in pixels of the plot's viewport, at half its height."""
        box = self._item.getViewBox()
        (_, _), (low, high) = box.viewRange()
        point = box.mapViewToScene(pyqtgraph.Point(index, (low + high) / 2))
        return QPoint(self.plot.mapFromScene(point))

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Take the mouse: pyqtgraph's own handling is for zooming and its menu."""
        if event is None or watched is not self.plot.viewport():
            return False
        kind = event.type()
        if kind == QEvent.Type.Leave:
            self.hovered.emit(None)
        if not isinstance(event, QMouseEvent):
            return False
        index = self._slice_at(event.position().toPoint())
        if kind == QEvent.Type.MouseButtonPress:
            self.setFocus()
        if event.buttons() & Qt.MouseButton.LeftButton and index not in (None, self._index):
            self.picked.emit(index)
        if kind == QEvent.Type.MouseMove:
            self.hovered.emit(index)
        return True

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Step to the neighbour with an arrow."""
        step = None
        if event is not None and not event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier:
            step = _ARROWS.get(Qt.Key(event.key()))
        if step is None or self._index is None:
            super().keyPressEvent(event)
        elif 0 <= self._index + step < self._n_slices:
            self.picked.emit(self._index + step)

    def _slice_at(self, position: QPoint) -> int | None:
        """Return the slice at a place of the viewport; a drag beyond an end stays at the end."""
        if not self._n_slices:
            return None
        where = self._item.getViewBox().mapSceneToView(self.plot.mapToScene(position))
        return int(np.clip(round(where.x()), 0, self._n_slices - 1))


def _finite(values: Array) -> Array | None:
    """Return values with gaps in place of infinities; None where nothing is left."""
    finite = np.where(np.isfinite(values), values, np.nan)
    return None if np.isnan(finite).all() else finite


def _set(curve: Any, slices: npt.NDArray[np.intp], values: Array | None) -> None:
    if values is None:
        curve.setData([], [])
    else:
        curve.setData(slices, values, connect="finite")


def _lonely(values: Array) -> npt.NDArray[np.intp]:
    """Return where a value has no neighbour."""
    known = np.isfinite(np.concatenate([[np.nan], values, [np.nan]]))
    return np.flatnonzero(known[1:-1] & ~known[:-2] & ~known[2:])

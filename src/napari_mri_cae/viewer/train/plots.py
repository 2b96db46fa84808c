"""Live curves of a run: losses and PSNR over the epochs."""

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QCheckBox, QLabel, QVBoxLayout, QWidget

from napari_mri_cae.viewer.plots import PlotColors, color_axes, plain_plot

_FAINT_ALPHA: Final = 110
_HEIGHT: Final = 155
# Where there are more curves than colours the others are dashed; the same in the legend.
_STYLES: Final = (Qt.PenStyle.SolidLine, Qt.PenStyle.DashLine, Qt.PenStyle.DotLine)
_MARKS: Final = (
    "\N{BOX DRAWINGS HEAVY HORIZONTAL}",
    "\N{BOX DRAWINGS HEAVY DOUBLE DASH HORIZONTAL}",
    "\N{BOX DRAWINGS HEAVY QUADRUPLE DASH HORIZONTAL}",
)


class Curves(QWidget):
    """Two plots above each other, with the same epochs, and under each what its curves are.

    The losses are those of the training, of single batches (faint) and of whole epochs, and that of the
    validation. The PSNR is that of the validation slices at each noise level.

    Parameters
    ----------
    colors : PlotColors
        Of the theme.
    """

    def __init__(self, colors: PlotColors, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._colors = colors
        self.loss, self.psnr = plain_plot(), plain_plot()
        self.legends = {self.loss: QLabel(), self.psnr: QLabel()}
        self.log = QCheckBox("Logarithmic loss")
        self.log.setToolTip("Draw the losses on a logarithmic scale")
        self.log.toggled.connect(self._on_log)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        for widget, label in ((self.loss, "Loss"), (self.psnr, "PSNR (dB)")):
            widget.setFixedHeight(_HEIGHT)
            widget.setMinimumWidth(120)
            item = widget.getPlotItem()
            item.setLabel("left", label)
            item.getAxis("left").setWidth(60)
            item.showGrid(x=True, y=True, alpha=0.2)
            # A wheel that scrolls the dock must not zoom what it passes over.
            widget.wheelEvent = lambda event: event.ignore()
            self.legends[widget].setWordWrap(True)
            self.legends[widget].setAlignment(Qt.AlignmentFlag.AlignHCenter)
            layout.addWidget(widget)
            layout.addWidget(self.legends[widget])
        self.psnr.getPlotItem().setLabel("bottom", "Epoch")
        self.psnr.setXLink(self.loss)
        layout.insertWidget(2, self.log, alignment=Qt.AlignmentFlag.AlignRight)
        self._curves: dict[str, Any] = {}
        self.series: dict[str, list[tuple[float, float]]] = {}
        self.setToolTip("A batch's loss is faint, an epoch's is solid")
        self.set_colors(colors)

    def clear(self) -> None:
        """Show nothing any more."""
        for widget, legend in self.legends.items():
            widget.getPlotItem().clear()
            legend.clear()
        self._curves, self.series = {}, {}

    def set_colors(self, colors: PlotColors) -> None:
        """Draw everything in a theme's colours."""
        self._colors = colors
        for widget in self.legends:
            color_axes(widget.getPlotItem(), colors.text)
        for name, curve in self._curves.items():
            self._paint(name, curve)
        self._explain()

    def add_batch(self, epoch: float, loss: float | None) -> None:
        """Add a batch's loss."""
        self._add("batch", epoch, loss)

    def add_epoch(self, row: Mapping[str, Any]) -> None:
        """Add what was measured at the end of an epoch: a row of the metrics table."""
        epoch = float(row.get("epoch", len(self.series.get("training", ())) + 1))
        self._add("training", epoch, row.get("training_loss"))
        self._add("validation", epoch, row.get("validation_loss"))
        levels = [name for name in row if name.startswith("psnr/")]
        for name in levels or ("psnr",):
            self._add(name, epoch, row.get(name))

    def draw(self) -> None:
        """Paint what was added."""
        for name, points in self.series.items():
            if name not in self._curves:
                self._curves[name] = self._curve(name)
                self._explain()
            data = np.array(points)
            # A single point is no line.
            dot = "o" if name != "batch" and len(points) == 1 else None
            self._curves[name].setData(data[:, 0], data[:, 1], symbol=dot, symbolSize=5)

    def _add(self, name: str, epoch: float, value: Any) -> None:
        if value is not None and math.isfinite(value):
            self.series.setdefault(name, []).append((epoch, float(value)))

    def _curve(self, name: str) -> Any:
        """Return a new curve, in its plot."""
        curve = (self.psnr if _is_psnr(name) else self.loss).getPlotItem().plot([], [])
        self._paint(name, curve)
        curve.setDownsampling(auto=True, method="mean")
        curve.setLogMode(False, self.log.isChecked() and not _is_psnr(name))
        return curve

    def _look(self, name: str) -> tuple[str, int]:
        """Return a curve's colour, and which style it has."""
        if name == "batch":
            return self._colors.series[0], 0
        beside = [one for one in self.series if _is_psnr(one) == _is_psnr(name) and one != "batch"]
        style, number = divmod(beside.index(name), len(self._colors.series))
        return self._colors.series[number], style % len(_STYLES)

    def _paint(self, name: str, curve: Any) -> None:
        from pyqtgraph import mkPen

        color_name, style = self._look(name)
        color = QColor(color_name)
        if name == "batch":
            color.setAlpha(_FAINT_ALPHA)
        curve.setPen(mkPen(color, width=1 if name == "batch" else 2, style=_STYLES[style]))
        curve.setSymbolBrush(color)
        curve.setSymbolPen(None)

    def _explain(self) -> None:
        """Write the legends: below the plots, where they cover no curve."""
        several = len({name.split("/")[1] for name in self._curves if name.count("/") > 1}) > 1
        for widget, legend in self.legends.items():
            entries = []
            for name in self._curves:
                if name == "batch" or _is_psnr(name) != (widget is self.psnr):
                    continue
                color, style = self._look(name)
                title = _title(name, several=several).replace(" ", "\N{NO-BREAK SPACE}")
                entries.append(f'<span style="color:{color}">{_MARKS[style]}</span>&nbsp;{title}')
            legend.setText(" &nbsp; ".join(entries))

    def _on_log(self, is_log: bool) -> None:
        self.loss.getPlotItem().setLogMode(y=is_log)


def _is_psnr(name: str) -> bool:
    return name.startswith("psnr")


def _title(name: str, *, several: bool) -> str:
    """Return what a curve is: of "psnr/ixi/sigma=0.1", "sigma 0.1" or, of several data sets, "ixi 0.1"."""
    if name.count("/") < 2:
        return name
    _, data, level = name.split("/", 2)
    sigma = level.removeprefix("sigma=")
    if several:
        return f"{data} {sigma}"
    return "clean" if sigma == "0" else f"sigma {sigma}"

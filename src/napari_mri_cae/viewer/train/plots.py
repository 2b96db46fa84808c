"""Live curves of a run: losses and PSNR over the epochs."""

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QVBoxLayout, QWidget

# Okabe and Ito's colours, told apart by everyone, on dark and on light.
_COLORS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_STEP_COLOR: Final = "#0072b270"
_HEIGHT: Final = 155


class Curves(QWidget):
    """Two plots above each other, with the same epochs.

    The losses are those of the training, of single batches (faint) and of whole epochs, and that of the
    validation. The PSNR is that of the validation slices at each noise level.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        import pyqtgraph

        self._plot = pyqtgraph
        self.loss = pyqtgraph.PlotWidget(background=None)
        self.psnr = pyqtgraph.PlotWidget(background=None)
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
            item.getAxis("left").enableAutoSIPrefix(False)
            item.showGrid(x=True, y=True, alpha=0.2)
            item.setMenuEnabled(False)
            item.hideButtons()
            item.addLegend(offset=(-4, 4), labelTextSize="8pt", verSpacing=-6)
            # A wheel that scrolls the dock must not zoom what it passes over.
            item.setMouseEnabled(x=False, y=False)
            widget.wheelEvent = lambda event: event.ignore()
            layout.addWidget(widget)
        self.psnr.getPlotItem().setLabel("bottom", "Epoch")
        self.psnr.setXLink(self.loss)
        layout.insertWidget(1, self.log, alignment=Qt.AlignmentFlag.AlignRight)
        self._curves: dict[str, Any] = {}
        self.series: dict[str, list[tuple[float, float]]] = {}
        self.setToolTip("A batch's loss is faint, an epoch's is solid")

    def clear(self) -> None:
        """Show nothing any more."""
        for widget in (self.loss, self.psnr):
            widget.getPlotItem().clear()
            widget.getPlotItem().legend.clear()
        self._curves, self.series = {}, {}

    def set_colors(self, text: str) -> None:
        """Draw axes and labels in a theme's colour for text."""
        for widget in (self.loss, self.psnr):
            item = widget.getPlotItem()
            for side in ("left", "bottom"):
                item.getAxis(side).setPen(text)
                item.getAxis(side).setTextPen(text)
            item.legend.setLabelTextColor(text)
            for _, label in item.legend.items:
                label.setText(label.text, color=text)

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
            data = np.array(points)
            if name != "batch" and len(points) == 1:
                # A single point is no line.
                self._curves[name].setData(data[:, 0], data[:, 1], symbol="o", symbolSize=5)
            else:
                self._curves[name].setData(data[:, 0], data[:, 1], symbol=None)

    def _add(self, name: str, epoch: float, value: Any) -> None:
        if value is not None and math.isfinite(value):
            self.series.setdefault(name, []).append((epoch, float(value)))

    def _curve(self, name: str) -> Any:
        """Return a new curve, in its plot and with its colour."""
        is_psnr = name.startswith("psnr")
        plot = (self.psnr if is_psnr else self.loss).getPlotItem()
        if name == "batch":
            pen, title = self._plot.mkPen(_STEP_COLOR, width=1), None
        else:
            number = sum(one.startswith("psnr") == is_psnr and one != "batch" for one in self._curves)
            color = _COLORS[number % len(_COLORS)]
            pen, title = self._plot.mkPen(color, width=2), name.removeprefix("psnr/")
        curve = plot.plot([], [], pen=pen, name=title)
        curve.opts.update(symbolBrush=pen.color(), symbolPen=None)
        curve.setDownsampling(auto=True, method="mean")
        curve.setLogMode(False, self.log.isChecked() and not is_psnr)
        return curve

    def _on_log(self, is_log: bool) -> None:
        self.loss.getPlotItem().setLogMode(y=is_log)

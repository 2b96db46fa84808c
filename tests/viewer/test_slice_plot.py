"""The plot over the slices, the worst of them and the unusual ones, used with mouse and keys."""

from pathlib import Path

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication, QDockWidget

from napari_mri_cae.models import SliceBin, SliceStatistics, load_model, save_model
from napari_mri_cae.models.model import Model
from napari_mri_cae.viewer.compare.slice_plot import SlicePlot
from napari_mri_cae.viewer.compare.slice_plot_dock import NAME


def opened(window) -> SlicePlot:
    """Open the plot with its button."""
    window.click(window.dock.worst_box.plot)
    plot = window.dock.slice_plot_dock.plot
    window.until(plot.isVisible)
    return plot


def drawn(plot: SlicePlot, image: str) -> np.ndarray:
    """Return what a curve shows, NaN where nothing."""
    _, values = plot.curves.lines[image].getData()
    return np.array([]) if values is None else values


def hover(plot: SlicePlot, index: int) -> None:
    viewport = plot.curves.plot.viewport()
    place = QPointF(plot.curves.position_of(index))
    none = Qt.MouseButton.NoButton
    event = QMouseEvent(
        QEvent.Type.MouseMove,
        place,
        QPointF(viewport.mapToGlobal(place.toPoint())),
        none,
        none,
        Qt.KeyboardModifier.NoModifier,
    )
    QApplication.sendEvent(viewport, event)


@pytest.fixture
def usual_model(tiny_model: Path, tmp_path: Path) -> Path:
    """The tiny model, whose card says that its own slices came out far better."""
    model = load_model(str(tiny_model))
    noise = {"kind": "gaussian-noise", "sigma": 0.03}
    usual = SliceStatistics(
        plane="axial",
        corruptions=(noise,),
        volumes=3,
        bins=(SliceBin(tissue=0.9, slices=30, psnr=(45.0, 1.0), ssim=(0.99, 0.002)),),
    )
    card = model.card.model_copy(update={"slice_statistics": (usual,), "name": "usual"})
    return save_model(Model(model.network, card), tmp_path / "usual.safetensors")


def test_the_mouse_and_the_arrows_go_through_the_slices(alone) -> None:
    plot = opened(alone)
    np.testing.assert_array_equal(
        drawn(plot, "reconstructed"), alone.comparison.metrics["psnr_reconstructed"]
    )
    np.testing.assert_array_equal(drawn(plot, "corrupted"), alone.comparison.metrics["psnr_corrupted"])
    assert drawn(plot, "reconstructed_2").size == 0
    assert (plot.start.text(), plot.end.text()) == ("◂ superior", "inferior ▸")

    viewport = plot.curves.plot.viewport()
    alone.qtbot.mouseClick(viewport, Qt.MouseButton.LeftButton, pos=plot.curves.position_of(3))
    assert alone.index == 3
    alone.mouse(viewport, plot.curves.position_of(3), plot.curves.position_of(9))
    assert alone.index == 9
    # Beyond the end of the axis it stays at the last one.
    alone.mouse(viewport, plot.curves.position_of(9), QPoint(viewport.width() + 50, 20))
    assert alone.index == alone.comparison.n_slices - 1
    alone.press(plot.curves, Qt.Key.Key_Right, Qt.Key.Key_Left, Qt.Key.Key_Left)
    assert alone.index == alone.comparison.n_slices - 3

    value = alone.comparison.metrics["psnr_reconstructed"][5]
    hover(plot, 5)
    assert "Slice 5<" in plot.readout.text().replace("&", "<")
    assert f"{value:.2f}" in plot.readout.text()
    QApplication.sendEvent(viewport, QEvent(QEvent.Type.Leave))
    assert f"Slice {alone.index}" in plot.readout.text()
    alone.scroll_to(4)
    assert "Slice 4" in plot.readout.text()


def test_it_follows_the_metric_and_the_plane(alone) -> None:
    plot = opened(alone)
    alone.choose(plot.metric_picker, 1)
    alone.state.metric = plot.metric_picker.currentData()
    assert alone.state.metric == "ssim"
    np.testing.assert_array_equal(
        drawn(plot, "reconstructed"), alone.comparison.metrics["ssim_reconstructed"]
    )
    alone.click(alone.dock.view_box.planes["sagittal"])
    alone.until_done()
    alone.until(lambda: len(drawn(plot, "corrupted")) == alone.comparison.n_slices)
    assert (plot.start.text(), plot.end.text()) == ("◂ patient's right", "patient's left ▸")


def test_back_to_a_plane_with_more_slices(alone) -> None:
    window = alone
    plot = opened(window)
    window.state.plane = "coronal"
    window.until_done()
    window.session.go_to(15)
    window.state.plane = "axial"
    window.until_done()
    window.until(lambda: len(drawn(plot, "corrupted")) == 12)
    window.state.plane = "coronal"
    assert "Slice 15" in plot.readout.text()
    window.until_done()
    window.until(lambda: len(drawn(plot, "corrupted")) == 16)


def test_it_fills_as_slices_finish_and_keeps_the_last_ones_faintly(
    open_window, volume_file: Path, gate
) -> None:
    window = open_window(model="gate", alone=True)
    plot = opened(window)
    assert "Open a volume" in plot.readout.text()
    window.dock.open_path(volume_file)
    gate.let(3)
    window.until(lambda: np.isfinite(drawn(plot, "reconstructed")).sum() == 3)
    finished = np.flatnonzero(window.comparison.done)
    np.testing.assert_array_equal(np.flatnonzero(np.isfinite(drawn(plot, "reconstructed"))), finished)
    assert window.index in finished
    gate.open()
    window.until_done()
    before = window.comparison.metrics["psnr_corrupted"].copy()
    window.until(lambda: np.isfinite(drawn(plot, "corrupted")).all())

    gate.shut()
    window.state.seed = 1
    window.until(lambda: drawn(plot, "corrupted").size == 0)
    np.testing.assert_array_equal(plot.curves.stale["corrupted"].getData()[1], before)
    gate.open()
    window.until_done()
    window.until(lambda: np.isfinite(drawn(plot, "corrupted")).all())
    assert not np.array_equal(drawn(plot, "corrupted"), before)


def test_the_worst_slices_are_a_key_or_a_click_away(alone) -> None:
    values = alone.comparison.metrics["psnr_reconstructed"]
    order = np.argsort(values, kind="stable").tolist()
    box = alone.dock.worst_box
    alone.until(lambda: [box.list.itemData(row) for row in range(box.list.count())] == order[:8])
    assert box.list.itemText(0) == f"Slice {order[0]}: {values[order[0]]:.2f} dB"
    alone.dock.activateWindow()
    alone.dock.setFocus()
    alone.qtbot.waitUntil(alone.dock.isActiveWindow)
    alt = Qt.KeyboardModifier.AltModifier
    steps = ((Qt.Key.Key_Home, 0), (Qt.Key.Key_PageDown, 1), (Qt.Key.Key_PageDown, 2), (Qt.Key.Key_PageUp, 1))
    for key, rank in steps:
        alone.qtbot.keyClick(alone.dock, key, alt)
        assert alone.index == order[rank]
    alone.click(box.next)
    assert alone.index == order[2]
    alone.click(box.previous)
    assert alone.index == order[1]
    alone.until(lambda: box.list.currentIndex() == 1)
    alone.choose(box.list, 4)
    box.list.activated.emit(4)
    assert alone.index == order[4]


def test_unusual_slices_are_flagged_in_the_plot_and_in_the_numbers(
    open_window, volume_file: Path, usual_model: Path, tiny_model: Path
) -> None:
    window = open_window(model=usual_model, alone=True)
    window.drop(volume_file)
    comparison = window.until_compared("sub-01_T1w")
    plot = opened(window)
    cell = window.dock.metrics_box.cells["slice", "z", "reconstructed"]
    z = comparison.metrics["psnr_reconstructed"][window.index] - 45.0
    assert z < -3
    window.until(lambda: cell.text() == f"\N{WARNING SIGN} {z:+.1f}")
    assert "never a diagnosis" in cell.toolTip()
    assert f"unusual, z = {z:+.1f}" in plot.readout.text()
    assert window.dock.metrics_box.cells["volume", "z", "reconstructed"].text() == "12 unusual"
    assert len(plot.curves.flagged.data) == comparison.n_slices

    window.drop(tiny_model)
    window.until(lambda: window.comparison.model.card.name == "tiny")
    window.until_done()
    window.until(lambda: cell.text() == "\N{EN DASH}")
    assert "does not tell" in cell.toolTip()
    window.until(lambda: not len(plot.curves.flagged.data))


def test_a_second_model_has_its_own_curve(open_window, volume_file: Path, tiny_model: Path) -> None:
    window = open_window(model=tiny_model, alone=True)
    window.state.second_model = str(tiny_model)
    window.drop(volume_file)
    comparison = window.until_compared("sub-01_T1w")
    plot = opened(window)
    window.until(lambda: np.isfinite(drawn(plot, "reconstructed_2")).all())
    np.testing.assert_array_equal(drawn(plot, "reconstructed_2"), comparison.metrics["psnr_reconstructed_2"])
    assert "Reconstructed 2" in plot.readout.text()


def test_in_a_window_it_stands_below_the_panels_and_goes_with_the_comparison(window) -> None:
    worst = int(np.argmin(window.comparison.metrics["psnr_reconstructed"]))
    plot = opened(window)
    dock = plot.parent()
    assert isinstance(dock, QDockWidget)
    assert dock.windowTitle() == NAME

    # The keys as the canvas hears them; a key with the focus in a dock is passed on to it.
    window.scroll_to((worst + 3) % window.comparison.n_slices)
    window.qtbot.keyClick(dock, Qt.Key.Key_Home, Qt.KeyboardModifier.AltModifier)
    window.until(lambda: window.index == worst)

    window.viewer.dims.ndisplay = 3
    assert "All slices" in plot.readout.text()
    viewport = plot.curves.plot.viewport()
    window.qtbot.mouseClick(viewport, Qt.MouseButton.LeftButton, pos=plot.curves.position_of(2))
    assert window.viewer.dims.ndisplay == 2
    assert window.index == 2

    colors = plot.curves.lines["corrupted"].opts["pen"].color().name()
    window.viewer.theme = "light"
    assert plot.curves.lines["corrupted"].opts["pen"].color().name() != colors

    # Closed with the dock's own button, opened again, and gone with the comparison.
    dock.titleBarWidget().close_button.click()
    window.until(lambda: not window.state.slice_plot)
    assert not window.dock.worst_box.plot.isChecked()
    assert opened(window) is plot
    keys = {str(key) for key in window.viewer.keymap}
    assert keys
    window.dock.close_comparison()
    window.until(lambda: not plot.isVisible())
    assert not window.viewer.keymap

"""Our docks share one place, behind tabs, unless somebody puts them elsewhere."""

from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QMainWindow

from napari_mri_cae.viewer.compare import CompareDock, bring_up, open_docks
from napari_mri_cae.viewer.train import TrainDock


def _open(viewer: Any, qtbot: Any, name: str) -> Any:
    _, dock = viewer.window.add_plugin_dock_widget("napari-mri-cae", name)
    # It takes its place in the next turn of the event loop.
    qtbot.waitUntil(lambda: dock._is_placed)
    return dock


def _trigger(viewer: Any, qtbot: Any, name: str) -> None:
    """Choose an entry of our menu."""
    plugins = viewer.window.plugins_menu
    plugins.aboutToShow.emit()
    (ours,) = [action.menu() for action in plugins.actions() if action.text() == "MRI autoencoder"]
    (entry,) = [action for action in ours.actions() if action.text().startswith(name)]
    entry.trigger()
    qtbot.wait(50)


def _main_window(dock: TrainDock | CompareDock) -> QMainWindow:
    window = dock.window()
    assert isinstance(window, QMainWindow)
    return window


def test_docks_come_up_behind_tabs(make_napari_viewer: Any, qtbot: Any) -> None:
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1000, 900)
    compare, train = (_open(viewer, qtbot, name) for name in ("Compare", "Train"))
    frames = compare.dock_widget, train.dock_widget
    window = _main_window(train)
    assert window.tabifiedDockWidgets(frames[0]) == [frames[1]]
    assert compare.visibleRegion().isEmpty()
    assert train.height() > 600
    # Who closes one and opens it again sees it.
    frames[0].close()
    frames[0].show()
    qtbot.waitUntil(lambda: not compare.visibleRegion().isEmpty())
    assert train.visibleRegion().isEmpty()


def test_docks_stay_where_they_are_put(make_napari_viewer: Any, qtbot: Any) -> None:
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1000, 900)
    compare = _open(viewer, qtbot, "Compare")
    window, frame = _main_window(compare), compare.dock_widget
    window.addDockWidget(Qt.DockWidgetArea.LeftDockWidgetArea, frame)
    train = _open(viewer, qtbot, "Train")
    assert window.tabifiedDockWidgets(frame) == []
    assert window.dockWidgetArea(train.dock_widget) == Qt.DockWidgetArea.RightDockWidgetArea
    window.splitDockWidget(train.dock_widget, frame, Qt.Orientation.Vertical)
    frame.close()
    frame.show()
    qtbot.wait(50)
    assert window.tabifiedDockWidgets(frame) == []
    assert not train.visibleRegion().isEmpty()


def test_compare_that_another_dock_opens_is_that_of_the_menu(make_napari_viewer: Any, qtbot: Any) -> None:
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1000, 900)
    dock = bring_up(viewer)
    qtbot.waitUntil(lambda: dock._is_placed)
    train = _open(viewer, qtbot, "Train")
    assert dock.visibleRegion().isEmpty()
    assert bring_up(viewer) is dock
    qtbot.waitUntil(lambda: not dock.visibleRegion().isEmpty())
    assert train.visibleRegion().isEmpty()
    _trigger(viewer, qtbot, "Compare")
    assert dock.dock_widget.isHidden()
    _trigger(viewer, qtbot, "Compare")
    assert not dock.dock_widget.isHidden()
    assert open_docks(viewer) == [dock]

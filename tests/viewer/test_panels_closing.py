"""Panels go in every way there is, in a window that is painted, and the graphics driver survives it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from napari.components import ViewerModel
from qtpy.QtGui import QOpenGLContext
from qtpy.QtWidgets import QApplication, QWidget

from napari_mri_cae.viewer.gl_context import make_canvas_current


def paint(window: Any) -> None:
    """Have Qt draw the whole window more than once, as it does while somebody looks at it."""
    canvas = canvas_of(window)
    for _ in range(3):
        canvas.update()
        window.qtbot.wait(30)
        QApplication.processEvents()


def canvas_of(window: Any) -> Any:
    centre = window.viewer.window.main_menu.window().centralWidget()
    (canvas,) = (widget for widget in centre.findChildren(QWidget) if hasattr(widget, "makeCurrent"))
    return canvas


@pytest.fixture
def painted(window: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A complete comparison that has been painted; checks where the graphics card's memory is freed."""
    canvas = canvas_of(window)
    vispy_context = window.viewer.window._qt_viewer.canvas._scene_canvas.context
    finish = vispy_context.finish
    freed_in_canvas: list[bool] = []

    def note_and_finish() -> None:
        freed_in_canvas.append(QOpenGLContext.currentContext() == canvas.context())
        if not freed_in_canvas[-1]:
            # So that the test fails, and not the whole run.
            canvas.makeCurrent()
        finish()

    monkeypatch.setattr(vispy_context, "finish", note_and_finish)
    paint(window)
    yield window
    paint(window)
    assert freed_in_canvas
    assert all(freed_in_canvas)
    assert window.sentences == []


def close_comparison(window: Any) -> None:
    window.dock.close_comparison()


def remove_one_by_one(window: Any) -> None:
    for layer in list(window.panels.values()):
        window.viewer.layers.remove(layer)
        paint(window)


def press_delete(window: Any) -> None:
    window.viewer.layers.selection = set(window.panels.values())
    window.viewer.layers.remove_selected()


def hide_then_close(window: Any) -> None:
    for layer in list(window.panels.values())[1:]:
        layer.visible = False
        paint(window)
    window.dock.close_comparison()


def toggle_the_grid_then_close(window: Any) -> None:
    for enabled in (False, True, False):
        window.viewer.canvas.grid.enabled = enabled
        paint(window)
    window.dock.close_comparison()


def go_to_3d_then_close(window: Any) -> None:
    for ndisplay in (3, 2, 3):
        window.viewer.dims.ndisplay = ndisplay
        paint(window)
    window.dock.close_comparison()


@pytest.mark.parametrize(
    "leave",
    [
        close_comparison,
        remove_one_by_one,
        press_delete,
        hide_then_close,
        toggle_the_grid_then_close,
        go_to_3d_then_close,
    ],
)
def test_the_source_is_painted_after_the_panels_have_gone(painted: Any, leave: Callable[[Any], None]) -> None:
    leave(painted)
    assert painted.panels == {}
    assert painted.dock.comparison is None
    # A single layer is left: what Mesa cannot draw if the others were freed in the wrong place.
    paint(painted)
    picture = painted.viewer.screenshot(canvas_only=True, flash=False)
    assert [(layer.name, layer.visible) for layer in painted.viewer.layers] == [("sub-01_T1w", True)]
    assert picture[..., :3].max() > 100


@pytest.mark.parametrize("last", ["source", "panel"])
def test_everything_may_go_at_once(painted: Any, last: str) -> None:
    # layers.clear() begins at the end.
    if last == "panel":
        painted.viewer.layers.move(0, 5)
    painted.viewer.layers.clear()
    paint(painted)
    assert painted.dock.comparison is None
    assert not painted.viewer.layers


@pytest.mark.parametrize("kept", ["original", "residual"])
def test_one_panel_may_be_left(painted: Any, kept: str) -> None:
    for role, layer in painted.panels.items():
        if role != kept:
            painted.viewer.layers.remove(layer)
    paint(painted)
    assert set(painted.panels) == {kept}
    painted.dock.close_comparison()
    paint(painted)
    assert not painted.panels


def test_a_viewer_needs_no_window() -> None:
    make_canvas_current(ViewerModel())


def test_a_window_may_have_gone(make_napari_viewer) -> None:
    viewer = make_napari_viewer()
    viewer.close()
    QApplication.processEvents()
    make_canvas_current(viewer)

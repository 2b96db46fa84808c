"""The blank-out square is drawn with the mouse on a panel."""

import numpy as np
import pytest
from qtpy.QtCore import QPoint

from napari_mri_cae.corruptions import BlankOut
from napari_mri_cae.planes import plane_axis
from napari_mri_cae.viewer.compare.blank_out_tool import square_between
from napari_mri_cae.viewer.compare.state import ChainItem


@pytest.mark.parametrize(
    ("end", "square"),
    [
        ((9, 8), BlankOut(size=4, row=5, column=6)),
        ((6, 11), BlankOut(size=5, row=5, column=6)),
        ((2, 5), BlankOut(size=3, row=2, column=3)),
        ((1, 9), BlankOut(size=4, row=1, column=6)),
        ((5, 6), BlankOut(size=0, row=5, column=6)),
        # Wholly inside the slice.
        ((0, 0), BlankOut(size=6, row=0, column=0)),
    ],
)
def test_the_square_between_two_pixels(end: tuple[int, int], square: BlankOut) -> None:
    assert square_between((5, 6), end) == square


def on_canvas(window, panel: str, row: int, column: int) -> QPoint:
    """Return where a pixel of a panel's slice lies on the canvas, by napari's own camera."""
    canvas = window.viewer.window._qt_viewer.canvas
    layer = window.panels[panel]
    where = dict(window.grid_names())[layer.name]
    width, height = canvas.native.width(), canvas.native.height()
    inside = ((2 * where[1] + 1) * width / 4, (2 * where[0] + 1) * height / 4)
    view, cell = canvas._get_viewbox_at(inside)
    assert cell == where
    pixel = np.insert([row, column], plane_axis(window.state.plane), window.index)
    world = np.asarray(layer.data_to_world(pixel))[list(window.viewer.dims.displayed)]
    x, y = (view.transform * view.scene.transform).map(world[::-1])[:2]
    return QPoint(round(x), round(y))


def test_a_square_is_drawn_on_any_panel(window) -> None:
    row = window.dock.corruption_box.row(BlankOut)
    canvas = window.viewer.window._qt_viewer.canvas.native
    camera, comparison = window.viewer.scene.camera, window.comparison
    state, callbacks = window.state, list(window.viewer.mouse_drag_callbacks)
    state.replace_corruption(4, ChainItem(BlankOut(size=20, value=0.75)))
    window.click(row.place)
    assert row.place.isChecked()
    assert not camera.mouse_pan
    centre = camera.center
    for plane, panel, start, end, square in [
        ("axial", "original", (3, 4), (9, 8), (6, 3, 4)),
        ("axial", "residual", (12, 10), (8, 7), (4, 8, 6)),
        ("coronal", "corrupted", (2, 3), (7, 5), (5, 2, 3)),
        ("sagittal", "reconstructed", (1, 2), (5, 11), (9, 1, 2)),
    ]:
        window.click(window.dock.view_box.planes[plane])
        centre = camera.center
        window.mouse(canvas, on_canvas(window, panel, *start), on_canvas(window, panel, *end))
        size, top, left = square
        expected = BlankOut(size=size, row=top, column=left, value=0.75)
        assert state.chain[4] == ChainItem(expected, enabled=True)
        assert row.check.isChecked()
        assert row.form.settings == expected
        window.until_done()
        assert comparison.corruptions[-1] == expected
        drawn = window.on_screen("corrupted")
        assert (drawn[top : top + size, left : left + size] == 0.75).all()
        assert (drawn == 0.75).sum() == drawn[top : top + size, left : left + size].size
        assert camera.center == centre

    # In 3-D, where a panel has no pixel to point at, nothing is drawn.
    before = state.chain
    window.viewer.dims.ndisplay = 3
    window.mouse(canvas, QPoint(40, 40), QPoint(80, 90))
    assert state.chain == before
    window.viewer.dims.ndisplay = 2
    # Clicked again, the mouse moves the camera as it did.
    window.click(row.place)
    assert camera.mouse_pan
    assert window.viewer.mouse_drag_callbacks == callbacks
    window.mouse(canvas, on_canvas(window, "original", 3, 4), on_canvas(window, "original", 9, 8))
    assert state.chain == before
    window.click(row.place)
    window.dock.close_comparison()
    assert not row.place.isChecked()
    assert camera.mouse_pan
    assert window.viewer.mouse_drag_callbacks == callbacks

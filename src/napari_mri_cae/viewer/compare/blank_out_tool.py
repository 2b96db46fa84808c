"""Place the blank-out square by dragging on the canvas."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from napari_mri_cae.corruptions import BlankOut
from napari_mri_cae.planes import plane_axis
from napari_mri_cae.viewer.compare.session import ComparisonSession


class BlankOutTool:
    """While active, a drag on any panel draws the blank-out square.

    Parameters
    ----------
    session : ComparisonSession
    placed : callable
        Called with the `BlankOut` while the user drags.
    """

    def __init__(self, session: ComparisonSession, placed: Callable[[BlankOut], None]) -> None:
        self._session = session
        self._placed = placed
        self._mouse_pan = True
        self._active = False

    @property
    def active(self) -> bool:
        """Whether a drag draws the square instead of panning the camera."""
        return self._active

    @active.setter
    def active(self, active: bool) -> None:
        viewer = self._session.viewer
        if active == self._active:
            return
        self._active = active
        camera = viewer.scene.camera
        if active:
            self._mouse_pan = camera.mouse_pan
            camera.mouse_pan = False
            viewer.mouse_drag_callbacks.append(self._drag)
        else:
            camera.mouse_pan = self._mouse_pan
            if self._drag in viewer.mouse_drag_callbacks:
                viewer.mouse_drag_callbacks.remove(self._drag)

    def _drag(self, viewer: Any, event: Any) -> Iterator[None]:
        start = self._pixel(event.position)
        if start is None:
            return
        yield
        # Also where the button is let go: quick moves are not all told.
        while event.type in ("mouse_move", "mouse_release"):
            end = self._pixel(event.position)
            if end is not None:
                square = square_between(start, end)
                if square.size:
                    self._placed(square)
            yield

    def _pixel(self, position: tuple[float, ...]) -> tuple[int, int] | None:
        """Return the slice pixel (row, column) at a place in the world."""
        comparison = self._session.comparison
        layer = next(iter(self._session.panels.layers.values()), None)
        if comparison is None or layer is None or self._session.viewer.dims.ndisplay == 3:
            return None
        index = layer.world_to_data(np.asarray(position)[-3:])
        row, column = np.delete(np.asarray(index), plane_axis(comparison.plane))
        height, width = np.delete(comparison.original.shape, plane_axis(comparison.plane))
        return int(np.clip(round(row), 0, height - 1)), int(np.clip(round(column), 0, width - 1))


def square_between(start: tuple[int, int], end: tuple[int, int]) -> BlankOut:
    """Return the square that a drag from `start` to `end` (row, column) spans, growing from its start."""
    rows, columns = end[0] - start[0], end[1] - start[1]
    size = min(max(abs(rows), abs(columns)), 1024)
    row = start[0] if rows >= 0 else start[0] - size
    column = start[1] if columns >= 0 else start[1] - size
    return BlankOut(size=size, row=max(row, 0), column=max(column, 0))

"""Keep the viewer from freeing a layer's OpenGL objects where they do not live."""

from contextlib import suppress
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QWidget

if TYPE_CHECKING:
    from napari.components import ViewerModel


def make_canvas_current(viewer: "ViewerModel") -> None:
    """Make the canvas' OpenGL context the current one, as it has to be when a layer is removed.

    When a layer goes, napari 0.9 at once flushes the OpenGL commands that free what the layer has had on
    the graphics card, but does not say in which context. After a repaint the current one is that in which
    Qt puts the window together. It shares the canvas' objects, so most drivers do as they are told; Mesa's
    software renderer (22.3) keeps such shaders for the canvas' context to free, which unbinds the shader
    in use there without noticing: if a single layer is left to be drawn, the next repaint crashes.

    Does nothing for a viewer without a window, or whose window has gone.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    """
    window = getattr(viewer, "window", None)
    if window is None:
        return
    # Of a window that has been closed, PyQt and PySide have deleted the parts.
    with suppress(RuntimeError):
        centre = window.main_menu.window().centralWidget()
        # qtpy has no QOpenGLWidget that is there in every Qt.
        for widget in centre.findChildren(QWidget) if centre is not None else ():
            if hasattr(widget, "makeCurrent"):
                widget.makeCurrent()
                return

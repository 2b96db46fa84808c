"""Show volumes upright, in a plane, with the patient's right on the side the convention says."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Literal

from napari.components import ViewerModel
from napari.components.overlays import TextOverlay
from psygnal import Signal

from napari_mri_cae.errors import InputError
from napari_mri_cae.planes import Plane, check_plane

Convention = Literal["radiological", "neurological"]

# How the axes of space stand in dims.order. The last two are a slice's rows and columns.
ORDERS: Final[dict[Plane, tuple[int, int, int]]] = {
    "axial": (0, 1, 2),
    "coronal": (1, 0, 2),
    "sagittal": (2, 0, 1),
}
# (1, 0, 2) is an odd permutation: in 3-D it would show a head as its own mirror image.
_ORDER_3D: Final = (0, 1, 2)

# Depth, rows, columns. Both are right-handed, so neither mirrors what is shown in 3-D.
_CAMERAS: Final[dict[Convention, tuple[str, str, str]]] = {
    "radiological": ("towards", "down", "right"),
    "neurological": ("away", "down", "left"),
}

# The ends of axes I, P and L: where the index is 0, and where it is largest.
_ENDS: Final = (("S", "I"), ("A", "P"), ("R", "L"))
_POSITIONS: Final = {
    "top": "top_center",
    "bottom": "bottom_center",
    "left": "middle_left",
    "right": "middle_right",
}
_LETTER_SIZE: Final = 11

_FIXED_3D: Final = "In 3-D the axes keep their order: in another the head would be its own mirror image."

_UPRIGHT: Final = {
    "axial": "anterior is up, the patient's right on your {side}",
    "coronal": "superior is up, the patient's right on your {side}",
    "sagittal": "superior is up, anterior on your left",
}


class PlaneView:
    """The way a viewer looks at volumes in I-P-L order.

    From `apply` to `restore` the order of the axes and the camera are those of a plane and a convention, and
    letters at the edges of every panel say which side is which. The user may roll and transpose the axes,
    turn the camera, go to 3-D and back: the letters stay true, and `changed` tells what is shown.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        A viewer, with or without a window.
    plane : {"axial", "coronal", "sagittal"}
    convention : {"radiological", "neurological"}
        Radiological has the patient's right on the viewer's left, in axial and coronal slices and in 3-D;
        neurological on the viewer's right. Sagittal slices look to the viewer's left in both.

    Attributes
    ----------
    changed : psygnal.Signal
        Emitted with the plane that is shown (None if it is none of the three, upright) and a sentence that
        says so in plain words.

    Raises
    ------
    InputError
        If there is no such plane or convention.
    """

    changed = Signal(object, str)

    def __init__(self, viewer: ViewerModel, plane: str = "axial", convention: str = "radiological") -> None:
        self._viewer = viewer
        self._plane = check_plane(plane)
        self._convention = check_convention(convention)
        self._orientation_known = True
        self._before: tuple[tuple[int, ...], Any] | None = None
        self._ndim = 0
        self._busy = False
        self._told: tuple[Plane | None, str] | None = None

    @property
    def is_applied(self) -> bool:
        """Whether `apply` has been called, and `restore` not since."""
        return self._before is not None

    @property
    def plane(self) -> Plane:
        """The plane that is shown, or was when it last was one of the three; setting it turns the axes."""
        return self._plane

    @plane.setter
    def plane(self, plane: str) -> None:
        self._plane = check_plane(plane)
        self._arrange()

    @property
    def convention(self) -> Convention:
        """Which side the patient's right is on; setting it turns the camera, never the data."""
        return self._convention

    @convention.setter
    def convention(self, convention: str) -> None:
        self._convention = check_convention(convention)
        self._arrange()

    @property
    def orientation_known(self) -> bool:
        """Whether the volume on screen says how it lies; if not, the letters carry a question mark."""
        return self._orientation_known

    @orientation_known.setter
    def orientation_known(self, known: bool) -> None:
        self._orientation_known = known
        self._tell()

    @property
    def shown(self) -> Plane | None:
        """The plane that is on screen; in 3-D the one that was before. None if the view is none of ours."""
        return self._plane if self._has_space and self._is_upright() else None

    @property
    def sentence(self) -> str:
        """What is on screen, in plain words."""
        if not self._has_space:
            return "There is no volume on screen."
        if not self._is_upright():
            return "The view was turned by hand: the letters at its edges say which side is which."
        radiological = self._convention == "radiological"
        if self._viewer.dims.ndisplay == 3:
            start = "the feet" if radiological else "above the head"
            return f"3-D, {self._convention}: not mirrored, seen from {start} until you turn it."
        name = self._plane.capitalize()
        if self._plane != "sagittal":
            name = f"{name}, {self._convention}"
        where = _UPRIGHT[self._plane].format(side="left" if radiological else "right")
        if not self._orientation_known:
            where += ", if the order of the axes is as assumed: the file does not say"
        return f"{name}: {where}."

    def apply(self) -> None:
        """Turn the viewer to the plane and the convention, and keep an eye on it."""
        dims, camera = self._viewer.dims, self._viewer.scene.camera
        if self._before is None:
            self._before = (dims.order, camera.orientation)
            dims.events.order.connect(self._on_order)
            # Last, so that napari's own camera is in 3-D when the order of the axes changes.
            dims.events.ndisplay.connect(self._on_ndisplay, position="last")
            camera.events.orientation.connect(self._on_camera)
        self._ndim = dims.ndim
        self._arrange()

    def restore(self) -> None:
        """Give the viewer back the order of axes and the camera it had before, and take the letters away."""
        before, self._before = self._before, None
        if before is None:
            return
        order, orientation = before
        dims, camera = self._viewer.dims, self._viewer.scene.camera
        dims.events.order.disconnect(self._on_order)
        dims.events.ndisplay.disconnect(self._on_ndisplay)
        camera.events.orientation.disconnect(self._on_camera)
        for side in _POSITIONS:
            self._viewer.canvas.overlays.pop(_overlay_key(side), None)
        camera.orientation = orientation
        dims.order = _fitted(order, dims.ndim)
        self._told = None

    @property
    def _has_space(self) -> bool:
        return bool(self._viewer.dims.ndim >= 3)

    def _is_upright(self) -> bool:
        dims, camera = self._viewer.dims, self._viewer.scene.camera
        if tuple(map(str, camera.orientation)) != self._wanted_camera():
            return False
        return bool(dims.order[-dims.ndisplay :] == self._wanted_order()[-dims.ndisplay :])

    def _wanted_order(self) -> tuple[int, ...]:
        dims = self._viewer.dims
        return _fitted(_ORDER_3D if dims.ndisplay == 3 else ORDERS[self._plane], dims.ndim)

    def _wanted_camera(self) -> tuple[str, str, str]:
        flat_sagittal = self._plane == "sagittal" and self._viewer.dims.ndisplay == 2
        return _CAMERAS["radiological" if flat_sagittal else self._convention]

    def _arrange(self) -> None:
        """Put axes and camera where they belong."""
        if self._before is None:
            return
        if self._has_space:
            with self._unheard():
                self._viewer.scene.camera.orientation = self._wanted_camera()
                self._viewer.dims.order = self._wanted_order()
        self._tell()

    def _on_order(self) -> None:
        dims = self._viewer.dims
        had_space, self._ndim = self._ndim >= 3, dims.ndim
        if self._busy:
            return
        if not (had_space and self._has_space):
            self._arrange()
            return
        if dims.ndisplay == 3:
            self._arrange()
            self.changed.emit(self.shown, _FIXED_3D)
            return
        rows_and_columns = tuple(axis - (dims.ndim - 3) for axis in dims.order[-2:])
        plane = next((name for name, order in ORDERS.items() if order[1:] == rows_and_columns), None)
        if plane is None:
            self._tell()
        else:
            self._plane = plane
            with self._unheard():
                self._viewer.scene.camera.orientation = self._wanted_camera()
            self._tell()

    def _on_ndisplay(self) -> None:
        self._arrange()

    def _on_camera(self) -> None:
        if self._busy:
            return
        camera = tuple(map(str, self._viewer.scene.camera.orientation))
        is_sagittal = self._plane == "sagittal" and self._viewer.dims.ndisplay == 2
        for convention, wanted in _CAMERAS.items():
            if camera == wanted and not is_sagittal:
                self._convention = convention
        self._tell()

    def _tell(self) -> None:
        if self._before is None:
            return
        self._letter()
        now = (self.shown, self.sentence)
        if now != self._told:
            self._told = now
            self.changed.emit(*now)

    def _letter(self) -> None:
        """Write the letters of the axes that are on screen, whatever they are."""
        letters = dict.fromkeys(_POSITIONS, "")
        dims, (_, vertical, horizontal) = self._viewer.dims, self._viewer.scene.camera.orientation
        if self._has_space and dims.ndisplay == 2:
            rows, columns = (axis - (dims.ndim - 3) for axis in dims.order[-2:])
            letters["top"], letters["bottom"] = _ends(rows, ascending=str(vertical) == "down")
            letters["left"], letters["right"] = _ends(columns, ascending=str(horizontal) == "right")
        overlays = self._viewer.canvas.overlays
        for side, letter in letters.items():
            key = _overlay_key(side)
            text = letter if self._orientation_known or not letter else f"{letter}?"
            if key in overlays:
                overlays[key].text = text
                overlays[key].visible = bool(text)
            elif text:
                # Complete at once: every change has all letters of all panels laid out anew.
                overlays[key] = TextOverlay(
                    text=text,
                    visible=True,
                    position=_POSITIONS[side],
                    gridded=True,
                    font_size=_LETTER_SIZE,
                )

    @contextmanager
    def _unheard(self) -> Iterator[None]:
        """Change the viewer without taking it for the user's doing."""
        was, self._busy = self._busy, True
        try:
            yield
        finally:
            self._busy = was


def check_convention(value: str) -> Convention:
    """Return `value` as a convention.

    Raises
    ------
    InputError
        If it is neither "radiological" nor "neurological".
    """
    if value not in _CAMERAS:
        raise InputError(f"{value!r} is not a convention: choose radiological or neurological.")
    return value


def _fitted(order: tuple[int, ...], ndim: int) -> tuple[int, ...]:
    """Return an order of axes for another number of them, counted from the last."""
    if len(order) <= ndim:
        more = ndim - len(order)
        return (*range(more), *(axis + more for axis in order))
    last = order[-ndim:]
    return tuple(sorted(last).index(axis) for axis in last)


def _ends(axis: int, *, ascending: bool) -> tuple[str, str]:
    """Return the letters at an axis' two ends, as they are met from the top or the left; none for time."""
    if axis < 0:
        return "", ""
    start, end = _ENDS[axis]
    return (start, end) if ascending else (end, start)


def _overlay_key(side: str) -> str:
    return f"mri_cae_{side}"

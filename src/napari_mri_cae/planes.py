"""The three anatomical planes of a volume in I-P-L order."""

from typing import Final, Literal, get_args

from napari_mri_cae.errors import InputError

Plane = Literal["axial", "coronal", "sagittal"]
PLANES: Final[tuple[Plane, ...]] = get_args(Plane)


def check_plane(value: str) -> Plane:
    """Return `value` as a plane.

    Raises
    ------
    InputError
        If it is none of "axial", "coronal" and "sagittal".
    """
    if value not in PLANES:
        raise InputError(f"{value!r} is not a plane: choose axial, coronal or sagittal.")
    return value


def plane_axis(plane: Plane) -> int:
    """Return the axis of an I-P-L array along which the slices of `plane` are stacked (0, 1 or 2)."""
    return PLANES.index(check_plane(plane))

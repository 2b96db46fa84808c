"""In which units a file gives lengths and times."""

from typing import Any, Final

MM: Final = {"meter": 1e3, "micron": 1e-3}
"""Millimetres in what is not one; what a header does not say counts as mm."""


def header_units(header: Any) -> tuple[str, str]:
    """Return a nibabel header's units of space and time; "unknown" where it has none that the standard knows.

    Only NIfTI can say so. Other formats have mm.
    """
    if not hasattr(header, "get_xyzt_units"):
        return "mm", "unknown"
    try:
        space, time = header.get_xyzt_units()
    except KeyError:
        return "unknown", "unknown"
    return str(space), str(time)

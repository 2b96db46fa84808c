"""Put right what cannot be used in a NIfTI header, and say so."""

from typing import Any

import numpy as np
import numpy.typing as npt

from napari_mri_cae.volume.grid import is_usable


def repair_header(header: Any) -> list[str]:
    """Switch off, in place, the affines and scalings in a NIfTI header that cannot be used.

    The order of precedence is nibabel's: sform, qform, voxel size. A slope of 0 or NaN means, as in
    nibabel and the standard, that there is no scaling.

    Returns
    -------
    list of str
        One sentence for each thing that was assumed.
    """
    notes: list[str] = []
    zooms = header["pixdim"][1:4]
    bad_zooms = ~np.isfinite(zooms) | (zooms <= 0)
    if bad_zooms.any():
        zooms[bad_zooms] = 1.0
    if header["pixdim"][0] not in (-1, 1):
        header["pixdim"][0] = 1
    had_form = bool(header["sform_code"] or header["qform_code"])
    if header["sform_code"] and not is_usable(header.get_sform()):
        header["sform_code"] = 0
        for row in ("srow_x", "srow_y", "srow_z"):
            header[row] = 0
        notes.append("The sform in the header cannot be inverted: it is left out.")
    if header["qform_code"] and not is_usable(_qform(header)):
        header["qform_code"] = 0
        for field in ("quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z"):
            header[field] = 0
        notes.append("The qform in the header is not a rotation: it is left out.")
    if not (header["sform_code"] or header["qform_code"]):
        reason = "No usable orientation" if had_form else "No orientation"
        notes.append(
            f"{reason} in the header: left, anterior and superior are assumed from the order of the axes."
        )
        if bad_zooms.any():
            notes.append("A voxel size in the header is not a positive number: 1 mm is assumed.")
    slope, inter = float(header["scl_slope"]), float(header["scl_inter"])
    if np.isfinite(slope) and slope != 0 and not np.isfinite(inter):
        header["scl_inter"] = 0
        notes.append("The intensity offset in the header is not a number: 0 is assumed.")
    return notes


def _qform(header: Any) -> npt.NDArray[np.float64]:
    try:
        return np.asarray(header.get_qform(), dtype=np.float64)
    except ValueError:  # a quaternion longer than 1
        return np.full((4, 4), np.nan)

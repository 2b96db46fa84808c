"""Volumes as napari layers, and back."""

from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
from napari.components import Dims
from napari.layers import Image, Layer
from nibabel.analyze import AnalyzeHeader
from nibabel.freesurfer.mghformat import MGHHeader
from nibabel.nifti1 import Nifti1Header
from nibabel.orientations import aff2axcodes

from napari_mri_cae.errors import InputError
from napari_mri_cae.volume import Frames, Volume
from napari_mri_cae.volume.units import header_units

#: The key under which everything of ours lies in a layer's metadata.
METADATA_KEY: Final = "napari_mri_cae"

#: What a layer holds: the volume itself, one of those of its comparison, or a picture of a training.
Role = Literal[
    "source",
    "original",
    "corrupted",
    "reconstructed",
    "residual",
    "reconstructed_2",
    "residual_2",
    "preview",
]

LayerType = Literal["image", "labels"]
VolumeLayer = tuple[npt.NDArray[Any] | Frames, dict[str, Any], LayerType]

# A slider stands beside its axis' label, and moving along axis 0 goes through the axial slices.
AXIS_LABELS: Final = ("axial", "coronal", "sagittal")


def volume_layer(volume: Volume) -> VolumeLayer:
    """Return `volume` as (data, keyword arguments, layer type), the way napari's readers do.

    Parameters
    ----------
    volume : Volume
        A volume, a series (time first) or a label image.

    Returns
    -------
    data : numpy.ndarray or Frames
        The volume's own float32 array, not a copy, in I-P-L order; int32 for a label image. Of a series what
        reads the frames that are looked at.
    kwargs : dict
        Name, scale and units (mm, and the frames' distance in seconds where the file tells it), axis labels,
        and for an image its colormap and contrast limits (the volume's window; a series takes the first
        frame's). `metadata["napari_mri_cae"]` holds the `Volume` and its role, beside the file, its affine
        and its axis order.
    layer_type : {"image", "labels"}
    """
    kwargs: dict[str, Any] = {
        "name": volume.name,
        "scale": tuple(float(step) for step in volume.spacing),
        "units": ("mm",) * 3,
        "axis_labels": AXIS_LABELS,
        "metadata": {
            METADATA_KEY: {"volume": volume, "role": "source"},
            "file": None if volume.path is None else str(volume.path),
            "affine": volume.affine,
            "axes": volume.file_axes,
            "notes": volume.notes,
        },
    }
    if volume.is_series:
        step, unit = _frame_step(volume.header)
        kwargs["scale"] = (step, *kwargs["scale"])
        kwargs["units"] = (unit, *kwargs["units"])
        kwargs["axis_labels"] = ("time", *AXIS_LABELS)
    if volume.is_label:
        return _as_labels(volume.data), kwargs, "labels"
    window = volume.frame(0).window
    # napari asks for limits that differ, a constant volume's do not.
    kwargs["contrast_limits"] = (window.low, window.high if window.high > window.low else window.low + 1)
    kwargs["colormap"] = "gray"
    return volume.frames, kwargs, "image"


def role_of(layer: Layer) -> Role | None:
    """Return what `layer` holds for us, or None for a layer that is not ours."""
    role: Role | None = _own_metadata(layer).get("role")
    return role


def volume_of(layer: Layer, dims: Dims | None = None) -> Volume | None:
    """Return the volume that an image layer shows.

    Parameters
    ----------
    layer : napari.layers.Layer
    dims : napari.components.Dims, optional
        The viewer's; says which frame of a series is on screen. The first one if left out.

    Returns
    -------
    Volume or None
        A single volume, never a series. For a layer of ours the very volume that was read. For any other
        three-dimensional image, or one with time in front, its array on the grid that the layer's transform
        describes, taken to be in I-P-L order. None for what is no such image: labels, colours, 2-D, more than
        four dimensions, pyramids.

    Raises
    ------
    InputError
        If the layer's transform flips or turns it, so that its axes cannot be I, P and L as they are shown.
    """
    if not isinstance(layer, Image) or layer.rgb or layer.multiscale or layer.ndim not in (3, 4):
        return None
    frame = frame_on_screen(layer, dims)
    volume = _own_metadata(layer).get("volume")
    # Metadata travels with what other plugins make of a layer; only equal voxels are still the file's.
    if isinstance(volume, Volume) and role_of(layer) == "source" and _same(layer.data, volume):
        return volume.frame(frame)
    affine = layer_affine(layer)
    if aff2axcodes(affine) != ("I", "P", "L"):
        raise InputError(
            f"The layer {layer.name} is flipped or turned by its transform: "
            "save it as NIfTI and open that file."
        )
    data = np.asarray(layer.data if layer.ndim == 3 else layer.data[frame])
    return Volume.from_array(data, affine=affine, name=layer.name)


def orientation_is_known(layer: Layer) -> bool:
    """Return whether it is known which side of `layer` is the patient's left.

    It is not of a foreign layer, which is only taken to be in I-P-L order, nor of a file that has neither
    sform nor qform (NIfTI) or no room for them (Analyze).
    """
    volume = _own_metadata(layer).get("volume")
    if not isinstance(volume, Volume):
        return False
    header = volume.header
    if isinstance(header, Nifti1Header):
        return bool(header["sform_code"] or header["qform_code"])
    return not isinstance(header, AnalyzeHeader)


def frame_on_screen(layer: Layer, dims: Dims | None) -> int:
    """Return which volume of a series `dims` shows: 0 of a single volume, or without `dims`."""
    if layer.ndim == 3 or dims is None:
        return 0
    frame = round(float(layer.world_to_data(dims.point)[0]))
    return min(max(frame, 0), int(layer.data.shape[0]) - 1)


def layer_affine(layer: Layer) -> npt.NDArray[np.float64]:
    """Return the affine (4, 4), voxel to RAS in mm, of a layer's last three axes.

    The world of a layer of ours is its volume's grid, in mm from the first voxel. Any other layer's world
    axes are taken to be I, P and L. Lengths are converted to mm, pixels count as mm.
    """
    volume = _own_metadata(layer).get("volume")
    to_world = np.vstack([_world_transform(layer), (0, 0, 0, 1)])
    if isinstance(volume, Volume):
        world_to_index = np.diag([*(1 / np.asarray(volume.spacing)), 1.0])
        return np.asarray(volume.ipl_affine @ world_to_index @ to_world)
    # RAS points the other way than I, P, L, in the other order.
    return np.asarray(np.array([(0, 0, -1, 0), (0, -1, 0, 0), (-1, 0, 0, 0), (0, 0, 0, 1)]) @ to_world)


def spatial_attributes(layer: Layer) -> dict[str, Any]:
    """Return every spatial attribute of a layer's last three axes, as keyword arguments for a new layer.

    Parameters
    ----------
    layer : napari.layers.Layer
        Three-dimensional, or with time in front.

    Returns
    -------
    dict
        scale, translate, rotate, shear, affine, units and axis_labels, for three axes.
    """
    shear = np.asarray(layer.shear)
    return {
        "scale": np.array(layer.scale[-3:]),
        "translate": np.array(layer.translate[-3:]),
        "rotate": np.array(layer.rotate[-3:, -3:]),
        # The upper triangle row by row: the last three entries belong to the last three axes.
        "shear": np.array(shear[-3:, -3:] if shear.ndim == 2 else shear[-3:]),
        "affine": np.array(layer.affine.affine_matrix[-4:, -4:]),
        "units": tuple(layer.units[-3:]),
        "axis_labels": tuple(layer.axis_labels[-3:]),
    }


def _own_metadata(layer: Layer) -> dict[str, Any]:
    own = layer.metadata.get(METADATA_KEY)
    return own if isinstance(own, dict) else {}


def _same(data: Any, volume: Volume) -> bool:
    return data is volume.frames or (
        data.shape == volume.shape and np.array_equal(np.asarray(data), volume.data, equal_nan=True)
    )


def _as_labels(data: npt.NDArray[np.float32]) -> npt.NDArray[np.int32]:
    return np.rint(np.nan_to_num(data, nan=0.0, posinf=0.0, neginf=0.0)).astype(np.int32)


def _frame_step(header: Any) -> tuple[float, str]:
    """Return the distance of a series' frames and its unit; 1 pixel where the file does not tell it."""
    if isinstance(header, Nifti1Header):
        factor = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}.get(header_units(header)[1])
        step = float(header["pixdim"][4]) * (factor or 0.0)
    elif isinstance(header, MGHHeader):
        step = float(header["tr"]) * 1e-3
    else:
        step = 0.0
    return (step, "s") if np.isfinite(step) and step > 0 else (1.0, "pixel")


def _world_transform(layer: Layer) -> npt.NDArray[np.float64]:
    """Return (3, 4): voxel indices along the last three axes to the layer's world coordinates, in mm."""
    origin = np.zeros(layer.ndim)
    start = np.asarray(layer.data_to_world(origin))
    columns = [np.asarray(layer.data_to_world(np.eye(layer.ndim)[axis])) - start for axis in range(-3, 0)]
    to_mm = np.array([_millimetres(unit) for unit in layer.units[-3:]])
    transform = np.column_stack([*columns, start])[-3:]
    return np.asarray(transform * to_mm[:, None], dtype=np.float64)


def _millimetres(unit: Any) -> float:
    quantity = 1 * unit
    return float(quantity.to("mm").magnitude) if quantity.check("[length]") else 1.0

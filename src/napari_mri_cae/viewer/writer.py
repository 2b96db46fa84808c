"""Write layers back onto the grids their volumes came from."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from napari.layers import Layer
from nibabel.orientations import (
    apply_orientation,
    axcodes2ornt,
    inv_ornt_aff,
    io_orientation,
    ornt_transform,
)

from napari_mri_cae.comparison import Comparison
from napari_mri_cae.errors import InputError
from napari_mri_cae.files import check_sidecar, sidecar_of
from napari_mri_cae.viewer.layers import METADATA_KEY, Role, layer_affine
from napari_mri_cae.volume import Volume

LayerData = tuple[Any, Mapping[str, Any], str]
Provenance = Mapping[str, Any] | Callable[[], Mapping[str, Any]]

EXTENSIONS: Final = (".nii.gz", ".nii")
COMPARISON_ROLES: Final[tuple[Role, ...]] = ("original", "corrupted", "reconstructed", "residual")


def write_layers(path: str, layer_data: Sequence[LayerData]) -> list[str]:
    """Write one or several layers as NIfTI: napari's *Save Selected Layers*.

    Parameters
    ----------
    path : str
        The file for a single layer. Several layers go beside each other, each with its name at the end
        (`sub-01.nii.gz` becomes `sub-01_corrupted.nii.gz` ...), or, if `path` has no extension of ours, into
        a folder of that name.
    layer_data : sequence of (data, attributes, layer type)

    Returns
    -------
    list of str
        What was written; not the JSON files with the provenance beside it.

    Raises
    ------
    RuntimeError
        With the sentence that says what is wrong. (napari takes a ValueError for "nobody can write this".)
    """
    try:
        if len(layer_data) == 1:
            return [str(save_layer(layer_data[0], path))]
        if _extension(Path(path)) is None:
            _make_folder(Path(path))
        names = _distinct([_file_name(str(meta.get("name") or kind)) for _, meta, kind in layer_data])
        return [
            str(save_layer(layer, _path_for(Path(path), name)))
            for layer, name in zip(layer_data, names, strict=True)
        ]
    except InputError as error:
        raise RuntimeError(str(error)) from error


def save_layer(layer: Layer | LayerData, path: str | Path) -> Path:
    """Write one layer as NIfTI.

    Parameters
    ----------
    layer : napari.layers.Image, napari.layers.Labels or the tuple that describes one
        A volume as it was read is written with its own values; original, corrupted and reconstructed on the
        volume's own intensity scale; the residual as a difference of intensities: all onto the file's grid
        and affine. Any other image or label layer gets the affine its transform describes, its axes taken to
        be I-P-L.
    path : path
        .nii.gz is added where there is no .nii or .nii.gz.

    Returns
    -------
    pathlib.Path
        The file. If the layer carries its provenance, a .json of the same name lies beside it.

    Raises
    ------
    InputError
        If the layer has colours, too few or too many axes, or the file cannot be written.
    """
    data, meta, kind = layer.as_layer_data_tuple() if isinstance(layer, Layer) else layer
    name = str(meta.get("name") or kind)
    if kind not in ("image", "labels") or meta.get("rgb") or not hasattr(data, "ndim"):
        raise InputError(f"{name} cannot be written as NIfTI: choose an image or labels without colours.")
    if data.ndim not in (3, 4):
        raise InputError(f"{name} is not a volume: choose a layer with three axes, or four with time first.")
    values, is_labels = np.asarray(data), kind == "labels"
    own = (meta.get("metadata") or {}).get(METADATA_KEY)
    own = own if isinstance(own, Mapping) else {}
    volume, role = own.get("volume"), own.get("role", "source")
    target = _with_extension(Path(path))
    if own.get("provenance"):
        check_sidecar(target)
    if isinstance(volume, Volume) and not is_labels:
        values = _intensities(values, volume, role)
    if not isinstance(volume, Volume) or volume.shape != values.shape:
        # A foreign layer, or what is left of ours after a crop: its transform says where it lies.
        values, affine = _in_ipl_order(values, layer_affine(Layer.create(data, dict(meta), kind)))
        volume = Volume.from_array(values, affine=affine, name=name, is_label=is_labels)
    written: Path = volume.save_like(_storable(values, is_labels=is_labels), target)
    if provenance := own.get("provenance"):
        _write_provenance(provenance, role, written)
    return written


def save_comparison(
    comparison: Comparison, path: str | Path, *, roles: Sequence[Role] = COMPARISON_ROLES
) -> list[Path]:
    """Write the four volumes of a comparison beside each other, on the volume's own grid and intensity scale.

    Parameters
    ----------
    comparison : Comparison
    path : path
        `sub-01.nii.gz` becomes `sub-01_original.nii.gz`, `sub-01_corrupted.nii.gz`,
        `sub-01_reconstructed.nii.gz` and `sub-01_residual.nii.gz`, each with its provenance as .json. A
        single role goes into `path` itself.
    roles : sequence of {"original", "corrupted", "reconstructed", "residual"}
        What to write.

    Returns
    -------
    list of pathlib.Path
        The NIfTI files.

    Raises
    ------
    InputError
        If they cannot be written, or their .json would replace somebody else's.
    """
    target = _with_extension(Path(path))
    volume, provenance = comparison.volume, comparison.provenance()
    files = [target if len(roles) == 1 else _path_for(target, role) for role in roles]
    for file in files:
        check_sidecar(file)
    written = []
    for role, file in zip(roles, files, strict=True):
        values = _intensities(getattr(comparison, role), volume, role)
        written.append(volume.save_like(values, file))
        _write_provenance(provenance, role, written[-1])
    return written


def _intensities(values: npt.NDArray[Any], volume: Volume, role: Role) -> npt.NDArray[Any]:
    """Return what a layer of ours holds on the volume's own intensity scale."""
    if role == "source":
        return values
    if role in ("residual", "residual_2"):
        return np.asarray(values * np.float32(volume.window.high - volume.window.low), dtype=np.float32)
    return volume.to_intensities(values)


def _in_ipl_order(
    values: npt.NDArray[Any], affine: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[Any], npt.NDArray[np.float64]]:
    """Undo the flips and turns in a layer's affine by reordering its voxels; none of them moves in space."""
    change = ornt_transform(io_orientation(affine), axcodes2ornt("IPL"))
    affine = affine @ inv_ornt_aff(change, values.shape[-3:])
    if values.ndim == 3:
        return apply_orientation(values, change), affine
    return np.stack([apply_orientation(frame, change) for frame in values]), affine


def _storable(values: npt.NDArray[Any], *, is_labels: bool) -> npt.NDArray[Any]:
    """Return values of a type that NIfTI readers know; labels get the smallest of uint8, int16 and int32."""
    if not (is_labels or values.dtype.kind in "bui"):
        return np.asarray(values, dtype=np.float32)
    low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
    for dtype in (np.uint8, np.int16, np.int32):
        if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
            return values.astype(dtype)
    if is_labels:
        raise InputError("The labels are too large for NIfTI: renumber them below 2147483648.")
    return values.astype(np.float32)


def _write_provenance(provenance: Provenance, role: Role, image: Path) -> None:
    content = provenance() if callable(provenance) else provenance
    sidecar = sidecar_of(image)
    text = json.dumps({"layer": role, **content}, indent=2, default=str)
    try:
        sidecar.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{sidecar} cannot be written ({error.strerror}): choose another folder.") from error


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(f"The folder {path} cannot be made ({error.strerror}): choose another.") from error


def _path_for(path: Path, name: str) -> Path:
    extension = _extension(path)
    if extension is None:
        return path / f"{name}{EXTENSIONS[0]}"
    return path.with_name(f"{_stem(path)}_{name}{extension}")


def _with_extension(path: Path) -> Path:
    return path if _extension(path) else path.with_name(path.name + EXTENSIONS[0])


def _extension(path: Path) -> str | None:
    return next((path.name[-len(end) :] for end in EXTENSIONS if path.name.lower().endswith(end)), None)


def _stem(path: Path) -> str:
    return path.name.removesuffix(_extension(path) or "")


def _file_name(layer_name: str) -> str:
    return re.sub(r"[^\w.+-]+", "-", layer_name).strip("-.").lower() or "layer"


def _distinct(names: Sequence[str]) -> list[str]:
    """Add numbers to names that are taken already."""
    taken: list[str] = []
    for name in names:
        candidates = (name, *(f"{name}-{number}" for number in range(2, len(names) + 2)))
        taken.append(next(candidate for candidate in candidates if candidate not in taken))
    return taken

"""Open volumes on napari's canvas."""

import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import napari

from napari_mri_cae.errors import InputError
from napari_mri_cae.viewer.layers import VolumeLayer, volume_layer
from napari_mri_cae.viewer.notifications import report
from napari_mri_cae.volume import Volume

PathLike = str | Path
LayerData = VolumeLayer | tuple[None]

_SUFFIXES = (".nii", ".nii.gz", ".mgh", ".mgz", ".mnc")
_PAIR_SUFFIXES = (".hdr", ".img")
# The first number in an Analyze or NIfTI-1 header, and in a NIfTI-2 header, is the header's own length.
_HEADER_LENGTHS = (348, 540)


def get_reader(path: PathLike | Sequence[PathLike]) -> Callable[..., list[LayerData]] | None:
    """Return the function that reads `path`, or None if it is not ours to read.

    Ours are NIfTI, Analyze, MGH and MINC files, by name. The names .hdr and .img belong to other formats too
    (ENVI, Radiance): of those, only what begins like an Analyze or NIfTI header.
    """
    return read if all(_is_ours(Path(one)) for one in _as_list(path)) else None


def read(path: PathLike | Sequence[PathLike], stack: bool = False) -> list[LayerData]:
    """Read one or several files, each into a layer of its own.

    Parameters
    ----------
    path : path or sequence of paths
    stack : bool
        napari's wish to have several files as one layer. Volumes of different subjects have different grids,
        so there are as many layers as files either way.

    Returns
    -------
    list of layer data
        `[(None,)]`, napari's word for "nothing to show", if no file could be read in a viewer.

    Raises
    ------
    InputError
        If a file cannot be read and there is no viewer. Where there is one, the sentence becomes a
        notification: napari would answer an exception with its dialog for choosing another reader.
    """
    layers: list[LayerData] = []
    for one in _as_list(path):
        try:
            layers.append(volume_layer(Volume.load(Path(one))))
        except InputError as error:
            if napari.current_viewer() is None:
                raise
            report(error)
    return layers or [(None,)]


def _as_list(path: PathLike | Sequence[PathLike]) -> list[PathLike]:
    return [path] if isinstance(path, str | Path) else list(path)


def _is_ours(path: Path) -> bool:
    name = path.name.lower()
    if name.endswith(_SUFFIXES):
        return True
    if not name.removesuffix(".gz").endswith(_PAIR_SUFFIXES):
        return False
    return _is_header(_header_of(path))


def _header_of(path: Path) -> Path:
    """Return the .hdr that belongs to an .img; any other path as it is."""
    compression = ".gz" if path.name.lower().endswith(".gz") else ""
    bare = path.name[: len(path.name) - len(compression)]
    if not bare.lower().endswith(".img"):
        return path
    suffix = ".HDR" if bare.endswith(".IMG") else ".hdr"
    return path.with_name(bare[:-4] + suffix + path.name[len(bare) :])


def _is_header(path: Path) -> bool:
    """Return whether `path` begins like an Analyze or NIfTI header. What cannot be looked into may be one."""
    if path.name.lower().endswith(".gz"):
        return True
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except OSError:
        return True
    return any(start == struct.pack(order + "i", length) for order in "<>" for length in _HEADER_LENGTHS)

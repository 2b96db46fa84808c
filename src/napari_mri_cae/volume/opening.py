"""Find out what a file holds, before any of its voxels is read.

Every way in which a file can be wrong ends here, or in `reading`, as one sentence.
"""

import contextlib
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_mri_cae.errors import InputError
from napari_mri_cae.volume.grid import Grid, check_shape, is_usable
from napari_mri_cae.volume.nifti_header import repair_header
from napari_mri_cae.volume.streams import DECODING_ERRORS

SUFFIXES: Final = (".nii", ".hdr", ".img", ".mgh", ".mgz", ".mnc", ".head", ".brik", ".par", ".rec", ".v")
COMPRESSIONS: Final = (".gz", ".bz2", ".zst")

# Deflate packs at most 258 bytes into two bits.
_DEFLATE_LIMIT: Final = 1032

_log = logging.getLogger(__name__)


OBLIQUE: Final = "The volume is oblique"
"""How a note begins that is about how a volume is shown, and nothing that had to be assumed."""


@dataclass(frozen=True)
class Raw:
    """Voxels as they lie in a file: Fortran order, one after the other.

    Attributes
    ----------
    path : pathlib.Path
        The file with the voxels.
    dtype : numpy.dtype
        Type of a stored voxel, with its byte order.
    offset : int
        Bytes before the first voxel, after decompression.
    slope, inter : float
        Intensity = stored value * slope + inter.
    """

    path: Path
    dtype: np.dtype[Any]
    offset: int
    slope: float
    inter: float


@dataclass(frozen=True)
class Opened:
    """A file whose header has been read and found good.

    Attributes
    ----------
    path : pathlib.Path
    grid : Grid
    notes : tuple of str
        What the reader had to assume, one sentence each.
    raw : Raw or None
        Where the voxels lie, if they lie there plainly.
    proxy : nibabel array proxy or None
        What gives the voxels otherwise.
    slowest_first : bool
        Whether the proxy's slowest axis is its first, which is time in a series; else it is its last.
    """

    path: Path
    grid: Grid
    notes: tuple[str, ...]
    raw: Raw | None = None
    proxy: Any = None
    slowest_first: bool = False


def open_file(path: Path) -> Opened:
    """Read the header of a volume and check all that can be checked without its voxels.

    Raises
    ------
    InputError
        If it is not a readable volume or series of real numbers, or claims more voxels than it can hold.
    """
    _check_readable(path)
    with readable_errors(path):
        return _open(path)


@contextlib.contextmanager
def readable_errors(path: Path) -> Iterator[None]:
    """Turn whatever a decoder raises on a bad file into one sentence."""
    try:
        # NaN in a header is for us to judge, not for NumPy to warn about.
        with np.errstate(all="ignore"):
            yield
    except InputError:
        raise
    except MemoryError as error:
        raise InputError(
            f"{path.name} does not fit into this machine's memory: choose a smaller file."
        ) from error
    except PermissionError as error:
        raise InputError(
            f"{error.filename or path} may not be read: ask for read permission on it."
        ) from error
    except FileNotFoundError as error:
        missing = Path(error.filename).name if error.filename else "a part of it"
        raise InputError(
            f"{path.name} cannot be opened without {missing}: put both files in one folder."
        ) from error
    except DECODING_ERRORS as error:
        raise InputError(f"{path.name} is damaged: copy or download it again.") from error
    except EOFError as error:
        raise InputError(f"{path.name} ends before its voxels do: copy or download it again.") from error
    # Decoders of other people's formats raise whatever they meet: a wrong number, a missing key, bad text.
    except Exception as error:
        _log.debug("cannot read %s", path, exc_info=True)
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise InputError(
            f"{path.name} cannot be read as a volume ({reason}): choose another file."
        ) from error


def is_compressed(path: Path) -> bool:
    """Tell whether a file's name says that it is compressed."""
    return path.name.lower().endswith((*COMPRESSIONS, ".mgz"))


def is_gzip(path: Path) -> bool:
    """Tell whether a file's name says that it is compressed by gzip."""
    return path.name.lower().endswith((".gz", ".mgz"))


def _check_readable(path: Path) -> None:
    if path.is_dir():
        raise InputError(f"{path} is a folder: choose a volume file in it.")
    if not path.exists():
        raise InputError(f"There is no file {path}: check its name.")
    bare = path.name.lower()
    for compression in COMPRESSIONS:
        bare = bare.removesuffix(compression)
    if not bare.endswith(SUFFIXES):
        raise InputError(
            f"{path.name} is of no kind that can be opened: choose a .nii, .nii.gz, .mgz or .mnc file."
        )
    try:
        with path.open("rb") as file:
            start = file.read(2)
    except OSError as error:
        raise InputError(f"{path} may not be read: ask for read permission on it.") from error
    if not start:
        raise InputError(f"{path.name} is empty: copy or download it again.")
    if is_gzip(path) and start != b"\x1f\x8b":
        raise InputError(
            f"{path.name} is not compressed by gzip as its name says: check what it is and rename it."
        )
    if not is_compressed(path) and start == b"\x1f\x8b":
        raise InputError(f"{path.name} is compressed by gzip: rename it to {path.name}.gz.")


def _open(path: Path) -> Opened:
    from nibabel.freesurfer.mghformat import MGHImage
    from nibabel.imageclasses import all_image_classes
    from nibabel.imageglobals import LoggingOutputSuppressor
    from nibabel.nifti1 import Nifti1Pair
    from nibabel.spatialimages import SpatialImage

    sniff = None
    # nibabel reports on bad headers on standard error, by a handler of its own.
    with LoggingOutputSuppressor():
        for image_class in all_image_classes:
            fits, sniff = image_class.path_maybe_image(str(path), sniff)
            if not fits:
                continue
            if not issubclass(image_class, SpatialImage):
                raise InputError(f"{path.name} holds no volume on a grid: choose a volume file.")
            if issubclass(image_class, Nifti1Pair):
                return _open_nifti(path, image_class)
            if issubclass(image_class, MGHImage):
                return _open_mgh(path, image_class)
            return _open_other(path, image_class)
    raise InputError(f"{path.name} is not what its name says or is damaged: choose another file.")


def _open_nifti(path: Path, image_class: Any) -> Opened:
    from nibabel.arrayproxy import ArrayProxy

    files = image_class.filespec_to_file_map(str(path))
    with files.get("header", files["image"]).get_prepare_fileobj(mode="rb") as file:
        header = image_class.header_class.from_fileobj(file)
    check_shape(header.get_data_shape(), path.name)
    notes = repair_header(header)
    raw = _raw(ArrayProxy(files["image"].filename, header))
    return _opened(path, header.get_data_shape(), header.get_best_affine(), header, raw.dtype, notes, raw=raw)


def _open_mgh(path: Path, image_class: Any) -> Opened:
    from nibabel.arrayproxy import ArrayProxy
    from nibabel.openers import ImageOpener

    # nibabel's own loader leaves the file open.
    with ImageOpener(str(path), mode="rb") as file:
        header = image_class.header_class.from_fileobj(file)
    shape = tuple(int(length) for length in header.get_data_shape())
    check_shape(shape, path.name)
    raw = _raw(ArrayProxy(str(path), header))
    return _opened(path, shape, header.get_affine(), header, raw.dtype, [], raw=raw)


def _open_other(path: Path, image_class: Any) -> Opened:
    from nibabel.analyze import AnalyzeImage
    from nibabel.arrayproxy import ArrayProxy
    from nibabel.minc1 import Minc1Image

    image = image_class.from_filename(str(path))
    shape, proxy = tuple(int(length) for length in image.shape), image.dataobj
    affine = np.asarray(image.affine, dtype=np.float64)
    notes: list[str] = []
    if isinstance(image, AnalyzeImage) and not _says_orientation(image):
        # As nibabel and SPM do: the first voxel is the patient's right, posterior and inferior.
        notes.append("The Analyze format has no orientation: the patient's right is assumed to come first.")
    # Analyze keeps its voxels as NIfTI does; a subclass of the proxy means more than one slope.
    raw = _raw(proxy) if type(proxy) is ArrayProxy and proxy.order == "F" else None
    slowest_first = isinstance(image, Minc1Image)
    check_shape(shape, path.name)
    if slowest_first:
        shape = (*shape[-3:], *shape[:-3])
    opened = _opened(path, shape, affine, image.header, image.get_data_dtype(), notes, raw=raw)
    return replace(opened, proxy=proxy, slowest_first=slowest_first)


def _says_orientation(image: Any) -> bool:
    """Return whether an Analyze image has SPM's origin, or SPM's .mat file beside it."""
    if not np.allclose(image.affine, image.header.get_best_affine()):
        return True
    get_origin = getattr(image.header, "get_origin_affine", None)
    return get_origin is not None and bool(np.any(image.header["origin"][:3]))


def _raw(proxy: Any) -> Raw:
    return Raw(Path(proxy.file_like), proxy.dtype, int(proxy.offset), float(proxy.slope), float(proxy.inter))


def _opened(
    path: Path,
    shape: tuple[int, ...],
    affine: npt.NDArray[np.float64],
    header: Any,
    dtype: np.dtype[Any],
    notes: list[str],
    *,
    raw: Raw | None,
) -> Opened:
    shape = tuple(int(length) for length in shape)
    _check_type(dtype, path.name)
    if raw is not None:
        _check_size(raw, shape, path.name)
    _check_memory(shape, path.name)
    affine = np.array(affine, dtype=np.float64)
    if not is_usable(affine):
        affine = _zooms_affine(shape, header)
        notes.append(
            "The affine in the header cannot be inverted: axes and centre are assumed from the voxel size."
        )
    tilt = float(np.degrees(_obliquity(affine)))
    if tilt > 0.1:
        notes.append(f"{OBLIQUE} by {tilt:.1f} degrees: it is shown on the nearest axes.")
    return Opened(path, Grid(shape, affine, header), tuple(notes), raw)


def _zooms_affine(shape: tuple[int, ...], header: Any) -> npt.NDArray[np.float64]:
    from nibabel.spatialimages import SpatialHeader

    zooms = np.abs(np.asarray(header.get_zooms()[:3], dtype=np.float64))
    zooms[~np.isfinite(zooms) | (zooms == 0)] = 1.0
    simple = SpatialHeader(np.float32, shape[:3], tuple(zooms))
    return np.asarray(simple.get_base_affine(), dtype=np.float64)


def _obliquity(affine: npt.NDArray[np.float64]) -> float:
    """Return the largest angle between a voxel axis and its nearest axis of the room, in radians."""
    columns = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    return float(np.arccos(np.clip(np.abs(columns).max(axis=0), 0.0, 1.0)).max())


def _check_type(dtype: np.dtype[Any], name: str) -> None:
    if dtype.fields:
        raise InputError(f"{name} is a colour image: choose a volume with one number in each voxel.")
    if dtype.kind == "c":
        raise InputError(f"{name} holds complex numbers: save its magnitude as a volume and choose that.")
    if dtype.kind not in "biuf":
        raise InputError(f"{name} holds no numbers ({dtype}): choose another file.")


def _check_size(raw: Raw, shape: tuple[int, ...], name: str) -> None:
    """Check that a file is large enough for the voxels it claims, before memory is asked for them."""
    claimed = raw.offset + prod(shape) * raw.dtype.itemsize
    size = raw.path.stat().st_size
    if is_gzip(raw.path):
        size *= _DEFLATE_LIMIT
    elif is_compressed(raw.path):
        return
    if claimed > size:
        raise InputError(
            f"{name} is too small for the {' x '.join(map(str, shape))} voxels that its header claims: "
            "copy or download it again."
        )


def _check_memory(shape: tuple[int, ...], name: str) -> None:
    needed = 4 * prod(shape)
    if not hasattr(os, "sysconf"):
        return
    available = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > available:
        raise InputError(
            f"{name} needs {needed / 1e9:.0f} GB of memory and this machine has {available / 1e9:.0f} GB: "
            "choose a smaller file."
        )

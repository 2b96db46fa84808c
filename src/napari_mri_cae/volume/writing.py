"""Write an array in I-P-L order back onto a file's own grid."""

import contextlib
import gzip
import io
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final, cast

import numpy as np
import numpy.typing as npt

from napari_mri_cae.errors import InputError
from napari_mri_cae.volume.grid import Grid

_NIFTI: Final = (".nii", ".nii.gz")
_MGH: Final = (".mgh", ".mgz")
_SLAB_BYTES: Final = 1 << 22
# The least that shrinks noise in floating point; higher levels take several times as long for a few percent.
_COMPRESSION: Final = 1

# What MGH stores, from the smallest.
_MGH_INTEGERS: Final = (np.uint8, np.int16, np.int32)


def check_volume_name(path: Path) -> Path:
    """Return a path that a volume can be written to, as its ending says.

    Raises
    ------
    InputError
        If the ending is another than .nii, .nii.gz, .mgh or .mgz.
    """
    if not path.name.lower().endswith(_NIFTI + _MGH):
        raise InputError(f"{path.name} is of no kind that can be written: end it in .nii, .nii.gz or .mgz.")
    return path


def write_grid(array: npt.NDArray[Any], grid: Grid, path: Path, *, is_label: bool) -> Path:
    """Write an (I, P, L) or (T, I, P, L) array onto a grid.

    Parameters
    ----------
    array : numpy.ndarray
        Real numbers, of the grid's `ipl_shape`.
    grid : Grid
        Where it goes.
    path : pathlib.Path
        .nii, .nii.gz, .mgh or .mgz.
    is_label : bool
        Whether the file of the grid holds labels; what it says of them is not said of floating point.

    Raises
    ------
    InputError
        If the kind of file is unknown or cannot hold the values, or the file cannot be written.
    """
    name = check_volume_name(path).name.lower()
    voxels = _storable(array)
    oriented = grid.orientation.to_file(voxels).reshape(grid.shape, copy=False)
    compressed = name.endswith((".gz", ".mgz"))
    with (
        _written_beside(path) as file,
        _compressed(file) if compressed else contextlib.nullcontext(file) as target,
    ):
        if name.endswith(_MGH):
            _write_mgh(oriented, grid, target, path)
        else:
            _write_nifti(oriented, grid, target, is_label=is_label)
    return path


def _storable(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the array in a type that files have, with its values as they are."""
    if array.dtype.kind == "b":
        return array.view(np.uint8)
    if array.dtype.kind in "iu":
        return array.astype(_smaller(array, (np.int32,)), copy=False) if array.itemsize == 8 else array
    if array.dtype.kind == "f":
        return array if array.dtype == np.float64 else array.astype(np.float32, copy=False)
    raise InputError(f"An array of {array.dtype} cannot be saved: give real numbers.")


def _smaller(array: npt.NDArray[Any], types: tuple[type[np.integer[Any]], ...]) -> np.dtype[Any]:
    """Return the first of some integer types that holds all values, or else the array's own."""
    least, most = int(array.min()), int(array.max())
    for candidate in types:
        info = np.iinfo(candidate)
        if info.min <= least and most <= info.max:
            return np.dtype(candidate)
    return array.dtype


def _write_nifti(oriented: npt.NDArray[Any], grid: Grid, file: IO[bytes], *, is_label: bool) -> None:
    header = _nifti_header(grid, oriented.dtype)
    if is_label and oriented.dtype.kind == "f":
        header.set_intent("none")
    header.write_to(file)
    file.write(b"\0" * (int(header["vox_offset"]) - file.tell()))
    stored = oriented.astype(header.get_data_dtype(), copy=False)
    # In slabs along the slowest axis, so that the volume is never held in the file's order as a whole.
    rows = max(1, int(_SLAB_BYTES * stored.shape[-1] // max(1, stored.nbytes)))
    for start in range(0, stored.shape[-1], rows):
        file.write(stored[..., start : start + rows].tobytes(order="F"))


def _nifti_header(grid: Grid, dtype: np.dtype[Any]) -> Any:
    """Return the header of a single-file NIfTI on a grid: the source's own, if that was NIfTI."""
    from nibabel.nifti1 import Nifti1Header
    from nibabel.nifti2 import Nifti2Header

    source = grid.header
    if isinstance(source, Nifti1Header):
        single: Any = Nifti2Header if isinstance(source, Nifti2Header) else Nifti1Header
        header: Any = single(endianness=source.endianness, extensions=tuple(source.extensions))
        magic = header["magic"].copy()
        for field in source.template_dtype.names or ():
            header[field] = source[field]
        header["magic"] = magic
    else:
        single = Nifti2Header if max(grid.shape) > np.iinfo(np.int16).max else Nifti1Header
        header = single()
        header.set_xyzt_units("mm", "sec" if grid.frames > 1 else "unknown")
    header.set_data_dtype(dtype)
    # nibabel sets the voxel sizes of axes that are not there anew whenever it sets a shape.
    if tuple(header.get_data_shape()) != grid.shape:
        header.set_data_shape(grid.shape)
    if not isinstance(source, Nifti1Header):
        _set_affine(header, grid)
    # The values are written as they are, and the source's display range and statistics were of other values.
    header["scl_slope"], header["scl_inter"] = 1, 0
    header["cal_min"], header["cal_max"] = 0, 0
    header["vox_offset"] = header.single_vox_offset + header.extensions.get_sizeondisk()
    return header


def _set_affine(header: Any, grid: Grid) -> None:
    """Write an affine into a header that has none: as sform, and as qform too where that can hold it."""
    aligned = "scanner" if _is_mgh(grid.header) else "aligned"
    header.set_sform(grid.affine, code=aligned)
    header.set_qform(grid.affine, code=aligned, strip_shears=True)
    if not np.allclose(header.get_qform(), grid.affine, atol=1e-3):
        header["qform_code"] = 0


def _is_mgh(header: Any) -> bool:
    from nibabel.freesurfer.mghformat import MGHHeader

    return isinstance(header, MGHHeader)


def _write_mgh(oriented: npt.NDArray[Any], grid: Grid, file: IO[bytes], path: Path) -> None:
    from nibabel.fileholders import FileHolder
    from nibabel.freesurfer.mghformat import MGHImage

    if oriented.dtype.kind == "f":
        dtype: np.dtype[Any] = np.dtype(np.float32)
    else:
        dtype = _smaller(oriented, _MGH_INTEGERS)
        if dtype not in _MGH_INTEGERS:
            raise InputError(f"{path.name} cannot hold numbers as large as these: save them as .nii.gz.")
    with np.errstate(over="ignore"):
        values = oriented.astype(dtype, copy=False)
    if grid.frames == 1:
        values = values.reshape(grid.shape[:3])
    else:
        values = values.reshape(*grid.shape[:3], grid.frames)
    header = grid.header.copy() if _is_mgh(grid.header) else None
    affine = grid.affine.copy()
    affine[:3] *= grid.mm  # the only unit that the format has
    image = MGHImage(values, affine, header)
    image.set_data_dtype(dtype)
    image.to_file_map({"image": FileHolder(fileobj=cast("io.IOBase", file))})


def _compressed(file: IO[bytes]) -> IO[bytes]:
    # Without name and time, so that the same volume is the same file.
    target = gzip.GzipFile(filename="", mode="wb", compresslevel=_COMPRESSION, fileobj=file, mtime=0)
    return cast("IO[bytes]", target)


@contextlib.contextmanager
def _written_beside(path: Path) -> Iterator[IO[bytes]]:
    """Give a file to write to, which becomes `path` only once all of it is written."""
    if path.is_dir():
        raise InputError(f"{path} is a folder: give the file a name in it.")
    if path.exists() and not os.access(path, os.W_OK):
        raise InputError(f"{path} may not be changed: choose another name or ask for write permission.")
    beside = path.with_name(f".{secrets.token_hex(4)}-{path.name}.part")
    try:
        with beside.open("xb") as file:
            yield file
        beside.replace(path)
    except FileNotFoundError as error:
        raise InputError(f"There is no folder {path.parent}: make it first.") from error
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({error.strerror or error}): choose another folder."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)

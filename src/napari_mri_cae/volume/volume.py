"""A volume: voxels in I-P-L order, their affine and the header they came with."""

from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from napari_mri_cae.errors import InputError
from napari_mri_cae.intensity import Window
from napari_mri_cae.volume.frames import Frames
from napari_mri_cae.volume.grid import Grid, check_shape, is_usable
from napari_mri_cae.volume.labels import is_label_image, stem
from napari_mri_cae.volume.opening import open_file
from napari_mri_cae.volume.orientation import Orientation
from napari_mri_cae.volume.reading import notes_on_values, read_voxels
from napari_mri_cae.volume.writing import write_grid

# I, P and L all run against their RAS axis; 1 mm voxels.
_IPL_AFFINE = np.array([[0.0, 0, -1, 0], [0, -1, 0, 0], [-1, 0, 0, 0], [0, 0, 0, 1]])
_IPL = Orientation.of(_IPL_AFFINE)


class Volume:
    """A 3-D volume, or a series of them, on the grid of a file.

    Made by `Volume.load` or `Volume.from_array`. Axis 0 of the data runs from superior to inferior,
    axis 1 from anterior to posterior and axis 2 from the patient's right to the left; a series has time
    before them.

    Attributes
    ----------
    path : pathlib.Path or None
        The file it came from.
    name : str
        The file's name without .nii.gz and the like.
    is_label : bool
        Whether its values are labels: by NIfTI intent or BIDS suffix, never by an integer type alone.
    notes : tuple of str
        What the reader had to assume, one plain sentence each.
    """

    def __init__(
        self,
        data: npt.NDArray[np.float32] | Frames,
        grid: Grid,
        *,
        path: Path | None = None,
        name: str = "",
        is_label: bool = False,
        notes: tuple[str, ...] = (),
    ) -> None:
        self._data = data
        self.path = path
        self.name = name
        self.is_label = is_label
        self.notes = notes
        self._grid = grid

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Self:
        """Read a volume; of a series the header, and each frame when it is first needed.

        Parameters
        ----------
        path : str or os.PathLike
            NIfTI-1 or -2 (.nii, .nii.gz, .hdr and .img), MGH or MGZ, Analyze, MINC 1 or 2, or whatever else
            nibabel reads as an image on a grid.

        Raises
        ------
        InputError
            If it cannot be read; says why and what to do.
        """
        file = Path(path).expanduser()
        opened = open_file(file)
        data: npt.NDArray[np.float32] | Frames
        notes: tuple[str, ...] = ()
        if opened.grid.frames > 1 and opened.raw is not None:
            data = Frames(opened, opened.raw)
        else:
            data, notes = read_voxels(opened)
        name = stem(file)
        return cls(
            data,
            opened.grid,
            path=file,
            name=name,
            is_label=is_label_image(name, opened.grid.header, data),
            notes=opened.notes + notes,
        )

    @classmethod
    def from_array(
        cls,
        data: npt.ArrayLike,
        affine: npt.ArrayLike | None = None,
        *,
        name: str = "",
        is_label: bool = False,
    ) -> Self:
        """Make a volume of an array that is in I-P-L order already.

        Parameters
        ----------
        data : array_like
            (I, P, L) or (T, I, P, L), real numbers. Not copied if it is float32 and C-contiguous.
        affine : array_like, optional
            (4, 4), from the array's (I, P, L) index to RAS mm. Without one, voxels of 1 mm.
        name : str
            Its name.
        is_label : bool
            Whether its values are labels.

        Raises
        ------
        InputError
            If it has not 3 or 4 axes, or if the affine says that it is not in I-P-L order.
        """
        array = np.asarray(data)
        if array.dtype.kind not in "biuf":
            raise InputError(f"An array of {array.dtype} is no volume: give real numbers.")
        if array.ndim not in (3, 4):
            raise InputError(f"An array with {array.ndim} axes is no volume: give (I, P, L) or (T, I, P, L).")
        if array.ndim == 4 and len(array) == 1:
            array = array[0]
        shape = array.shape if array.ndim == 3 else (*array.shape[1:], len(array))
        check_shape(shape, name or "The array")
        given = np.array(_IPL_AFFINE if affine is None else affine, dtype=np.float64)
        if given.shape != (4, 4) or not is_usable(given):
            raise InputError(
                "The affine cannot be inverted: give a (4, 4) matrix from voxel index to RAS mm."
            )
        if Orientation.of(given) != _IPL:
            raise InputError("The affine is not that of an array in I-P-L order: reorder the array first.")
        with np.errstate(over="ignore"):
            voxels = np.ascontiguousarray(array, dtype=np.float32)
        return cls(voxels, Grid(shape, given), name=name, is_label=is_label)

    def __repr__(self) -> str:
        shape = " x ".join(str(length) for length in self.shape)
        return f"Volume({self.name!r}, {shape}, {' x '.join(f'{mm:.3g}' for mm in self.spacing)} mm)"

    @property
    def data(self) -> npt.NDArray[np.float32]:
        """The voxels: float32, C-contiguous, (I, P, L), or (T, I, P, L) of a series.

        The file's own intensities with its slope applied. NaN and Inf are kept. All frames of a series are
        read for it; `frame` and `frames` read those that are asked for.

        Raises
        ------
        InputError
            If the frames of a series cannot all be read.
        """
        return self._data.all() if isinstance(self._data, Frames) else self._data

    @property
    def frames(self) -> npt.NDArray[np.float32] | Frames:
        """The same as `data`, or what can be indexed like it and reads the frames that are looked at."""
        return self._data

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of `data`: (I, P, L) or (T, I, P, L)."""
        return self._data.shape

    @property
    def affine(self) -> npt.NDArray[np.float64]:
        """(4, 4), the file's affine: voxel index in its own axis order to RAS, in its unit of length."""
        return self._grid.affine.copy()

    @property
    def ipl_affine(self) -> npt.NDArray[np.float64]:
        """(4, 4), from (I, P, L) index in `data` to RAS mm."""
        return self._grid.ipl_affine

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distance between voxels along I, P and L, in mm."""
        return self._grid.spacing

    @property
    def header(self) -> Any:
        """The file's header as nibabel gives it, or None. What could not be used in it is switched off."""
        return self._grid.header

    @property
    def file_axes(self) -> str:
        """The file's own axis order as nibabel's three letters, such as "LAS"."""
        from nibabel.orientations import aff2axcodes

        return "".join(aff2axcodes(self._grid.affine))

    @property
    def is_series(self) -> bool:
        """Whether it has several frames: `data` is (T, I, P, L)."""
        return self._grid.frames > 1

    @property
    def n_frames(self) -> int:
        """Number of frames, 1 of a 3-D volume."""
        return self._grid.frames

    def frame(self, t: int) -> "Volume":
        """Return one volume of a series, sharing its data; a 3-D volume has itself as frame 0.

        Raises
        ------
        InputError
            If there is no such frame.
        """
        if not 0 <= t < self.n_frames:
            raise InputError(f"{self._called} has no frame {t}: choose 0 to {self.n_frames - 1}.")
        if not self.is_series:
            return self
        data = self._data[t]
        notes: tuple[str, ...] = ()
        if isinstance(self._data, Frames):
            notes = (*self._data.notes, *notes_on_values(data))
        return Volume(
            data,
            self._grid.one_frame(),
            path=self.path,
            name=self.name,
            is_label=self.is_label,
            notes=self.notes + notes,
        )

    @cached_property
    def window(self) -> Window:
        """The intensities that become 0 and 1 on the volume scale: minimum and 99.95th percentile.

        Raises
        ------
        InputError
            If this is a series: each frame has its own window.
        """
        if self.is_series:
            raise InputError(
                f"{self._called} is a series of {self.n_frames} volumes: choose one frame of it."
            )
        return Window.of(self.data)

    @cached_property
    def normalized(self) -> npt.NDArray[np.float32]:
        """The volume scale: float32 (I, P, L) in [0, 1], C-contiguous, computed once.

        NaN and -Inf become 0, Inf becomes 1; a constant volume is 0 everywhere.

        Raises
        ------
        InputError
            If this is a series.
        """
        return self.window.normalize(self.data)

    def to_intensities(self, array: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Take an array of any shape from the volume scale back to the file's intensities.

        The inverse of the window. What is outside [0, 1] is extrapolated linearly.

        Raises
        ------
        InputError
            If this is a series.
        """
        return self.window.to_intensities(array)

    def save_like(self, array: npt.ArrayLike, path: str | PathLike[str]) -> Path:
        """Write an array onto the grid of the file that this volume came from.

        Axis order, affine, sform and qform, units and shape of the file are those of the volume's own file.
        Values are written as given, without a slope.

        Parameters
        ----------
        array : array_like
            The shape of `data`: (I, P, L) or (T, I, P, L). Floating point is written as float32 (float64
            stays as it is), integers as integers.
        path : str or os.PathLike
            .nii, .nii.gz, .mgh or .mgz. Written beside and renamed, so that nobody sees half a file.

        Returns
        -------
        pathlib.Path
            The file that was written.

        Raises
        ------
        InputError
            If the shape is another one, the kind of file is unknown, or it cannot be written.
        """
        given = np.asarray(array)
        if given.shape != self.shape:
            raise InputError(
                f"An array of {' x '.join(map(str, given.shape))} does not fit {self._called} "
                f"({' x '.join(map(str, self.shape))}): save it like the volume that it was made of."
            )
        return write_grid(given, self._grid, Path(path).expanduser(), is_label=self.is_label)

    @property
    def _called(self) -> str:
        return self.name or "The volume"

"""The volumes that files and folders stand for."""

from collections.abc import Sequence
from pathlib import Path


def find_volumes(paths: Sequence[Path]) -> list[Path]:
    """Return files of volumes: those that are given, and those of the folders that are.

    Of a BIDS data set it is the T1w images, of any other folder every NIfTI file in it. Each is there once.

    Raises
    ------
    InputError
        If a file is no volume by its header, or a folder holds none.
    """
    # What reads volumes and folders is only needed when there are some.
    from napari_mri_cae.training.config import DataFolder
    from napari_mri_cae.training.data.sources import find_files
    from napari_mri_cae.volume.opening import open_file

    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += find_files(DataFolder(folder=path), Path())
        else:
            open_file(path)
            found.append(path)
    return list(dict.fromkeys(path.absolute() for path in found))

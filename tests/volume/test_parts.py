"""The files of a volume, and the checksum of all of them."""

import hashlib
import os
from pathlib import Path

import nibabel
import numpy as np
import pytest

from napari_mri_cae import InputError
from napari_mri_cae.volume.parts import files_of, volume_checksum


@pytest.mark.parametrize("named", ["header", "image"])
def test_the_voxels_of_a_pair_count(tmp_path: Path, named: str) -> None:
    def save(value: int) -> Path:
        image = nibabel.Nifti1Pair(np.full((3, 4, 5), value, np.int16), np.eye(4))
        nibabel.save(image, tmp_path / "scan.img.gz")
        (path,) = tmp_path.glob("scan.hdr*" if named == "header" else "scan.img*")
        return path

    (tmp_path / "scan.image.hdr").write_bytes(b"another's")
    first = volume_checksum(save(1))
    path = save(2)
    assert [each.name for each in files_of(path)] == ["scan.hdr.gz", "scan.img.gz"]
    os.utime(tmp_path / "scan.img.gz", ns=(0, 0))
    assert volume_checksum(path) != first


def test_of_a_single_file_it_is_that_files_own(tmp_path: Path) -> None:
    path = tmp_path / "scan.nii.gz"
    path.write_bytes(b"voxels")
    (tmp_path / "scan.hdr").write_bytes(b"of another volume")
    assert files_of(path) == (path,)
    assert volume_checksum(path) == hashlib.sha256(b"voxels").hexdigest()
    path.unlink()
    with pytest.raises(InputError, match=r"scan\.nii\.gz cannot be read"):
        volume_checksum(path)

import nibabel as nib
import numpy as np
import pytest

from napari_mri_cae.training.config import TrainingConfig


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of its own for every test."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("NAPARI_MRI_CAE_CACHE", str(folder))
    return folder


@pytest.fixture
def write_volume(tmp_path):
    """Write an I-P-L array below the data root, in that order, as a NIfTI file."""

    def write(name, voxels, spacing=(1.0, 1.0, 1.0)):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        affine = np.zeros((4, 4))
        affine[[2, 1, 0], [0, 1, 2]] = np.negative(spacing)
        affine[3, 3] = 1
        nib.save(nib.Nifti1Image(np.asarray(voxels, np.float32), affine), path)
        return path

    return write


@pytest.fixture
def scans(write_volume, rng):
    """Five subjects of a plain folder: I-P-L arrays of 12 x 14 x 10, bright inside, 0 around."""
    found = {}
    for number in range(5):
        voxels = np.zeros((12, 14, 10))
        voxels[2:10, 3:12, 2:8] = rng.integers(200, 1000, (8, 9, 6))
        found[f"s{number}"] = voxels.astype(np.float32)
        write_volume(f"scans/s{number}.nii.gz", voxels)
    return found


@pytest.fixture
def make_config(tmp_path):
    def make(**changes):
        fields = {
            "name": "tiny",
            "root": tmp_path / "data",
            "data": [{"folder": "scans"}],
            "planes": ["axial"],
            "sampling": {"kind": "slices"},
            "multiple_of": 1,
            "batch_size": 4,
        }
        return TrainingConfig.model_validate({**fields, **changes})

    return make

import nibabel as nib
import numpy as np
import pytest

from napari_mri_cae.training import TrainingConfig


@pytest.fixture
def root(tmp_path, rng, monkeypatch):
    """A BIDS folder of three subjects and a plain one of one, and a cache of their own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    names = [f"bids/sub-{n}/anat/sub-{n}_T1w.nii.gz" for n in "123"] + ["plain/scan.nii"]
    for name in names:
        voxels = np.zeros((24, 28, 20), np.int16)
        voxels[4:20, 4:24, 4:16] = rng.integers(200, 1000, (16, 20, 12))
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        nib.save(nib.Nifti1Image(voxels, np.diag([-1, 1, 1, 1])), path)
    return tmp_path / "data"


@pytest.fixture
def config(root):
    return TrainingConfig.model_validate(
        {
            "name": "tiny",
            "root": root,
            "data": [
                {
                    "folder": "bids",
                    "pattern": "sub-*/anat/*_T1w.nii.gz",
                    "validation": ["sub-2"],
                    "test": ["sub-3"],
                },
                {"folder": "plain", "share": 0.5},
            ],
            "patch_size": 16,
            "batch_size": 2,
            "augmentation": {"steps": [{"kind": "gaussian-noise", "sigma": [0.0, 0.1]}]},
            "architecture_parameters": {"channels": 4, "levels": 1},
            "multiple_of": 2,
            "steps": 4,
            "steps_per_epoch": 2,
            "warmup_steps": 1,
            "decay_steps": 1,
            "validation": {"sigmas": [0.0, 0.05], "slices_per_plane": 1},
            "precision": "32-true",
        }
    )

import nibabel as nib
import numpy as np
import pytest

from napari_mri_cae.training import TrainingConfig


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of its own for every test."""
    monkeypatch.setenv("NAPARI_MRI_CAE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def root(tmp_path, rng):
    """A BIDS folder of three subjects and a plain one of two."""
    names = [f"bids/sub-{n}/anat/sub-{n}_T1w.nii.gz" for n in "123"] + ["plain/a.nii", "plain/b.nii"]
    for name in names:
        voxels = np.zeros((24, 28, 20), np.int16)
        voxels[4:20, 4:24, 4:16] = rng.integers(200, 1000, (16, 20, 12))
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        nib.save(nib.Nifti1Image(voxels, np.diag([-1, 1, 1, 1])), path)
    return tmp_path / "data"


_FIELDS = {
    "name": "tiny",
    "data": [
        {"folder": "bids", "validation": ["sub-2"], "test": ["sub-3"]},
        {"folder": "plain", "share": 0.5, "training": ["a", "b"]},
    ],
    "sampling": {"kind": "patches", "size": 16},
    "augmentation": {"steps": [{"kind": "gaussian-noise", "sigma": [0.0, 0.1]}]},
    "architecture_parameters": {"channels": 4, "levels": 1},
    "multiple_of": 2,
    "batch_size": 2,
    "epochs": 2,
    "steps_per_epoch": 2,
    "schedule": {"kind": "cosine", "warmup_steps": 1, "decay_steps": 1},
    "average_decay": 0.9,
    "validation": {"sigmas": [0.0, 0.05], "slices_per_plane": 1},
    "precision": "32-true",
    "threads": 1,
}


@pytest.fixture
def config(root):
    """Random patches, of two folders."""
    return TrainingConfig.model_validate({**_FIELDS, "root": root})


@pytest.fixture
def slices_config(root):
    """Whole slices and Keras's ways: batch norm, dropout, RMSprop, plateau, early stopping, L2."""
    return TrainingConfig.model_validate(
        {
            **_FIELDS,
            "root": root,
            "data": [{"folder": "plain"}],
            "split": {"by": "slice", "validation": 0.5},
            "planes": ["axial"],
            "slices": {"rule": "middle", "count": 12},
            "intensity": "slice-min-max",
            "sampling": {"kind": "slices"},
            "architecture": "devto-denoiser",
            "architecture_parameters": {},
            "multiple_of": 8,
            "batch_size": 4,
            "epochs": 4,
            "steps_per_epoch": None,
            "optimizer": {"kind": "rmsprop", "l2": 1e-4},
            "schedule": {"kind": "plateau", "patience": 1, "min_delta": 10.0},
            "early_stopping": {"patience": 3, "min_delta": 10.0},
            "average_decay": 0.0,
        }
    )

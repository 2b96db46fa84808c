"""A small volume, a series, a model, and the command line called as a function."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch

from napari_mri_cae.cli import main
from napari_mri_cae.models import Card, Model, save_model
from napari_mri_cae.models.architectures import build

# Oblique, (L, A, S) with voxels that are nowhere cubes.
AFFINE = np.array(
    [[-1.2, 0.05, 0.0, 9.0], [0.06, 0.9, -0.1, -7.0], [0.0, 0.075, 2.0, -11.0], [0.0, 0.0, 0.0, 1.0]]
)
SHAPE = (18, 14, 16)


@dataclass(frozen=True)
class Ended:
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        def refuse(constant: str) -> None:
            raise AssertionError(f"{constant} is not JSON")

        return json.loads(self.out, parse_constant=refuse)


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    def run(*words: object) -> Ended:
        capsys.readouterr()
        try:
            status = main([str(word) for word in words])
        except SystemExit as end:
            status = int(end.code or 0)
        captured = capsys.readouterr()
        return Ended(status, captured.out, captured.err)

    return run


@pytest.fixture
def voxels(rng: np.random.Generator) -> np.ndarray:
    """Blobs and a background, in the file's axis order."""
    smooth = rng.normal(size=SHAPE).cumsum(0).cumsum(1)
    return np.round(np.clip(smooth * 40 + 300, 0, 2000)).astype(np.int16)


@pytest.fixture
def volume_file(tmp_path: Path, voxels: np.ndarray) -> Path:
    image = nib.Nifti1Image(voxels, AFFINE)
    image.header.set_slope_inter(0.5, 10.0)
    image.header.set_xyzt_units("mm", "sec")
    path = tmp_path / "sub-01_T1w.nii.gz"
    nib.save(image, path)
    return path


@pytest.fixture
def series_file(tmp_path: Path, voxels: np.ndarray) -> Path:
    frames = np.stack([voxels, voxels // 2 + 3 * np.arange(SHAPE[0], dtype=np.int16)[:, None, None]], axis=-1)
    path = tmp_path / "sub-01_bold.nii"
    nib.save(nib.Nifti1Image(frames.astype(np.int16), AFFINE), path)
    return path


@pytest.fixture(scope="session")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that has learnt nothing, but does something."""
    parameters = {"channels": 4, "levels": 1}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = build("skip-unet", **parameters)
        with torch.no_grad():
            for weight in network.parameters():
                weight.add_(0.05 * torch.randn(weight.shape))
    card = Card(
        name="tiny", architecture="skip-unet", architecture_parameters=parameters, multiple_of=2, parameters=7
    )
    path = tmp_path_factory.mktemp("models") / "tiny.safetensors"
    return save_model(Model(network.eval(), card), path)

"""Two small heads as files, and a network that has learnt nothing but does something."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_mri_cae import Volume
from napari_mri_cae.evaluation import Row
from napari_mri_cae.models import Card, Model
from napari_mri_cae.models.architectures import build

SHAPE = (20, 26, 24)
# I, P and L run against their RAS axes.
AFFINE = np.array([[0.0, 0, -5, 0], [0, -5, 0, 0], [-5, 0, 0, 0], [0, 0, 0, 1]])


def ball(seed: int) -> np.ndarray:
    """Return a textured ball in an empty background, (I, P, L)."""
    grid = np.mgrid[-1 : 1 : SHAPE[0] * 1j, -1 : 1 : SHAPE[1] * 1j, -1 : 1 : SHAPE[2] * 1j]
    texture = np.random.default_rng(seed).normal(0, 25, SHAPE)
    waves = 300 + 100 * np.sin(5 * grid[1]) * np.cos(4 * grid[2] + seed)
    return np.where((grid**2).sum(0) < 0.6, waves + texture, 0).astype(np.float32)


@pytest.fixture(scope="session")
def volumes(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two people of one data set, 5 mm voxels."""
    root = tmp_path_factory.mktemp("study")
    paths = []
    for number in (1, 2):
        path = root / f"sub-0{number}" / "anat" / f"sub-0{number}_T1w.nii.gz"
        path.parent.mkdir(parents=True)
        paths.append(write(path, ball(number)))
    return paths


def write(path: Path, array: np.ndarray) -> Path:
    """Write an (I, P, L) array with voxels of 5 mm."""
    return Volume.from_array(array, AFFINE).save_like(array, path)


@pytest.fixture
def save() -> Callable[[Path, np.ndarray], Path]:
    return write


@pytest.fixture(scope="session")
def model() -> Model:
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
    return Model(network.eval(), card)


@pytest.fixture
def row() -> Callable[..., Row]:
    """Make a row of a table from what matters about it."""

    def make(psnr: float, **others: object) -> Row:
        values: dict[str, object] = {
            "volume": "a",
            "subject": "a",
            "plane": "axial",
            "slice": 0,
            "kind": "gaussian-noise",
            "strength": 0.1,
            "corruption": "noise",
            "model": "first",
            "region": "whole slice",
            "pixels": 9,
            "data_range": 1.0,
            "psnr": psnr,
            "ssim": psnr / 100,
            "dssim": (1 - psnr / 100) / 2,
            "mse": 10 ** (-psnr / 10),
        }
        return Row(**{**values, **others})  # type: ignore[arg-type]

    return make

"""What the package promises about the models in it."""

from pathlib import Path

import numpy as np
import pytest
import torch

from napari_mri_cae import load_model
from napari_mri_cae.corruptions import CorruptedSlices, GaussianNoise, corrupt
from napari_mri_cae.metrics import psnr
from napari_mri_cae.models import file, read_card
from napari_mri_cae.reconstruction import Reconstructor
from napari_mri_cae.training import TrainingConfig

SHIPPED = Path(file.__file__).parent / "weights"


def test_the_default_model_clears_its_bar_on_subjects_it_has_not_seen():
    card = load_model().card
    trained = {(data.name, subject) for data in card.training.data for subject in data.training_subjects}
    rows = {
        (row.data, row.corruption): row
        for row in card.metrics
        if (row.plane, row.region) == ("axial", "whole slice")
    }
    assert all((row.data, subject) not in trained for row in rows.values() for subject in row.subjects)
    for data, clean, gain in (("ds002748", 45, 9), ("ds000011", 40, 4)):
        noisy = rows[data, "gaussian-noise sigma=0.03"]
        assert rows[data, "none"].psnr_reconstructed >= clean
        assert noisy.psnr_reconstructed - noisy.psnr_corrupted >= gain


def test_the_default_model_denoises_a_phantom_of_odd_size():
    rows, columns = np.mgrid[-1:1:91j, -1:1:83j]
    radius = np.hypot(rows, columns * 1.2)
    phantom = (0.7 * (radius < 0.8) + 0.2 * np.sin(9 * rows) * (radius < 0.6)).astype(np.float32)
    clean = torch.from_numpy(phantom)[None, None]
    noisy = corrupt(clean, [GaussianNoise(sigma=0.05)], seed=0, plane="axial", indices=[0])
    output = Reconstructor(load_model(), "cpu", exact=True)(noisy)
    before, after = (psnr(clean, slices, data_range=1.0) for slices in (noisy, output))
    assert after - before > 6
    assert psnr(clean, Reconstructor(load_model(), "cpu", exact=True)(clean), data_range=1.0) > 45


def test_neighbours_help_the_default_model():
    rows, columns, slices = np.mgrid[-1:1:96j, -1:1:88j, 0:0.2:9j]
    radius = np.hypot(rows, columns * 1.2) + 0.1 * slices
    inside = 0.3 * np.sin(19 * rows + 4 * slices) * np.cos(17 * columns) * (radius < 0.7)
    phantom = np.moveaxis(0.6 * (radius < 0.8) + inside, -1, 0).astype(np.float32)
    noisy = CorruptedSlices(phantom, [GaussianNoise(sigma=0.1)], plane="axial", seed=0)
    indices = [2, 4, 6]
    alone, beside = (
        psnr(
            noisy.clean(indices),
            Reconstructor(load_model(name), "cpu", exact=True)(noisy(indices, neighbours)),
            data_range=1.0,
        ).mean()
        for name, neighbours in (("denoiser-any", 0), (None, 2))
    )
    assert load_model().card.neighbours == 2
    assert beside - alone > 1


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.safetensors")), ids=lambda path: path.stem)
def test_every_card_tells_where_the_model_is_from(path):
    card = read_card(path)
    assert card.name == path.stem
    assert path.stat().st_size < 7e6
    assert card.title
    assert card.licence
    assert card.versions
    assert card.metrics
    assert card.domain is not None
    # From these Compare tells which slices are unusual, clean ones and with the noise that it begins with.
    assert {len(usual.corruptions) for usual in card.slice_statistics} == {0, 1}
    assert all(data.reference and data.licence and data.training_subjects for data in card.training.data)
    recipe = TrainingConfig.load(path.parents[2] / "recipes" / f"{card.training.recipe}.yaml")
    assert (recipe.architecture, recipe.seed) == (card.architecture, card.training.seed)
    assert recipe.augmentation.model_dump(mode="json") == card.training.corruption
    assert card.training.steps is not None
    assert card.training.steps <= recipe.epochs * recipe.steps_per_epoch

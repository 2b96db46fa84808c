"""Metrics of a region against scikit-image's map and numpy."""

import math

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from napari_mri_cae.evaluation.regions import measure_regions


def test_against_scikit_image(rng: np.random.Generator) -> None:
    clean = rng.random((2, 40, 33))
    tests = [clean + 0.1 * rng.standard_normal(clean.shape), clean * 0.9]
    mask = np.zeros(clean.shape, bool)
    mask[0, 3:30, 8:] = True
    mask[1, 20, 20] = True
    whole, brain = measure_regions(
        torch.from_numpy(clean)[:, None],
        [torch.from_numpy(test)[:, None] for test in tests],
        torch.from_numpy(mask),
        data_range=1.0,
    )
    assert (whole.region, brain.region) == ("whole slice", "brain")
    assert brain.pixels.tolist() == [27 * 25, 1]
    for number, test in enumerate(tests):
        for n in range(2):
            mean, similarity = structural_similarity(
                clean[n],
                test[n],
                gaussian_weights=True,
                sigma=1.5,
                use_sample_covariance=False,
                data_range=1.0,
                full=True,
            )
            # Windows that reach beyond the slice do not count.
            inner = np.zeros_like(mask[n])
            inner[5:-5, 5:-5] = mask[n, 5:-5, 5:-5]
            error = (clean[n] - test[n]) ** 2
            assert whole.ssim[number, n].item() == pytest.approx(mean, abs=1e-9)
            assert whole.mse[number, n].item() == pytest.approx(error.mean())
            assert brain.ssim[number, n].item() == pytest.approx(similarity[inner].mean(), abs=1e-9)
            assert brain.dssim[number, n].item() == pytest.approx(
                (1 - similarity[inner].mean()) / 2, abs=1e-9
            )
            assert brain.mse[number, n].item() == pytest.approx(error[mask[n]].mean())
            assert brain.psnr[number, n].item() == pytest.approx(-10 * math.log10(error[mask[n]].mean()))


def test_no_brain_no_number() -> None:
    slices = torch.rand(1, 1, 16, 16)
    _, brain = measure_regions(slices, [slices + 0.1], torch.zeros(1, 16, 16, dtype=torch.bool), data_range=1)
    assert brain.pixels.item() == 0
    assert all(map(math.isnan, (brain.mse.item(), brain.psnr.item(), brain.ssim.item())))

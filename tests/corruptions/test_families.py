"""Each corruption against its definition: analytic statistics, scipy, scikit-image, numbers by hand."""

import math

import numpy as np
import pytest
import scipy.ndimage
import scipy.stats
import skimage.filters
import torch

from napari_mri_cae.corruptions import (
    BlankOut,
    Corruption,
    GaussianBlur,
    GaussianNoise,
    PixelDropout,
    RicianNoise,
    corrupt,
)
from napari_mri_cae.corruptions.blank_out import blank_out, place_squares
from napari_mri_cae.corruptions.gaussian_blur import blur
from napari_mri_cae.corruptions.gaussian_noise import add_gaussian_noise
from napari_mri_cae.corruptions.pixel_dropout import drop_pixels
from napari_mri_cae.corruptions.rician_noise import add_rician_noise


def _corrupt(slices: torch.Tensor, corruption: Corruption, seed: int = 0) -> torch.Tensor:
    return corrupt(slices, [corruption], seed=seed, plane="axial", indices=range(len(slices)))


def test_gaussian_noise_has_its_mean_and_sigma() -> None:
    signal = torch.full((2, 1, 300, 300), 0.02)
    noise = _corrupt(signal, GaussianNoise(sigma=0.05)) - signal
    assert abs(noise.mean()) < 5e-4
    assert noise.std() == pytest.approx(0.05, rel=0.01)
    assert noise.min() < -0.1  # not clipped
    clipped = _corrupt(signal, GaussianNoise(sigma=0.05, clip=True))
    assert torch.equal(clipped, (noise + signal).clamp(0, 1))


@pytest.mark.parametrize("signal", [0.0, 0.1, 0.6])
def test_rician_noise_has_its_distribution(signal: float) -> None:
    sigma = 0.08
    noisy = _corrupt(torch.full((1, 1, 400, 400), signal), RicianNoise(sigma=sigma)).double()
    expected = scipy.stats.rice(signal / sigma, scale=sigma)
    assert noisy.mean() == pytest.approx(expected.mean(), rel=0.01)
    assert noisy.std() == pytest.approx(expected.std(), rel=0.01)
    if signal == 0:
        assert noisy.mean() == pytest.approx(sigma * math.sqrt(math.pi / 2), rel=0.01)
    assert scipy.stats.kstest(noisy.ravel()[::40], expected.cdf).pvalue > 1e-3


def test_rician_noise_by_hand() -> None:
    fields = torch.tensor([[[[0.0, 2.0]], [[4.0, -1.0]]]])
    noisy = add_rician_noise(torch.tensor([[[[0.3, -0.2]]]]), 0.1, fields)
    torch.testing.assert_close(noisy, torch.tensor([[[[0.5, 0.1]]]]))


def test_dropout_loses_its_share_and_a_larger_rate_loses_more() -> None:
    slices = torch.full((2, 1, 300, 300), 0.5)
    few, many = _corrupt(slices, PixelDropout(rate=0.04)), _corrupt(slices, PixelDropout(rate=0.3))
    assert (few == 0).float().mean() == pytest.approx(0.04, abs=0.003)
    assert (many == 0).float().mean() == pytest.approx(0.3, abs=0.005)
    assert (many[few == 0] == 0).all()
    assert (many[many != 0] == 0.5).all()
    rescaled = _corrupt(slices, PixelDropout(rate=0.3, rescale=True))
    torch.testing.assert_close(rescaled, many / 0.7)
    assert rescaled.mean() == pytest.approx(0.5, abs=0.004)


@pytest.mark.parametrize("sigma", [0.1, 0.4, 1.0, 2.3, 9.0])
def test_blur_is_scipys(sigma: float, rng: np.random.Generator) -> None:
    image = rng.random((40, 23))
    expected = scipy.ndimage.gaussian_filter(image, sigma, mode="nearest")
    np.testing.assert_allclose(skimage.filters.gaussian(image, sigma), expected, atol=1e-12)
    blurred = _corrupt(torch.from_numpy(image)[None, None], GaussianBlur(sigma=sigma))
    np.testing.assert_allclose(blurred[0, 0], expected, atol=1e-12)
    single = _corrupt(torch.from_numpy(image)[None, None].float(), GaussianBlur(sigma=sigma))
    np.testing.assert_allclose(single[0, 0], expected, atol=1e-6)


def test_blur_of_a_slice_smaller_than_the_kernel(rng: np.random.Generator) -> None:
    image = rng.random((5, 1))
    blurred = blur(torch.from_numpy(image)[None, None], 3.0)
    np.testing.assert_allclose(
        blurred[0, 0], scipy.ndimage.gaussian_filter(image, 3.0, mode="nearest"), atol=1e-12
    )


def test_blur_with_a_fixed_kernel_by_hand() -> None:
    impulse = torch.zeros(1, 1, 7, 7, dtype=torch.float64)
    impulse[0, 0, 3, 3] = 1
    side = math.exp(-0.5 / 0.6**2)
    row = np.array([0, 0, side, 1, side, 0, 0]) / (1 + 2 * side)
    blurred = _corrupt(impulse, GaussianBlur(sigma=0.6, kernel_size=3))
    np.testing.assert_allclose(blurred[0, 0], np.outer(row, row), atol=1e-15)


def test_a_blank_square_lies_where_it_is_put() -> None:
    slices = torch.rand(1, 1, 12, 15)
    corrupted = _corrupt(slices, BlankOut(size=4, row=2, column=9, value=0.25))
    expected = slices.clone()
    expected[..., 2:6, 9:13] = 0.25
    assert torch.equal(corrupted, expected)
    beyond = _corrupt(slices, BlankOut(size=40, row=10, column=3))
    expected = slices.clone()
    expected[..., 10:, 3:] = 0
    assert torch.equal(beyond, expected)


def test_a_random_blank_square_lies_wholly_inside() -> None:
    slices = torch.ones(300, 1, 9, 12)
    blanks = _corrupt(slices, BlankOut(size=7)) == 0
    assert (blanks.sum((1, 2, 3)) == 49).all()
    tops = blanks.any(-1).float().argmax(-1).ravel()
    lefts = blanks.any(-2).float().argmax(-1).ravel()
    assert torch.bincount(tops, minlength=3).min() > 60  # 0, 1 and 2, about as often
    assert torch.bincount(lefts, minlength=6).min() > 25
    assert len(torch.bincount(tops)) == 3
    assert len(torch.bincount(lefts)) == 6
    # One given coordinate stays; a square that does not fit begins at the edge.
    assert (_corrupt(slices, BlankOut(size=7, row=2))[:, :, :2] == 1).all()
    assert (_corrupt(slices, BlankOut(size=20)) == 0).all()
    last = place_squares(slices[:1], 7, torch.full((1, 2), 1 - 2**-24))
    assert [start.item() for start in last] == [2, 5]


def test_one_parameter_for_each_slice() -> None:
    slices = torch.rand(4, 1, 20, 24)
    strengths = torch.tensor([0.0, 0.3, 1.7, 0.9])
    normal, uniform = torch.randn(4, 2, 20, 24), torch.rand(4, 1, 20, 24)
    sides = torch.tensor([0, 3, 8, 5])
    together = [
        add_gaussian_noise(slices, strengths, normal[:, :1]),
        add_rician_noise(slices, strengths, normal),
        drop_pixels(slices, strengths / 2, uniform, rescale=True),
        blur(slices, strengths),
        blur(slices, strengths, max_sigma=2.0),
        blur(slices, strengths, kernel_size=3),
        blank_out(slices, sides, sides, sides + 2, strengths),
    ]
    for n in range(4):
        one, strength, side = slices[n : n + 1], strengths[n].item(), int(sides[n])
        alone = [
            add_gaussian_noise(one, strength, normal[n : n + 1, :1]),
            add_rician_noise(one, strength, normal[n : n + 1]),
            drop_pixels(one, strength / 2, uniform[n : n + 1], rescale=True),
            blur(one, strength),
            blur(one, strength),
            blur(one, strength, kernel_size=3),
            blank_out(one, side, side, side + 2, strength),
        ]
        for result, expected in zip(together, alone, strict=True):
            torch.testing.assert_close(result[n], expected[0], rtol=0, atol=1e-6)
            if strength == 0:
                assert torch.equal(result[n], slices[n])

"""Metrics against scikit-image in float64, and numbers by hand."""

import math
from typing import Any

import numpy as np
import pytest
import skimage.metrics
import torch

from napari_mri_cae.metrics import compare, dssim, mse, psnr, psnr_from_mse, ssim, ssim_maps


def _skimage_ssim(reference: np.ndarray, test: np.ndarray, data_range: float) -> float:
    return float(
        skimage.metrics.structural_similarity(
            reference,
            test,
            data_range=data_range,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
    )


def _brain(rng: np.random.Generator, height: int = 70, width: int = 61) -> np.ndarray:
    """Return something like a slice: a black background, an ellipse with texture, a bright spot."""
    rows, columns = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    inside = rows**2 + (1.3 * columns) ** 2 < 0.8
    return np.where(inside, 0.5 + 0.3 * np.sin(9 * rows) * np.cos(7 * columns), 0.0) * (
        1 + 0.05 * rng.standard_normal((height, width))
    ).clip(0, 1.2)


def _case(name: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, float]:
    clean, noise = _brain(rng), rng.standard_normal((70, 61))
    if name == "noisy":
        return clean, clean + 0.03 * noise, 1.0
    if name == "nearly equal":
        return clean, clean + 1e-4 * noise, 1.0
    if name == "very noisy":
        return clean, clean + 0.5 * noise, 1.0
    if name == "negative":
        return clean, 0.5 - clean, 1.0
    if name == "large numbers":
        return 4000 * clean, 4000 * clean + 100 * noise, 4000.0
    if name == "nearly constant":
        return 0.9 + 1e-3 * clean, 0.9 + 1e-3 * noise, 1.0
    if name == "nearly constant, small range":
        return 0.9 + 1e-3 * clean, 0.9 + 1e-3 * clean + 1e-4 * noise, 0.01
    if name == "far from zero":
        return 100 + clean, 100 + clean + 0.03 * noise, 1.0
    assert name == "empty"
    return np.zeros_like(clean), 0.01 * noise, 1.0


CASES = [
    "noisy",
    "nearly equal",
    "very noisy",
    "negative",
    "large numbers",
    "nearly constant",
    "nearly constant, small range",
    "far from zero",
    "empty",
]


@pytest.mark.parametrize("name", CASES)
def test_ssim_is_scikit_images(name: str, rng: np.random.Generator) -> None:
    reference, test, data_range = _case(name, rng)
    # What scikit-image sees in float64 are the float32 numbers.
    single = [torch.from_numpy(image)[None, None].float() for image in (reference, test)]
    expected = _skimage_ssim(*(image[0, 0].double().numpy() for image in single), data_range)
    assert ssim(*single, data_range=data_range).item() == pytest.approx(expected, abs=1e-4)
    double = [torch.from_numpy(image)[None] for image in (reference, test)]
    exact = ssim(*double, data_range=data_range)
    assert exact.item() == pytest.approx(_skimage_ssim(reference, test, data_range), abs=1e-9)
    assert dssim(*double, data_range=data_range).item() == pytest.approx((1 - exact.item()) / 2, abs=1e-12)


# Windows in one block of the filter, in two that overlap by all but one, and in many.
@pytest.mark.parametrize(("height", "width"), [(26, 27), (27, 26), (74, 256), (300, 200)])
def test_large_slices_are_filtered_in_blocks(height: int, width: int, rng: np.random.Generator) -> None:
    clean = _brain(rng, height, width)
    tests = [clean + sigma * rng.standard_normal(clean.shape) for sigma in (0.03, 0.3)]
    slices = [torch.from_numpy(image)[None] for image in (clean, *tests)]
    for image, metrics in zip(tests, compare(slices[0], slices[1:], data_range=1.0), strict=True):
        assert metrics.ssim.item() == pytest.approx(_skimage_ssim(clean, image, 1.0), abs=1e-9)
        assert metrics.mse.item() == pytest.approx(np.square(clean - image).mean(), rel=1e-9)
    maps = ssim_maps(slices[0], slices[1:], data_range=1.0)
    assert maps.shape == (2, 1, height - 10, width - 10)
    _, expected = skimage.metrics.structural_similarity(
        clean,
        tests[0],
        data_range=1.0,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )
    np.testing.assert_allclose(maps[0, 0].numpy(), expected[5:-5, 5:-5], atol=1e-9)


def test_mse_and_psnr_are_scikit_images(rng: np.random.Generator) -> None:
    reference, test = rng.random((2, 3, 20, 30))
    tensors = [torch.from_numpy(slices).float() for slices in (reference, test)]
    for n in range(3):
        error = skimage.metrics.mean_squared_error(reference[n], test[n])
        ratio = skimage.metrics.peak_signal_noise_ratio(reference[n], test[n], data_range=2)
        assert mse(*tensors)[n].item() == pytest.approx(error, rel=1e-5)
        assert psnr(*tensors, data_range=2)[n].item() == pytest.approx(ratio, abs=1e-4)


def test_by_hand() -> None:
    reference = torch.zeros(2, 1, 12, 12)
    test = reference.clone()
    test[1] = 0.1
    assert psnr(reference, test, data_range=1.0).tolist() == pytest.approx([math.inf, 20])
    assert psnr_from_mse(torch.tensor([0.01, 0.0]), data_range=10).tolist() == pytest.approx([40, math.inf])
    # Two constants: the structure term is 1 and (2 * 0 * 0.1 + C1) / (0.1^2 + C1) is left.
    assert ssim(reference, test, data_range=1.0).tolist() == pytest.approx([1, 1e-4 / 0.0101], rel=1e-5)


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0, 1e4, 1e-20])
def test_equal_slices_have_an_ssim_of_exactly_one(value: float, rng: np.random.Generator) -> None:
    flat = torch.full((1, 1, 30, 30), value)
    textured = value * torch.from_numpy(_brain(rng))[None, None].float()
    for slices in (flat, textured):
        assert ssim(slices, slices.clone(), data_range=1.0).item() == 1
        assert dssim(slices, slices.clone(), data_range=1.0).item() == 0


@pytest.mark.parametrize(
    ("height", "width", "window"), [(7, 20, 7), (9, 8, 7), (11, 4, 3), (1, 30, 1), (2, 2, 1)]
)
def test_small_slices_have_a_smaller_window(
    height: int, width: int, window: int, rng: np.random.Generator
) -> None:
    x, y = rng.random((2, height, width))
    distance = np.arange(window) - window // 2
    weights = np.exp(-(distance**2) / (2 * 1.5**2))
    weights = np.outer(weights, weights) / weights.sum() ** 2
    values = []
    for row in range(height - window + 1):
        for column in range(width - window + 1):
            a = x[row : row + window, column : column + window]
            b = y[row : row + window, column : column + window]
            mean_a, mean_b = (weights * a).sum(), (weights * b).sum()
            variances = (weights * (a - mean_a) ** 2).sum() + (weights * (b - mean_b) ** 2).sum()
            covariance = (weights * (a - mean_a) * (b - mean_b)).sum()
            values.append(
                (2 * mean_a * mean_b + 1e-4)
                * (2 * covariance + 9e-4)
                / ((mean_a**2 + mean_b**2 + 1e-4) * (variances + 9e-4))
            )
    result = ssim(torch.from_numpy(x)[None], torch.from_numpy(y)[None], data_range=1.0)
    assert result.item() == pytest.approx(np.mean(values), abs=1e-12)


def test_compare_gives_what_the_single_metrics_give(rng: np.random.Generator) -> None:
    reference = torch.from_numpy(np.stack([_brain(rng) for _ in range(3)]))[:, None].float()
    tests = [reference + 0.03 * torch.randn_like(reference), reference.clone()]
    before = [slices.clone() for slices in (reference, *tests)]
    results = compare(reference, tests, data_range=1.0)
    assert all(map(torch.equal, (reference, *tests), before))
    for test, result in zip(tests, results, strict=True):
        torch.testing.assert_close(result.mse, mse(reference, test))
        torch.testing.assert_close(result.psnr, psnr(reference, test, data_range=1.0))
        torch.testing.assert_close(result.ssim, ssim(reference, test, data_range=1.0))
        torch.testing.assert_close(result.dssim, dssim(reference, test, data_range=1.0))
        assert result.ssim.shape == (3,)
    one = compare(reference[1:2], [tests[0][1:2]], data_range=1.0)[0]
    torch.testing.assert_close(one.ssim[0], results[0].ssim[1])
    assert compare(reference, [], data_range=1.0) == []
    assert compare(reference[:0], [reference[:0]], data_range=1.0)[0].ssim.shape == (0,)


def test_what_is_not_finite_spoils_its_own_windows_only() -> None:
    reference, test = torch.rand(2, 1, 40, 50)
    test[0, 5, 6], test[0, 30, 40] = math.nan, 1e25
    spoilt = ~ssim_maps(reference, [test], data_range=1.0)[0, 0].isfinite()
    expected = torch.zeros(30, 40, dtype=torch.bool)
    expected[:6, :7] = expected[20:, 30:] = True
    assert torch.equal(spoilt, expected)


@pytest.mark.parametrize("number", [torch.tensor(2.0), np.float64(2), np.array(2.0)])
def test_a_data_range_from_numpy_or_torch(number: Any) -> None:
    reference, test = torch.rand(2, 1, 20, 20)
    result = compare(reference, [test], data_range=number)[0]
    plain = compare(reference, [test], data_range=2.0)[0]
    assert (result.psnr.dtype, result.ssim.dtype) == (torch.float32, torch.float32)
    assert (result.psnr, result.ssim) == (plain.psnr, plain.ssim)


def test_how_slices_lie_in_memory_changes_nothing() -> None:
    volume, other = torch.rand(2, 256, 200, 5)
    slices, test = volume.permute(2, 0, 1), other.permute(2, 0, 1)
    error = mse(slices, test)
    assert torch.equal(error, mse(slices.contiguous(), test.contiguous()))
    torch.testing.assert_close(error.double(), mse(slices.double(), test.double()), rtol=1e-6, atol=0)
    negative = torch.complex(slices, -test).conj().imag  # torch keeps the sign to itself
    assert torch.equal(mse(slices, negative), error)


def test_ssim_can_be_trained_with() -> None:
    reference, test = torch.rand(2, 2, 1, 14, 13, dtype=torch.float64)
    test.requires_grad_()
    assert torch.autograd.gradcheck(lambda slices: ssim(reference, slices, data_range=1.0), (test,))
    with torch.no_grad():
        quick = ssim(reference, test, data_range=1.0)
    torch.testing.assert_close(ssim(reference, test, data_range=1.0), quick)


def test_half_precision_is_computed_in_single(rng: np.random.Generator) -> None:
    reference = torch.from_numpy(_brain(rng))[None, None].bfloat16()
    test = (reference.float() + 0.03 * torch.randn(reference.shape)).bfloat16()
    result = ssim(reference, test, data_range=1.0)
    assert result.dtype == torch.float32
    torch.testing.assert_close(result, ssim(reference.float(), test.float(), data_range=1.0))


def test_wrong_input_is_refused() -> None:
    slices = torch.rand(2, 1, 12, 12)
    with pytest.raises(ValueError, match="different shapes"):
        mse(slices, slices[:1])
    with pytest.raises(ValueError, match=r"\(N, 1, H, W\)"):
        mse(slices[0, 0], slices[0, 0])
    for data_range in (0, -1, math.nan, math.inf):
        with pytest.raises(ValueError, match="data range"):
            ssim(slices, slices, data_range=data_range)
        with pytest.raises(ValueError, match="data range"):
            psnr(slices, slices, data_range=data_range)

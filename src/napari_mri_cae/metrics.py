"""How far slices are from their reference: MSE, PSNR, SSIM and DSSIM, batched, on any device.

The data range is always the caller's to say, since it decides every PSNR and SSIM; it is 1 on the volume
scale. One value per slice comes back; nothing is averaged over a batch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_mri_cae.separable import filter_both

if TYPE_CHECKING:
    from torch import Tensor

_WINDOW = 11
_SIGMA = 1.5
_K1 = 0.01
_K2 = 0.03


@dataclass(frozen=True)
class SliceMetrics:
    """The metrics of N slices, each (N,)."""

    mse: Tensor
    psnr: Tensor
    ssim: Tensor

    @property
    def dssim(self) -> Tensor:
        """Return (1 - SSIM) / 2."""
        return (1 - self.ssim) / 2


def mse(reference: Tensor, test: Tensor) -> Tensor:
    """Return the mean squared error of each slice, (N,).

    Parameters
    ----------
    reference, test
        (N, 1, H, W) or (N, H, W), the same shape.
    """
    reference, test = _checked(reference, test)
    return _mse(reference, test)


def psnr(reference: Tensor, test: Tensor, *, data_range: float) -> Tensor:
    """Return the peak signal-to-noise ratio of each slice in dB, (N,).

    10 log10(data_range^2 / MSE), infinite where the two are equal.

    Parameters
    ----------
    reference, test
        (N, 1, H, W) or (N, H, W), the same shape.
    data_range
        The range of possible values, more than 0; 1 on the volume scale.
    """
    return psnr_from_mse(mse(reference, test), data_range=data_range)


def psnr_from_mse(error: Tensor, *, data_range: float) -> Tensor:
    """Return the PSNR in dB of mean squared errors, any shape; infinite at 0.

    Averaging the MSE of all slices of a volume first gives the volume's PSNR.
    """
    data_range = _check_range(data_range)
    return 20 * math.log10(data_range) - 10 * error.log10()


def ssim(reference: Tensor, test: Tensor, *, data_range: float) -> Tensor:
    """Return the mean structural similarity of each slice, (N,), at most 1.

    Z. Wang, A. C. Bovik, H. R. Sheikh and E. P. Simoncelli, "Image quality assessment: from error visibility
    to structural similarity", IEEE Transactions on Image Processing 13(4):600-612, 2004: 11 x 11 Gaussian
    windows of sigma 1.5, K1 = 0.01, K2 = 0.03, population (not sample) covariance, the mean over the windows
    that lie inside the slice. The same as `skimage.metrics.structural_similarity(gaussian_weights=True,
    sigma=1.5, use_sample_covariance=False, data_range=...)` and as TensorFlow's `tf.image.ssim`. Where a
    slice is smaller than 11 pixels, the window is the largest odd one that fits. Differentiable, so it can be
    trained with.

    Parameters
    ----------
    reference, test
        (N, 1, H, W) or (N, H, W), the same shape.
    data_range
        The range of possible values, more than 0; 1 on the volume scale.
    """
    data_range = _check_range(data_range)
    reference, test = _checked(reference, test)
    return _ssim(reference, [test], data_range)[0]


def ssim_maps(reference: Tensor, tests: Sequence[Tensor], *, data_range: float) -> Tensor:
    """Return the structural similarity at every window that lies inside the slices; see `ssim`.

    Parameters
    ----------
    reference
        (N, 1, H, W) or (N, H, W).
    tests
        One or more, of the same shape.
    data_range
        The range of possible values, more than 0; 1 on the volume scale.

    Returns
    -------
    Tensor
        (tests, N, H - 10, W - 10): one value for the centre of each window. The means are `ssim`.
    """
    import torch

    data_range = _check_range(data_range)
    pairs = [_checked(reference, test) for test in tests]
    return torch.cat(list(_similarity_maps(pairs[0][0], [test for _, test in pairs], data_range)), dim=1)


def dssim(reference: Tensor, test: Tensor, *, data_range: float) -> Tensor:
    """Return the structural dissimilarity (1 - SSIM) / 2 of each slice, (N,); see `ssim`."""
    return (1 - ssim(reference, test, data_range=data_range)) / 2


def compare(reference: Tensor, tests: Sequence[Tensor], *, data_range: float) -> list[SliceMetrics]:
    """Return all metrics of several tests against one reference, whose statistics are computed once.

    Parameters
    ----------
    reference
        (N, 1, H, W) or (N, H, W).
    tests
        Slices of the same shape, such as the corrupted and the reconstructed ones.
    data_range
        The range of possible values, more than 0; 1 on the volume scale.

    Returns
    -------
    list of SliceMetrics
        One for each test.
    """
    data_range = _check_range(data_range)
    pairs = [_checked(reference, test) for test in tests]
    if not pairs:
        return []
    similarities = _ssim(pairs[0][0], [test for _, test in pairs], data_range)
    results = []
    for (slices, test), similarity in zip(pairs, similarities, strict=True):
        error = _mse(slices, test)
        results.append(SliceMetrics(error, psnr_from_mse(error, data_range=data_range), similarity))
    return results


def _ssim(reference: Tensor, tests: Sequence[Tensor], data_range: float) -> list[Tensor]:
    """Return the SSIM (N,) of each test; all (N, H, W)."""
    import torch

    parts = [maps.mean(dim=(-2, -1)) for maps in _similarity_maps(reference, tests, data_range)]
    return list(torch.cat(parts, dim=1)) if parts else [reference.new_empty(0) for _ in tests]


def _similarity_maps(reference: Tensor, tests: Sequence[Tensor], data_range: float) -> Iterator[Tensor]:
    """Yield the SSIM of each window, (tests, n, H', W'), some of the N slices (N, H, W) at a time."""
    import torch

    n, height, width = reference.shape
    # On a CPU one slice at a time, which stays in the cache, whatever the batch; elsewhere all at once.
    chunk = 1 if reference.device.type == "cpu" else max(1, n)
    taps = _taps(min(_WINDOW, height, width))
    library, (first, *others) = _arrays(reference, *tests)
    for start in range(0, n, chunk):
        part = slice(start, start + chunk)
        with np.errstate(all="ignore"):
            maps = _similarities(library, first[part], [other[part] for other in others], taps, data_range)
        yield torch.as_tensor(maps)


def _mse(reference: Tensor, test: Tensor) -> Tensor:
    """Return the mean squared error of each slice, (N,); both (N, H, W)."""
    import torch

    _, (first, second) = _arrays(reference, test)
    with np.errstate(all="ignore"):  # torch has no warnings either
        difference = first - second
        return torch.as_tensor((difference * difference).mean(axis=(-2, -1)))


def _arrays(*slices: Tensor) -> tuple[Any, list[Any]]:
    """Return numpy and arrays where it can compute, otherwise torch and the tensors.

    torch shares each of these many small steps between its threads, and in a viewer's worker, where those
    sleep by then, waking them takes longer than the step.
    """
    import torch

    if any(one.device.type != "cpu" or one.requires_grad for one in slices):
        return torch, list(slices)
    # Contiguous, since numpy adds up along other axes one by one, which is less exact.
    return np, [np.ascontiguousarray(one.resolve_neg().numpy()) for one in slices]


def _similarities(
    library: Any, reference: Any, tests: Sequence[Any], taps: Sequence[float], data_range: float
) -> Any:
    """Return the SSIM of each window, (tests, N, H', W'), as arrays of numpy or of torch.

    With d = test - reference the two factors of the SSIM become
    1 - mean(d)^2 / (mean(x)^2 + mean(y)^2 + C1) and 1 - var(d) / (var(x) + var(y) + C2):
    the same numbers, but what sets similar slices apart is not the difference of two large numbers, and
    equal slices give exactly 1. A constant is taken away before squaring, for the same reason.
    """
    level = reference.mean(axis=(-2, -1), keepdims=True)
    centred = reference - level
    squared = centred * centred
    parts = [centred]
    for test in tests:
        difference = test - reference
        parts += [difference, (centred + difference) ** 2 + squared, difference * difference]
    means = filter_both(library.stack(parts), taps)

    c1, c2 = (_K1 * data_range) ** 2, (_K2 * data_range) ** 2
    mean_x = means[0]
    similarities = []
    for position in range(len(tests)):
        mean_d, power, power_d = means[1 + 3 * position : 4 + 3 * position]
        mean_y = mean_x + mean_d
        variances = (power - mean_x * mean_x - mean_y * mean_y).clip(0) + c2
        levels = (mean_x + level) ** 2 + (mean_y + level) ** 2 + c1
        square_d = mean_d * mean_d
        variance_d = (power_d - square_d).clip(0)
        similarities.append((1 - square_d / levels) * (1 - variance_d / variances))
    return library.stack(similarities)


def _taps(window: int) -> list[float]:
    """Return the weights of a Gaussian window, an odd one no larger than `window`, centre first."""
    radius = (window - 1) // 2
    weights = [math.exp(-0.5 * (distance / _SIGMA) ** 2) for distance in range(radius + 1)]
    total = 2 * sum(weights) - weights[0]
    return [weight / total for weight in weights]


def _checked(reference: Tensor, test: Tensor) -> tuple[Tensor, Tensor]:
    """Return both as (N, H, W) of the same floating-point type, float32 at least."""
    import torch

    if reference.shape != test.shape:
        raise ValueError(
            f"the slices have different shapes, {tuple(reference.shape)} and {tuple(test.shape)}"
        )
    if reference.ndim == 4 and reference.shape[1] == 1:
        reference, test = reference[:, 0], test[:, 0]
    if reference.ndim != 3:
        raise ValueError(f"slices must be (N, 1, H, W) or (N, H, W), not {tuple(reference.shape)}")
    dtype = torch.promote_types(torch.promote_types(reference.dtype, test.dtype), torch.float32)
    return reference.to(dtype), test.to(dtype)


def _check_range(data_range: float) -> float:
    """Return it as a plain number, whatever it came as."""
    if not (data_range > 0 and math.isfinite(data_range)):
        raise ValueError(f"the data range must be a number above 0, not {data_range}")
    return float(data_range)

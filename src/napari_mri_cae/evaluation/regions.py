"""Metrics of slices as a whole, and inside a mask."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_mri_cae.evaluation.settings import Region
from napari_mri_cae.metrics import psnr_from_mse, ssim_maps

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Measured:
    """Metrics of N slices of several tests in one region, each (tests, N) on the CPU; `pixels` is (N,)."""

    region: Region
    pixels: Tensor
    mse: Tensor
    psnr: Tensor
    ssim: Tensor

    @property
    def dssim(self) -> Tensor:
        """Return (1 - SSIM) / 2."""
        return (1 - self.ssim) / 2


def measure_regions(
    reference: Tensor, tests: Sequence[Tensor], mask: Tensor, *, data_range: float
) -> Iterator[Measured]:
    """Yield the metrics of slices over the whole slice, and over the pixels inside a mask.

    The SSIM inside a mask is the mean over the windows whose centre lies in it; the windows themselves may
    reach beyond. Within half a window of the slice's edge there is no centre.

    Parameters
    ----------
    reference
        (N, 1, H, W), the clean slices.
    tests
        One or more of the same shape and device.
    mask
        (N, H, W) bool. A slice without a pixel in it has NaN for every metric there.
    data_range
        The range of possible values; 1 on the volume scale.
    """
    import torch

    errors = torch.stack([(reference - test)[:, 0].square() for test in tests])
    maps = ssim_maps(reference, tests, data_range=data_range)
    margins = [(whole - inner) // 2 for whole, inner in zip(mask.shape[1:], maps.shape[2:], strict=True)]
    centres = mask[:, margins[0] : margins[0] + maps.shape[2], margins[1] : margins[1] + maps.shape[3]]
    everywhere = torch.ones_like(mask)
    for region, pixels, windows in (
        ("whole slice", everywhere, torch.ones_like(centres)),
        ("brain", mask, centres),
    ):
        mse = _mean(errors, pixels)
        yield Measured(
            region,  # type: ignore[arg-type]
            pixels.sum(dim=(-2, -1)).cpu(),
            mse.cpu(),
            psnr_from_mse(mse, data_range=data_range).cpu(),
            _mean(maps, windows).cpu(),
        )


def _mean(maps: Tensor, mask: Tensor) -> Tensor:
    """Return the mean (tests, N) of maps (tests, N, H, W) inside a mask (N, H, W); NaN where it is empty."""
    if mask.all():
        return maps.mean(dim=(-2, -1))
    return (maps * mask).sum(dim=(-2, -1)) / mask.sum(dim=(-2, -1))

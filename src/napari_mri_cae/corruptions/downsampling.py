"""Downsampling: thick slices seen from the side."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from napari_mri_cae.corruptions.base import Corruption
from napari_mri_cae.corruptions.kspace import phase_dim
from napari_mri_cae.corruptions.random import Source

if TYPE_CHECKING:
    from torch import Tensor


def downsample(
    slices: Tensor, factor: float | Tensor, *, horizontal: bool = False, max_factor: float | None = None
) -> Tensor:
    """Return the slices averaged over `factor` pixels along one direction and interpolated back.

    Parameters
    ----------
    slices
        (N, 1, H, W).
    factor
        Thickness in pixels of what is averaged, one number or (N,), 1 or more; 1 leaves a slice exactly as it
        is.
    horizontal
        Along the columns, from left to right, and not along the rows.
    max_factor
        An upper bound of a tensor `factor`. Knowing it spares reading the largest back from the device.
    """
    import torch

    dim = phase_dim(horizontal)
    length = slices.shape[dim]
    if isinstance(factor, (int, float)):
        if factor == 1:
            return slices.clone()
        factors = torch.full((1,), float(factor), device=slices.device, dtype=slices.dtype)
        count, max_factor = math.ceil(length / factor), float(factor)
    else:
        factors = factor.to(device=slices.device, dtype=slices.dtype)
        count = length
        if max_factor is None:
            max_factor = float(factors.max()) if len(factors) else 1.0
    lines = slices.movedim(dim, -2)
    pixels = torch.arange(length, device=slices.device, dtype=slices.dtype)
    thickness = factors.view(-1, 1)
    last = torch.ceil(length / thickness - 1e-4) - 1

    # Thick slice j covers [top_j, top_j + thickness) in pixels; together they are centred on the slice.
    start = (length - (last + 1) * thickness) / 2
    top = start + thickness * pixels[:count]
    first = torch.floor(top)
    total = torch.zeros_like(top)
    thick: Tensor | float = 0.0
    for tap in range(math.ceil(max_factor) + 1):
        pixel = first + tap
        covered = torch.minimum(pixel + 1, top + thickness) - torch.maximum(pixel, top)
        weight = covered.clamp_min(0) * ((pixel >= 0) & (pixel < length))
        thick = thick + _take(lines, pixel.clamp(0, length - 1)) * weight[:, None, :, None]
        total += weight
    thick = thick / total.clamp_min(1e-6)[:, None, :, None]

    place = ((pixels + 0.5 - start) / thickness - 0.5).clamp_min(0)
    place = torch.minimum(place, last)
    low = torch.floor(place)
    share = (place - low)[:, None, :, None]
    below, above = _take(thick, low), _take(thick, torch.minimum(low + 1, last))
    smooth = (below + (above - below) * share).movedim(-2, dim)
    return torch.where(factors.view(-1, 1, 1, 1) > 1, smooth, slices)


def _take(lines: Tensor, numbers: Tensor) -> Tensor:
    """Return lines (N, 1, L, W) by their numbers, (N, K) or (1, K) for all slices, as (N, 1, K, W)."""
    if len(numbers) == 1:
        return lines.index_select(-2, numbers[0].long())
    index = numbers.long()[:, None, :, None].expand(-1, 1, -1, lines.shape[-1])
    return lines.gather(-2, index)


class Downsampling(Corruption):
    """Lower resolution along one direction of the slice: an acquisition in thick slices, seen from the side.

    A 2-D acquisition has slices several times thicker than its pixels, and in the two other planes each of
    them is a band: in coronal and sagittal slices of an axial acquisition the rows are coarse. That is what
    this makes, within each slice shown; it does not average over neighbouring slices. The signal is averaged
    over the thickness (a rectangular slice profile, no gap) and interpolated linearly back to the grid.
    TorchIO's `RandomAnisotropy` and MONAI's `RandSimulateLowResolution` take single pixels instead of
    averages, which a thick slice does not.
    """

    kind: ClassVar[str] = "downsampling"
    label: ClassVar[str] = "Downsampling"
    group: ClassVar[str] = "MRI artefacts"

    factor: float = Field(
        4.0,
        ge=1,
        le=32,
        title="Factor",
        description="Thickness of what is averaged, in slice pixels; 1 changes nothing",
        json_schema_extra={"slider_maximum": 10.0, "step": 0.1},
    )
    horizontal: bool = Field(
        False,
        title="Horizontal",
        description="Along the columns, from left to right, instead of along the rows",
    )

    def apply(self, slices: Tensor, source: Source) -> Tensor:
        """Return slices of lower resolution; see `Corruption.apply`."""
        return downsample(slices, self.factor, horizontal=self.horizontal)

"""Gaussian blur."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, field_validator

from napari_mri_cae.corruptions.base import Corruption
from napari_mri_cae.corruptions.random import Source
from napari_mri_cae.separable import filter_symmetric

if TYPE_CHECKING:
    from torch import Tensor

_TRUNCATE = 4.0


def blur(
    slices: Tensor,
    sigma: float | Tensor,
    *,
    kernel_size: int | None = None,
    max_sigma: float | None = None,
) -> Tensor:
    """Return the slices filtered by a normalised, sampled Gaussian; beyond an edge its pixel goes on.

    Parameters
    ----------
    slices
        (N, 1, H, W).
    sigma
        Standard deviation in slice pixels, one number or (N,), 0 or more; 0 leaves a slice exactly as it is.
    kernel_size
        Side of the kernel, odd. None cuts it at 4 sigma, at a radius of int(4 sigma + 0.5), each slice at
        its own.
    max_sigma
        An upper bound of a tensor `sigma`. Knowing it spares reading the largest value back from the device.
    """
    import torch

    if isinstance(sigma, (int, float)):
        # One kernel for all slices: from here on the code of one for each, broadcast.
        if sigma == 0:
            return slices.clone()
        max_sigma = float(sigma)
        sigmas = torch.full((1,), float(sigma), device=slices.device, dtype=slices.dtype)
    else:
        sigmas = sigma.to(device=slices.device, dtype=slices.dtype)
        if max_sigma is None:
            max_sigma = float(sigmas.max()) if len(sigmas) else 0.0
    radius = _radius(max_sigma) if kernel_size is None else kernel_size // 2
    if radius == 0:
        return slices.clone()

    taps = _taps(sigmas, radius, cut=kernel_size is None)
    padded = torch.nn.functional.pad(slices, (radius, radius, radius, radius), mode="replicate")
    return filter_symmetric(filter_symmetric(padded, taps, -2), taps, -1)


def _radius(sigma: float) -> int:
    return int(_TRUNCATE * sigma + 0.5)


def _taps(sigmas: Tensor, radius: int, *, cut: bool) -> Tensor:
    """Return the weights from the centre outward, (radius + 1, N, 1, 1, 1), each kernel of sum 1."""
    import torch

    distance = torch.arange(radius + 1, device=sigmas.device, dtype=sigmas.dtype).view(-1, 1)
    # A kernel of sigma 0 is 1 at the centre and 0 elsewhere; the floor keeps 0 / 0 out of it.
    smallest = math.sqrt(torch.finfo(sigmas.dtype).tiny)
    weights = torch.exp(-0.5 * (distance / sigmas.clamp_min(smallest)).square())
    if cut:
        weights = weights * (distance <= torch.floor(_TRUNCATE * sigmas + 0.5))
    return (weights / (2 * weights.sum(0) - weights[0])).view(radius + 1, -1, 1, 1, 1)


class GaussianBlur(Corruption):
    """Convolution with a separable Gaussian, sampled at the pixels, cut at 4 sigma and normalised.

    Beyond an edge the edge's pixel goes on. That is `scipy.ndimage.gaussian_filter(mode="nearest",
    truncate=4)` and `skimage.filters.gaussian` with its defaults, within a slice. With `kernel_size` the
    kernel has that side instead, whatever sigma is.
    """

    kind: ClassVar[str] = "gaussian-blur"
    label: ClassVar[str] = "Gaussian blur"
    group: ClassVar[str] = "Noise and loss"

    sigma: float = Field(
        1.0,
        ge=0,
        le=20,
        title="Sigma",
        description="Standard deviation of the blur, in slice pixels",
        json_schema_extra={"slider_maximum": 5.0, "step": 0.05},
    )
    kernel_size: int | None = Field(
        None,
        ge=1,
        le=161,
        title="Kernel size",
        description="Side of the kernel in slice pixels, an odd number; left open, it reaches to 4 sigma",
        json_schema_extra={"open_text": "4 sigma", "step": 2},
    )

    @field_validator("kernel_size")
    @classmethod
    def _odd(cls, value: int | None) -> int | None:
        if value is not None and value % 2 == 0:
            raise ValueError("the kernel size must be odd")
        return value

    def apply(self, slices: Tensor, source: Source) -> Tensor:
        """Return blurred slices; see `Corruption.apply`."""
        return blur(slices, self.sigma, kernel_size=self.kernel_size)

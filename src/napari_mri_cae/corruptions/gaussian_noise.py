"""Additive Gaussian noise."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from napari_mri_cae.corruptions.base import Corruption, per_slice
from napari_mri_cae.corruptions.random import Source

if TYPE_CHECKING:
    from torch import Tensor


def add_gaussian_noise(slices: Tensor, sigma: float | Tensor, field: Tensor, *, clip: bool = False) -> Tensor:
    """Return slices + sigma * field.

    Parameters
    ----------
    slices
        (N, 1, H, W), volume scale.
    sigma
        Standard deviation on that scale, one number or (N,), 0 or more; 0 leaves a slice exactly as it is.
    field
        Standard normal numbers, (N, 1, H, W).
    clip
        Clip the result to [0, 1].
    """
    noisy = slices + field * per_slice(sigma, slices)
    return noisy.clamp_(0, 1) if clip else noisy


class GaussianNoise(Corruption):
    """Additive, zero-mean, independent Gaussian noise: y = x + sigma * n, n ~ N(0, 1).

    Not clipped by default, so that the noise keeps its mean of 0 in the dark background. With `clip` it is
    scikit-image's `random_noise(mode="gaussian")` with mean 0 and variance sigma squared.
    """

    kind: ClassVar[str] = "gaussian-noise"
    label: ClassVar[str] = "Gaussian noise"
    group: ClassVar[str] = "Noise and loss"

    sigma: float = Field(
        0.03,
        ge=0,
        le=1,
        title="Sigma",
        description="Standard deviation of the noise, as a fraction of the volume's intensity window",
        json_schema_extra={"slider_maximum": 0.25},
    )
    clip: bool = Field(
        False, title="Clip", description="Cut noisy intensities off at the ends of the volume's window"
    )

    def apply(self, slices: Tensor, source: Source) -> Tensor:
        """Return noisy slices; see `Corruption.apply`."""
        return add_gaussian_noise(slices, self.sigma, source.normal(slices.shape[1:], slices), clip=self.clip)

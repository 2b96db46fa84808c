"""Rician noise: what Gaussian noise in both receiver channels does to a magnitude image."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from napari_mri_cae.corruptions.base import Corruption, per_slice
from napari_mri_cae.corruptions.random import Source

if TYPE_CHECKING:
    from torch import Tensor


def add_rician_noise(slices: Tensor, sigma: float | Tensor, fields: Tensor, *, clip: bool = False) -> Tensor:
    """Return sqrt((slices + sigma * fields[:, 0])^2 + (sigma * fields[:, 1])^2).

    Parameters
    ----------
    slices
        (N, 1, H, W), volume scale.
    sigma
        Standard deviation in each channel on that scale, one number or (N,), 0 or more; 0 leaves a slice
        exactly as it is.
    fields
        Standard normal numbers of the real and the imaginary channel, (N, 2, H, W).
    clip
        Clip the result to [0, 1].
    """
    import torch

    scale = per_slice(sigma, slices)
    real = (fields[:, :1] * scale).add_(slices)
    imaginary = fields[:, 1:] * scale
    noisy = real.square_().add_(imaginary.square_()).sqrt_()
    # The magnitude of a value that came in below 0 is not that value: 0 must mean untouched all the same.
    if isinstance(scale, float):
        noisy = noisy if scale > 0 else slices.clone()
    else:
        noisy = torch.where(scale > 0, noisy, slices)
    return noisy.clamp_(0, 1) if clip else noisy


class RicianNoise(Corruption):
    """Rician noise: y = sqrt((x + sigma * n1)^2 + (sigma * n2)^2), n1 and n2 independent N(0, 1).

    The magnitude of a complex signal of phase 0 with independent Gaussian noise of the same standard
    deviation in the real and the imaginary channel: H. Gudbjartsson and S. Patz, "The Rician distribution of
    noisy MRI data", Magnetic Resonance in Medicine 34(6):910-914, 1995. Where there is no signal it is
    Rayleigh, with mean sigma * sqrt(pi / 2); far above sigma it is nearly Gaussian.
    """

    kind: ClassVar[str] = "rician-noise"
    label: ClassVar[str] = "Rician noise"
    group: ClassVar[str] = "Noise and loss"

    sigma: float = Field(
        0.03,
        ge=0,
        le=1,
        title="Sigma",
        description="Standard deviation of the noise in each of the two channels, "
        "as a fraction of the volume's intensity window",
        json_schema_extra={"slider_maximum": 0.25},
    )
    clip: bool = Field(
        False, title="Clip", description="Cut noisy intensities off at the ends of the volume's window"
    )

    def apply(self, slices: Tensor, source: Source) -> Tensor:
        """Return noisy slices; see `Corruption.apply`."""
        fields = source.normal((2, *slices.shape[2:]), slices)
        return add_rician_noise(slices, self.sigma, fields, clip=self.clip)

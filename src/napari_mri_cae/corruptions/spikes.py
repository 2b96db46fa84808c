"""Spikes in k-space: stripes through the whole slice."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, Final

from pydantic import Field

from napari_mri_cae.corruptions.base import Corruption, per_slice
from napari_mri_cae.corruptions.kspace import where_positive
from napari_mri_cae.corruptions.random import Source

if TYPE_CHECKING:
    from torch import Tensor

MAX_SPIKES: Final = 16


def spike_field(slices: Tensor, source: Source) -> Tensor:
    """Return the row, the column and the phase of each slice's spikes, (N, 16, 3), uniform in [0, 1)."""
    return source.uniform((MAX_SPIKES, 3), slices)


def add_spikes(
    slices: Tensor,
    intensity: float | Tensor,
    number: int | Tensor,
    field: Tensor,
    *,
    max_number: int | None = None,
) -> Tensor:
    """Return the magnitude of the slices with points of k-space raised.

    Parameters
    ----------
    slices
        (N, 1, H, W).
    intensity
        Height of a spike over that of the centre of k-space, one number or (N,); 0 leaves a slice as it is.
    number
        How many spikes, one number or (N,), 0 to 16; 0 leaves a slice exactly as it is.
    field
        What `spike_field` returns. A spike at (u, v) in [0, 1)^2 lies at the frequency
        (floor(u H) - H // 2, floor(v W) - W // 2), in cycles over the field of view, along rows and columns.
    max_number
        An upper bound of a tensor `number`. Knowing it spares reading the largest back from the device.
    """
    import torch

    height, width = slices.shape[-2:]
    strength, count = per_slice(intensity, slices), per_slice(number, slices)
    if isinstance(number, int):
        max_number = number
    elif max_number is None:
        max_number = int(number.max()) if len(number) else 0
    # The centre of k-space is the sum of the pixels: a point of that height is a wave as high as their mean.
    peak = slices.mean(-1, keepdim=True).mean(-2, keepdim=True).abs()
    real, imaginary = slices.clone(), torch.zeros_like(slices)
    for spike in range(max_number):
        here = field[:, spike]
        down = _angles(here[:, 0], height).unsqueeze(-1) + 2 * math.pi * here[:, 2].view(-1, 1, 1, 1)
        across = _angles(here[:, 1], width).unsqueeze(-2)
        amplitude = peak * (strength * (count > spike))
        cosine, sine = torch.cos(down) * amplitude, torch.sin(down) * amplitude
        real += cosine * torch.cos(across) - sine * torch.sin(across)
        imaginary += sine * torch.cos(across) + cosine * torch.sin(across)
    spiked = real.square_().add_(imaginary.square_()).sqrt_()
    return where_positive(strength * count, spiked, slices)


def _angles(place: Tensor, length: int) -> Tensor:
    """Return the phase of the wave of a frequency, at every pixel along one dimension, (N, 1, length)."""
    import torch

    frequency = torch.floor(place * length).clamp_max(length - 1) - length // 2
    pixels = torch.arange(length, device=place.device, dtype=place.dtype)
    turns = torch.remainder(frequency.view(-1, 1, 1) * pixels, length) / length
    return 2 * math.pi * turns


class Spikes(Corruption):
    """Points of k-space that are far too bright, as from a discharge in the scanner's room: herringbone.

    A point of k-space is a plane wave over the whole slice. As in TorchIO's `RandomSpike` (F. Perez-Garcia et
    al., Computer Methods and Programs in Biomedicine 208:106236, 2021) the intensity is in units of k-space's
    peak, which for an image without negative values is its centre, and a spike has no counterpart on the
    other side, as in a scanner; here each has a phase of its own, each slice has spikes of its own, and the
    magnitude of the complex image comes out. So a wave of intensity times the slice's mean is seen where
    there is signal, and a haze of that height in the air.
    """

    kind: ClassVar[str] = "spikes"
    label: ClassVar[str] = "Spikes"
    group: ClassVar[str] = "MRI artefacts"

    intensity: float = Field(
        0.2,
        ge=0,
        le=5,
        title="Intensity",
        description="Height of a spike, over that of the centre of k-space",
        json_schema_extra={"slider_maximum": 2.0, "step": 0.01},
    )
    number: int = Field(
        1, ge=0, le=MAX_SPIKES, title="Number", description="How many spikes each slice has; 0 is none"
    )

    def apply(self, slices: Tensor, source: Source) -> Tensor:
        """Return slices with stripes; see `Corruption.apply`."""
        return add_spikes(slices, self.intensity, self.number, spike_field(slices, source))

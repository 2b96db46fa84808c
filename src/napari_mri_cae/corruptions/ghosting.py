"""Ghosting: copies of the head, displaced along the phase-encoding direction."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from napari_mri_cae.corruptions.base import Corruption, per_slice
from napari_mri_cae.corruptions.kspace import line_numbers, magnitude, phase_dim, to_lines, where_positive
from napari_mri_cae.corruptions.random import Source

if TYPE_CHECKING:
    from torch import Tensor


def add_ghosts(
    slices: Tensor,
    intensity: float | Tensor,
    ghosts: int | Tensor,
    field: Tensor,
    *,
    restore: float = 0.02,
    horizontal: bool = False,
) -> Tensor:
    """Return the magnitude of the slices with every `ghosts`-th line of k-space times 1 - intensity.

    Parameters
    ----------
    slices
        (N, 1, H, W).
    intensity
        One number or (N,), 0 to 1; 0 leaves a slice exactly as it is.
    ghosts
        The period in lines, one number or (N,), 2 or more.
    field
        Numbers uniform in [0, 1), (N, 1): which of the first `ghosts` lines is the first to be weakened.
    restore
        Share of the lines, about the centre of k-space, that stay as they are.
    horizontal
        Phase encoding runs along the columns, from left to right, and not along the rows.
    """
    import torch

    dim = phase_dim(horizontal)
    length = slices.shape[dim]
    strength, period = per_slice(intensity, slices), per_slice(ghosts, slices)
    first = torch.floor(field.view(-1, 1, 1, 1) * period)
    lines = line_numbers(slices, dim)
    half = round(restore * length) // 2
    free = (lines < length // 2 - half) | (lines >= length // 2 + half)
    weakened = (torch.remainder(lines - first, period) == 0) & free
    spectrum = to_lines(slices, dim) * (1 - strength * weakened.to(slices.dtype))
    return where_positive(strength, magnitude(spectrum, dim), slices)


class Ghosting(Corruption):
    """Ghosts along the phase-encoding direction, as from breathing, a pulse or swallowing.

    What moves or changes in brightness periodically modulates the lines of k-space periodically. Here every
    n-th line is multiplied by 1 - intensity, apart from a few at the centre of k-space, as in TorchIO's
    `RandomGhosting` (F. Perez-Garcia et al., Computer Methods and Programs in Biomedicine 208:106236, 2021),
    within each slice. A modulation with a period of n lines puts n - 1 copies of the image at multiples of
    1/n of the field of view, each intensity / n as strong as the image, and wraps them around. Which line is
    the first to be hit differs from slice to slice. The result is a magnitude image.
    """

    kind: ClassVar[str] = "ghosting"
    label: ClassVar[str] = "Ghosting"
    group: ClassVar[str] = "MRI artefacts"

    intensity: float = Field(
        0.5,
        ge=0,
        le=1,
        title="Intensity",
        description="What the lines of k-space that make the ghosts lose: 0 is nothing, 1 all of them",
        json_schema_extra={"step": 0.01},
    )
    ghosts: int = Field(
        4,
        ge=2,
        le=32,
        title="Ghosts",
        description="Every how many lines; the copies lie the field of view over this number apart",
        json_schema_extra={"slider_maximum": 16},
    )
    restore: float = Field(
        0.02,
        ge=0,
        le=1,
        title="Centre kept",
        description="Share of the lines, at the centre of k-space, that stay as they are",
        json_schema_extra={"slider_maximum": 0.2, "step": 0.005},
    )
    horizontal: bool = Field(
        False,
        title="Horizontal",
        description="Phase encoding along the columns, from left to right, instead of along the rows",
    )

    def apply(self, slices: Tensor, source: Source) -> Tensor:
        """Return slices with ghosts; see `Corruption.apply`."""
        return add_ghosts(
            slices,
            self.intensity,
            self.ghosts,
            source.uniform((1,), slices),
            restore=self.restore,
            horizontal=self.horizontal,
        )

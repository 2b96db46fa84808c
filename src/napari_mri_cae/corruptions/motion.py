"""Motion: a head that moves while k-space is filled."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, Final

from pydantic import Field

from napari_mri_cae.corruptions.base import Corruption, per_slice
from napari_mri_cae.corruptions.kspace import line_numbers, magnitude, phase_dim, to_lines, where_positive
from napari_mri_cae.corruptions.random import Source

if TYPE_CHECKING:
    from torch import Tensor

MAX_MOVEMENTS: Final = 8
# Share of the time between two movements by which each may come earlier or later.
_JITTER: Final = 0.3


def motion_field(slices: Tensor, source: Source) -> Tensor:
    """Return rotation, shift down, shift right and time of the movements, (N, 8, 4), uniform in [0, 1)."""
    return source.uniform((MAX_MOVEMENTS, 4), slices)


def move(
    slices: Tensor,
    degrees: float | Tensor,
    pixels: float | Tensor,
    field: Tensor,
    *,
    movements: int = 2,
    horizontal: bool = False,
) -> Tensor:
    """Return the magnitude of slices whose lines of k-space come from the head in several places.

    Parameters
    ----------
    slices
        (N, 1, H, W).
    degrees, pixels
        Largest rotation about the slice's centre, in degrees, and largest shift along rows and columns, in
        slice pixels, each one number or (N,), 0 or more. Where both are 0 a slice stays exactly as it is.
    field
        What `motion_field` returns. A movement goes to a place of its own within plus and minus the largest.
    movements
        How often the head moves, 0 to 8, at about equal times.
    horizontal
        Phase encoding runs along the columns, from left to right, and not along the rows.
    """
    import torch

    if movements == 0:
        return slices.clone()
    dim = phase_dim(horizontal)
    length = slices.shape[dim]
    lines = line_numbers(slices, dim)
    turn, shift = (
        torch.as_tensor(per_slice(number, slices), device=slices.device, dtype=slices.dtype).view(-1)
        for number in (degrees, pixels)
    )
    places = 2 * field[:, :movements, :3] - 1
    steps = torch.arange(1, movements + 1, device=slices.device, dtype=slices.dtype)
    times = (steps + _JITTER * (2 * field[:, :movements, 3] - 1)) / (movements + 1)
    starts = torch.floor(times * length)
    # While the centre of k-space is acquired the head lies where it was: the image stays in place.
    at_centre = (starts <= length // 2).sum(1).view(-1, 1, 1, 1)
    segment = torch.zeros_like(lines)
    for number in range(movements):
        segment = segment + (lines >= starts[:, number].view(-1, 1, 1, 1))
    spectrum = to_lines(slices, dim)
    for number in range(movements):
        moved = _moved(
            slices, turn * places[:, number, 0], shift * places[:, number, 1], shift * places[:, number, 2]
        )
        own = number + (number >= at_centre)
        spectrum = torch.where(segment == own, to_lines(moved, dim), spectrum)
    return where_positive((turn + shift).view(-1, 1, 1, 1), magnitude(spectrum, dim), slices)


def _moved(slices: Tensor, degrees: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return slices turned clockwise about their centre, then shifted down and right, by (N,) or (1,)."""
    import torch

    height, width = slices.shape[-2:]
    angle = (degrees * (math.pi / 180)).view(-1, 1, 1)
    y = torch.arange(height, device=slices.device, dtype=slices.dtype).view(-1, 1) - (height - 1) / 2
    x = torch.arange(width, device=slices.device, dtype=slices.dtype) - (width - 1) / 2
    y, x = y - rows.view(-1, 1, 1), x - columns.view(-1, 1, 1)
    cos, sin = torch.cos(angle), torch.sin(angle)
    # In the coordinates of grid_sample, -1 and 1 are the outer edges of the first and the last pixel.
    grid = torch.stack(((x * cos + y * sin) * (2 / width), (y * cos - x * sin) * (2 / height)), -1)
    return torch.nn.functional.grid_sample(
        slices,
        grid.expand(len(slices), -1, -1, -1),
        mode="bicubic",
        padding_mode="border",
        align_corners=False,
    )


class Motion(Corruption):
    """Movements of the head during the acquisition: blurred edges, and ringing along phase encoding.

    K-space is filled line by line while the head moves a few times, and each part of it belongs to the head
    in another place: R. Shaw et al., "MRI k-Space Motion Artefact Augmentation: Model Robustness and
    Task-Specific Uncertainty", MIDL, PMLR 102:427-436, 2019, as TorchIO's `RandomMotion` has it; here the
    movements are rigid within the slice, and each slice has its own. The part with the centre of k-space
    belongs to the head in its place. Movements come at about equal times; turned images are interpolated by
    cubic convolution. The result is a magnitude image.
    """

    kind: ClassVar[str] = "motion"
    label: ClassVar[str] = "Motion"
    group: ClassVar[str] = "MRI artefacts"

    degrees: float = Field(
        2.0,
        ge=0,
        le=45,
        title="Degrees",
        description="Largest rotation in degrees, and largest shift in slice pixels unless that is given",
        json_schema_extra={"slider_maximum": 15.0, "step": 0.1},
    )
    pixels: float | None = Field(
        None,
        ge=0,
        le=64,
        title="Pixels",
        description="Largest shift along rows and columns, in slice pixels; left open, as many as degrees",
        json_schema_extra={"open_text": "as degrees"},
    )
    movements: int = Field(
        2, ge=0, le=MAX_MOVEMENTS, title="Movements", description="How often the head moves in each slice"
    )
    horizontal: bool = Field(
        False,
        title="Horizontal",
        description="Phase encoding along the columns, from left to right, instead of along the rows",
    )

    def apply(self, slices: Tensor, source: Source) -> Tensor:
        """Return slices of a head that moved; see `Corruption.apply`."""
        return move(
            slices,
            self.degrees,
            self.degrees if self.pixels is None else self.pixels,
            motion_field(slices, source),
            movements=self.movements,
            horizontal=self.horizontal,
        )

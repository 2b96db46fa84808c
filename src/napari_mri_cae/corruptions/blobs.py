"""Bright or dark blobs, such as a lesion leaves."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, Final

from pydantic import Field

from napari_mri_cae.corruptions.base import Corruption, per_slice
from napari_mri_cae.corruptions.random import Source

if TYPE_CHECKING:
    from torch import Tensor

MAX_BLOBS: Final = 20
# Places drawn for one blob, of which the first inside the content is taken.
_CANDIDATES: Final = 128
# The range of slices that show nothing, averaged, if their noise has a sigma of 0.1.
_NOISE: Final = 0.15
_SMALLEST: Final = 0.5
_LONGEST: Final = 2.0


def blob_field(slices: Tensor, source: Source) -> Tensor:
    """Return the numbers that place and shape the blobs of each slice, (N, 20, 259), uniform in [0, 1)."""
    return source.uniform((MAX_BLOBS, 3 + 2 * _CANDIDATES), slices)


def content(slices: Tensor) -> Tensor:
    """Return where a slice shows something, (N, 1, H, W) bool, what is dark inside it included.

    A slice averaged over 7 x 7 pixels shows something where it is above its darkest by a fifth of its range,
    if that is wide enough to be more than noise. Content is that, and what has it on all four sides. So the
    air about a head is none of it, and a ventricle is.
    """
    import torch

    smooth = slices
    for window, padding in (((7, 1), (3, 0)), ((1, 7), (0, 3))):
        smooth = torch.nn.functional.avg_pool2d(
            smooth, window, stride=1, padding=padding, count_include_pad=False
        )
    low, high = smooth.amin((2, 3), keepdim=True), smooth.amax((2, 3), keepdim=True)
    shown = ((smooth > low + (high - low) / 5) & (high - low > _NOISE)).to(torch.uint8)
    enclosed = torch.ones_like(shown)
    for dim in (-2, -1):
        enclosed &= shown.cummax(dim).values
        enclosed &= shown.flip(dim).cummax(dim).values.flip(dim)
    return enclosed.bool()


def blob_profile(
    slices: Tensor,
    number: int | Tensor,
    radius: float | Tensor,
    field: Tensor,
    *,
    softness: float = 0.5,
    max_number: int | None = None,
) -> Tensor:
    """Return how much of the blobs each pixel has: 0 is none, 1 the inside of a blob.

    Parameters
    ----------
    slices
        (N, 1, H, W). Blobs have their centres in the content of a slice, and end with it; see `content`.
    number
        How many blobs, one number or (N,), 0 to 20.
    radius
        Radius in slice pixels of the largest blob that can come, one number or (N,).
    field
        What `blob_field` returns. A blob's place and shape depend on neither number nor radius.
    softness
        Width of the edge as a fraction of the radius, 0 to 1 on either side of it.
    max_number
        An upper bound of a tensor `number`. Knowing it spares reading the largest back from the device.

    Returns
    -------
    Tensor
        (N, 1, H, W), in [0, 1], of the slices' dtype and device. Half height lies at the radius.
    """
    import torch

    profile = torch.zeros_like(slices)
    if isinstance(number, int):
        max_number = number
    elif max_number is None:
        max_number = int(number.max()) if len(number) else 0
    if max_number == 0:
        return profile
    inside = content(slices)
    height, width = slices.shape[-2:]
    field = field[:, :max_number]
    rows, columns, placed = _places(inside, field[:, :, 3:])
    # The two half axes have their geometric mean at the blob's own radius.
    own = _SMALLEST + (1 - _SMALLEST) * field[:, :, 0]
    # Not by pow, whose last digit depends on how many numbers there are.
    stretch = torch.exp(field[:, :, 1] * (math.log(_LONGEST) / 2))
    angle = math.pi * field[:, :, 2]
    across, down = torch.cos(angle), torch.sin(angle)

    size, count = per_slice(radius, slices), per_slice(number, slices)
    size = torch.as_tensor(size, device=slices.device, dtype=slices.dtype)
    edge = max(softness, 1e-3)
    y = torch.arange(height, device=slices.device, dtype=slices.dtype).view(-1, 1)
    x = torch.arange(width, device=slices.device, dtype=slices.dtype)
    for blob in range(max_number):
        row, column, scale, long, cos, sin, there = (
            values[:, blob].view(-1, 1, 1, 1)
            for values in (rows, columns, own, stretch, across, down, placed)
        )
        half = (size * scale).clamp_min(1e-6)
        along = ((x - column) * cos + (y - row) * sin) / (half * long)
        aside = ((y - row) * cos - (x - column) * sin) * (long / half)
        distance = (along.square_() + aside.square_()).sqrt_()
        height_here = ((1 + edge - distance) / (2 * edge)).clamp_(0, 1)
        smooth = height_here.square() * (3 - 2 * height_here)
        wanted = there & (size > 0) & (blob < torch.as_tensor(count, device=slices.device))
        profile = torch.maximum(profile, smooth * wanted)
    return profile * inside


def _places(inside: Tensor, field: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the row and column of each blob and whether there is room for it, each (N, blobs).

    The first of many places drawn that lies inside: what comes earlier in a chain moves the content's edge a
    little, and must not move the blobs.
    """
    import torch

    height, width = inside.shape[-2:]
    rows = (field[..., 0::2] * height).long().clamp_max(height - 1)
    columns = (field[..., 1::2] * width).long().clamp_max(width - 1)
    pixels = (rows * width + columns).flatten(1)
    hits = inside.flatten(1).gather(1, pixels).view(rows.shape)
    first = hits.to(torch.uint8).argmax(-1, keepdim=True)
    places = (numbers.gather(-1, first).squeeze(-1) for numbers in (rows, columns))
    row, column = (place.to(field.dtype) for place in places)
    return row, column, hits.any(-1)


def add_blobs(slices: Tensor, profile: Tensor, contrast: float | Tensor) -> Tensor:
    """Return slices + contrast * profile, nowhere darker than 0 on account of a blob.

    Parameters
    ----------
    slices
        (N, 1, H, W), volume scale.
    profile
        What `blob_profile` returns; where it is 0 a slice stays exactly as it is.
    contrast
        Added at a blob's middle, on that scale, one number or (N,); negative is dark.
    """
    import torch

    blobbed = slices + profile * per_slice(contrast, slices)
    return torch.maximum(blobbed, slices.clamp_max(0))


class Blobs(Corruption):
    """Bright or dark ellipses with soft edges inside the head: something that healthy tissue does not show.

    A white-matter lesion is bright on FLAIR and dark on T1, a small bleed dark on T2*. These are no models of
    a disease: they are anomalies whose place is known, to measure how well a residual finds them, as with the
    synthetic ones of D. Zimmerer et al., "MOOD 2020", IEEE Transactions on Medical Imaging 41(10):2728-2738,
    2022, and to train a network to take them out. Each has half to all of the radius, half axes in a ratio of
    1 to 2, any angle, and an edge that falls as a smoothstep. Overlapping blobs do not add up. An intensity
    can exceed 1, and does not fall below 0. `mask` says where they are.
    """

    kind: ClassVar[str] = "blobs"
    label: ClassVar[str] = "Blobs"
    group: ClassVar[str] = "Anomalies"

    number: int = Field(
        3, ge=0, le=MAX_BLOBS, title="Number", description="How many blobs each slice has; 0 is none"
    )
    radius: float = Field(
        8.0,
        ge=0,
        le=128,
        title="Radius",
        description="Radius of the largest that can come, in slice pixels, to half the height of its edge",
        json_schema_extra={"slider_maximum": 40.0, "step": 0.5},
    )
    contrast: float = Field(
        0.3,
        ge=-1,
        le=1,
        title="Contrast",
        description="What a blob adds, as a fraction of the volume's intensity window; negative is dark",
        json_schema_extra={"step": 0.01},
    )
    softness: float = Field(
        0.5,
        ge=0,
        le=1,
        title="Softness",
        description="Width of the edge to either side of the radius, as a fraction of it",
        json_schema_extra={"step": 0.05},
    )

    def apply(self, slices: Tensor, source: Source) -> Tensor:
        """Return slices with blobs; see `Corruption.apply`."""
        return add_blobs(slices, self.profile(slices, source), self.contrast)

    def profile(self, slices: Tensor, source: Source) -> Tensor:
        """Return how much of the blobs each pixel has, (N, 1, H, W) in [0, 1]; arguments as of `apply`."""
        field = blob_field(slices, source)
        return blob_profile(slices, self.number, self.radius, field, softness=self.softness)

    def mask(self, slices: Tensor, source: Source, *, above: float = 0.0) -> Tensor:
        """Return which pixels the blobs change, (N, 1, H, W) bool.

        Parameters
        ----------
        slices, source
            The arguments of `apply`: the slices as they come into this corruption.
        above
            0 takes in all of the soft edge, 0.5 ends at the radius.
        """
        profile = self.profile(slices, source)
        return (profile > above) & (add_blobs(slices, profile, self.contrast) != slices)

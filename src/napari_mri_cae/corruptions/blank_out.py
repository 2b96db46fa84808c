"""A square blanked out."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from napari_mri_cae.corruptions.base import Corruption, per_slice
from napari_mri_cae.corruptions.random import Source

if TYPE_CHECKING:
    from torch import Tensor


def blank_out(
    slices: Tensor,
    size: int | Tensor,
    row: int | Tensor,
    column: int | Tensor,
    value: float | Tensor = 0.0,
) -> Tensor:
    """Return the slices with a square set to one value.

    Parameters
    ----------
    slices
        (N, 1, H, W), volume scale.
    size
        Side in slice pixels, one number or (N,), 0 or more; 0 leaves a slice exactly as it is.
    row, column
        The square's first pixel, one number or (N,). Where it reaches beyond the slice it is cut off.
    value
        What it is set to, one number or (N,).
    """
    import torch

    height, width = slices.shape[-2:]
    rows = torch.arange(height, device=slices.device, dtype=slices.dtype).view(-1, 1)
    columns = torch.arange(width, device=slices.device, dtype=slices.dtype)
    side, top, left = (per_slice(number, slices) for number in (size, row, column))
    inside = (rows >= top) & (rows < top + side) & (columns >= left) & (columns < left + side)
    fill = per_slice(value, slices)
    return torch.where(inside, fill, slices)


def place_squares(slices: Tensor, size: int | Tensor, field: Tensor) -> tuple[Tensor, Tensor]:
    """Return the first row and column (N,) of a square placed at random, wholly inside where it fits.

    Parameters
    ----------
    slices
        (N, 1, H, W).
    size
        Side in slice pixels, one number or (N,).
    field
        Numbers uniform in [0, 1), (N, 2). Every whole position has the same probability.
    """
    import torch

    height, width = slices.shape[-2:]
    side = torch.as_tensor(size, device=slices.device, dtype=slices.dtype)
    starts = []
    for length, number in ((height, field[:, 0]), (width, field[:, 1])):
        last = (length - side).clamp_min(0)
        # Rounding can take the product up to last + 1.
        starts.append(torch.minimum(torch.floor(number * (last + 1)), last))
    return starts[0], starts[1]


class BlankOut(Corruption):
    """A square region set to one value: Cutout.

    T. DeVries and G. W. Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout",
    arXiv:1708.04552, 2017. Theirs may lie partly outside the image; a square placed at random here lies
    inside, where it fits, so that it has the size it says.
    """

    kind: ClassVar[str] = "blank-out"
    label: ClassVar[str] = "Blank-out square"
    group: ClassVar[str] = "Noise and loss"

    size: int = Field(
        20,
        ge=0,
        le=1024,
        title="Size",
        description="Side of the square, in slice pixels; 0 is none",
        json_schema_extra={"slider_maximum": 128},
    )
    row: int | None = Field(
        None,
        ge=0,
        title="Row",
        description="First row of the square in the slice, in pixels; left open, drawn for each slice",
        json_schema_extra={"open_text": "random"},
    )
    column: int | None = Field(
        None,
        ge=0,
        title="Column",
        description="First column of the square in the slice, in pixels; left open, drawn for each slice",
        json_schema_extra={"open_text": "random"},
    )
    value: float = Field(
        0.0,
        ge=0,
        le=1,
        title="Value",
        description="What the square is filled with, as a fraction of the volume's intensity window",
    )

    def apply(self, slices: Tensor, source: Source) -> Tensor:
        """Return slices with a blank square; see `Corruption.apply`."""
        row: int | Tensor | None = self.row
        column: int | Tensor | None = self.column
        if row is None or column is None:
            rows, columns = place_squares(slices, self.size, source.uniform((2,), slices))
            row = rows if row is None else row
            column = columns if column is None else column
        return blank_out(slices, self.size, row, column, self.value)

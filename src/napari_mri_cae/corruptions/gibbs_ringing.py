"""Gibbs ringing: k-space cut off."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from napari_mri_cae.corruptions.base import Corruption, per_slice
from napari_mri_cae.corruptions.kspace import slice_by_slice, where_positive
from napari_mri_cae.corruptions.random import Source

if TYPE_CHECKING:
    from torch import Tensor


def cut_off(slices: Tensor, kept: float | Tensor) -> Tensor:
    """Return the magnitude of the slices without the frequencies beyond a rectangle.

    Parameters
    ----------
    slices
        (N, 1, H, W).
    kept
        Share of k-space kept along the rows and along the columns, one number or (N,), above 0 to 1: those of
        no more than kept * H / 2 and kept * W / 2 cycles. 1 leaves a slice exactly as it is.
    """
    import torch

    height, width = slices.shape[-2:]
    share = per_slice(kept, slices)
    # Frequencies in cycles over the field of view, as whole numbers, so that no rounding decides.
    rows = torch.fft.fftfreq(height, 1 / height, device=slices.device, dtype=slices.dtype).round().abs()
    columns = torch.fft.rfftfreq(width, 1 / width, device=slices.device, dtype=slices.dtype).round()
    inside = (rows.view(-1, 1) <= share * (height / 2)) & (columns <= share * (width / 2))
    kept_lines = slice_by_slice(torch.fft.rfft2, slices) * inside
    cut = slice_by_slice(lambda one: torch.fft.irfft2(one, s=(height, width)), kept_lines).abs()
    return where_positive(1 - share, cut, slices)


class GibbsRinging(Corruption):
    """Ringing beside edges, from too small an acquired matrix: high frequencies of k-space set to 0.

    A scanner that acquires fewer lines than the image has pixels, and fills up with zeros, convolves the
    image with a sinc along rows and columns: edges overshoot by up to 9 % of their height, whatever is kept,
    and ring with a period of 2 / kept pixels (J. W. Gibbs, "Fourier's series", Nature 59:606, 1899). A
    rectangle is kept; MONAI's `GibbsNoise` keeps a disc. The result is a magnitude image, so undershoots in
    the air come out bright.
    """

    kind: ClassVar[str] = "gibbs-ringing"
    label: ClassVar[str] = "Gibbs ringing"
    group: ClassVar[str] = "MRI artefacts"

    kept: float = Field(
        0.5,
        ge=0.02,
        le=1,
        title="Kept",
        description="Share of k-space that is kept along the rows and along the columns; 1 is all of it",
        json_schema_extra={"step": 0.01},
    )

    def apply(self, slices: Tensor, source: Source) -> Tensor:
        """Return slices that ring; see `Corruption.apply`."""
        return cut_off(slices, self.kept)

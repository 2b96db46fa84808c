"""Pixels lost to zero."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from napari_mri_cae.corruptions.base import Corruption, per_slice
from napari_mri_cae.corruptions.random import Source

if TYPE_CHECKING:
    from torch import Tensor


def drop_pixels(slices: Tensor, rate: float | Tensor, field: Tensor, *, rescale: bool = False) -> Tensor:
    """Return the slices with the pixels where field < rate set to 0.

    Parameters
    ----------
    slices
        (N, 1, H, W), volume scale.
    rate
        Probability of a pixel's being lost, one number or (N,), in [0, 1); 0 leaves a slice exactly as it is.
    field
        Numbers uniform in [0, 1), (N, 1, H, W). The same field loses a larger set at a larger rate.
    rescale
        Multiply the pixels that are kept by 1 / (1 - rate), so that the expected value of each stays.
    """
    probability = per_slice(rate, slices)
    kept = slices / (1 - probability) if rescale else slices
    return kept.masked_fill(field < probability, 0)


class PixelDropout(Corruption):
    """Each pixel is set to 0 with probability `rate`, independently of the others.

    With `rescale` the pixels that are kept are multiplied by 1 / (1 - rate), as framework dropout does
    (N. Srivastava et al., "Dropout", Journal of Machine Learning Research 15:1929-1958, 2014, in the inverted
    form of Keras and PyTorch). A larger rate loses the pixels of a smaller one and more.
    """

    kind: ClassVar[str] = "pixel-dropout"
    label: ClassVar[str] = "Pixel dropout"
    group: ClassVar[str] = "Noise and loss"

    rate: float = Field(
        0.04,
        ge=0,
        le=0.99,
        title="Rate",
        description="Fraction of the pixels that are set to 0",
        json_schema_extra={"slider_maximum": 0.5},
    )
    rescale: bool = Field(
        False,
        title="Rescale the rest",
        description="Multiply the pixels that are kept by 1 / (1 - rate), as dropout layers do",
    )

    def apply(self, slices: Tensor, source: Source) -> Tensor:
        """Return slices with lost pixels; see `Corruption.apply`."""
        field = source.uniform(slices.shape[1:], slices)
        return drop_pixels(slices, self.rate, field, rescale=self.rescale)

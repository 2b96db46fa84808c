"""Bias field: brightness that drifts across the slice."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from pydantic import Field

from napari_mri_cae.corruptions.base import Corruption, per_slice
from napari_mri_cae.corruptions.random import Source

if TYPE_CHECKING:
    from torch import Tensor

MAX_ORDER: Final = 5


def bias_coefficients(slices: Tensor, source: Source) -> Tensor:
    """Return a coefficient for each power of row and column, (N, 6, 6), uniform in [-1, 1)."""
    return 2 * source.uniform((MAX_ORDER + 1, MAX_ORDER + 1), slices) - 1


def apply_bias(slices: Tensor, coefficient: float | Tensor, field: Tensor, *, order: int = 3) -> Tensor:
    """Return slices * exp(coefficient * sum of field[i, j] y^i x^j over i + j <= order).

    Parameters
    ----------
    slices
        (N, 1, H, W).
    coefficient
        One number or (N,), 0 or more; 0 leaves a slice exactly as it is.
    field
        What `bias_coefficients` returns. y and x run from -1 at the first row and column to 1 at the last.
    order
        Of the polynomial, 0 to 5. A higher one adds terms to those of a lower one.
    """
    import torch

    y, x = (
        torch.linspace(-1, 1, length, device=slices.device, dtype=slices.dtype)
        for length in slices.shape[-2:]
    )
    terms = field.view(-1, 1, MAX_ORDER + 1, MAX_ORDER + 1, 1)
    exponent = torch.zeros((), device=slices.device, dtype=slices.dtype)
    for power in range(order, -1, -1):
        along_row = torch.zeros_like(x)
        for j in range(order - power, -1, -1):
            along_row = along_row * x + terms[:, :, power, j]
        exponent = exponent * y.view(-1, 1) + along_row.unsqueeze(-2)
    return slices * torch.exp(exponent * per_slice(coefficient, slices))


class BiasField(Corruption):
    """A smooth field that multiplies the slice, as from coils that hear near tissue better than far.

    The exponential of a polynomial in row and column whose coefficients are uniform between -c and c: K. Van
    Leemput et al., "Automated model-based tissue classification of MR images of the brain", IEEE Transactions
    on Medical Imaging 18(10):897-908, 1999, as TorchIO's `RandomBiasField` has it, constant term included, in
    two dimensions. Each slice has a field of its own.
    """

    kind: ClassVar[str] = "bias-field"
    label: ClassVar[str] = "Bias field"
    group: ClassVar[str] = "MRI artefacts"

    coefficient: float = Field(
        0.3,
        ge=0,
        le=2,
        title="Coefficient",
        description="The polynomial's coefficients are uniform from minus this to this; 0 is no field",
        json_schema_extra={"slider_maximum": 1.0, "step": 0.01},
    )
    order: int = Field(
        3,
        ge=0,
        le=MAX_ORDER,
        title="Order",
        description="Order of the polynomial: how fast brightness varies",
    )

    def apply(self, slices: Tensor, source: Source) -> Tensor:
        """Return slices times a field; see `Corruption.apply`."""
        return apply_bias(slices, self.coefficient, bias_coefficients(slices, source), order=self.order)

"""Lines of k-space: what acquisition does to a slice, one phase-encoding line at a time.

A slice is (rows, columns). Phase encoding runs along one of the two, the lines of k-space lie along the
other, and whatever is the same for a whole line needs a transform along the phase-encoding direction alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def slice_by_slice(transform: Callable[[Tensor], Tensor], slices: Tensor) -> Tensor:
    """Return a transform of (N, 1, H, W), of each slice by itself.

    The last bit of a fast Fourier transform may depend on how many slices are transformed together and on
    where in memory they lie (so with Intel's library); what becomes of a slice must not.
    """
    import torch

    each = [transform(one.clone()) for one in torch.split(slices, 1)]
    return torch.cat(each) if each else transform(slices)


def phase_dim(horizontal: bool) -> int:
    """Return the dimension of (N, 1, H, W) that phase encoding runs along: the columns if horizontal."""
    return -1 if horizontal else -2


def to_lines(slices: Tensor, dim: int) -> Tensor:
    """Return the transform along `dim`, complex, the centre of k-space at index length // 2."""
    import torch

    lines = slice_by_slice(lambda one: torch.fft.fft(one, dim=dim), slices)
    shifted: Tensor = torch.fft.fftshift(lines, dim=dim)
    return shifted


def magnitude(lines: Tensor, dim: int) -> Tensor:
    """Return the magnitude image of what `to_lines` returns."""
    import torch

    image = slice_by_slice(lambda one: torch.fft.ifft(one, dim=dim), torch.fft.ifftshift(lines, dim=dim))
    return image.abs()


def line_numbers(slices: Tensor, dim: int) -> Tensor:
    """Return 0, 1, ... along `dim` of the slices, (L, 1) or (L,), so that it broadcasts, of their dtype."""
    import torch

    numbers = torch.arange(slices.shape[dim], device=slices.device, dtype=slices.dtype)
    return numbers if dim == -1 else numbers.view(-1, 1)


def where_positive(strength: float | Tensor, corrupted: Tensor, slices: Tensor) -> Tensor:
    """Return the corrupted slices, and exactly the slices themselves where the strength is 0."""
    import torch

    if isinstance(strength, torch.Tensor):
        return torch.where(strength > 0, corrupted, slices)
    return corrupted if strength > 0 else slices.clone()

"""Separable filtering of stacks of slices, with the same digits whoever asks for it.

No library's convolution: a framework's may run in TF32 or bfloat16 (cuDNN's default, an autocast region) and
picks its algorithm by batch size, so its last digits, and with cancellation its first ones, depend on who
calls it. Here there are a weighted sum of shifted views, which gradients pass and any device computes, and
numpy's matrix products, which on one core take a quarter of its time.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import Tensor

    Array = npt.NDArray[Any]

Images = TypeVar("Images", "Array", "Tensor")

# Rows or columns that one product filters. OpenBLAS leaves so small a one to one thread; its others would go
# on spinning afterwards, beside whatever draws the picture.
_BLOCK: Final = 16


def filter_symmetric(images: Tensor, taps: Sequence[float] | Tensor, dim: int) -> Tensor:
    """Filter along one dimension with a symmetric kernel, where the kernel lies wholly inside.

    Parameters
    ----------
    images
        Any shape; at least 2R + 1 long along `dim`.
    taps
        R + 1 weights from the centre outward: numbers, or a tensor (R + 1, ...) whose trailing dimensions
        broadcast against `images` (one kernel for each slice).
    dim
        The dimension to filter.

    Returns
    -------
    Tensor
        As `images`, but 2R shorter along `dim`.
    """
    import torch

    radius = len(taps) - 1
    length = images.shape[dim] - 2 * radius
    filtered = images.narrow(dim, radius, length) * taps[0]
    for shift in range(1, radius + 1):
        pair = torch.add(
            images.narrow(dim, radius - shift, length), images.narrow(dim, radius + shift, length)
        )
        weight = taps[shift]
        if isinstance(weight, torch.Tensor):
            filtered += pair.mul_(weight)
        else:
            filtered.add_(pair, alpha=weight)
    return filtered


def filter_both(images: Images, taps: Sequence[float]) -> Images:
    """Filter rows and columns with a symmetric kernel, where it lies wholly inside.

    Parameters
    ----------
    images
        (..., H, W), an array or a tensor; H and W at least 2R + 1.
    taps
        R + 1 weights from the centre outward.

    Returns
    -------
    Array or Tensor
        (..., H - 2R, W - 2R), as `images`.
    """
    if isinstance(images, np.ndarray):
        filtered = _by_products(images, tuple(taps))
        if np.isfinite(filtered).all():
            return filtered
        # In a product what is not finite spoils a whole block.
        import torch

        return np.asarray(filter_both(torch.from_numpy(images), taps))
    return filter_symmetric(filter_symmetric(images, taps, -2), taps, -1)


def _by_products(images: Array, taps: tuple[float, ...]) -> Array:
    more = 2 * (len(taps) - 1)
    *shape, height, width = images.shape
    narrow = np.empty((*shape, height - more, width), images.dtype)
    for start, count in _blocks(height - more):
        part = images[..., start : start + count + more, :]
        np.matmul(_band(count, taps, images.dtype), part, out=narrow[..., start : start + count, :])
    filtered = np.empty((*shape, height - more, width - more), images.dtype)
    for start, count in _blocks(width - more):
        part = narrow[..., start : start + count + more]
        np.matmul(part, _band(count, taps, images.dtype).T, out=filtered[..., start : start + count])
    return filtered


def _blocks(length: int) -> list[tuple[int, int]]:
    """Return where blocks begin and how long they are; the last one overlaps the one before."""
    count = min(_BLOCK, length)
    return [(min(start, length - count), count) for start in range(0, length, count)]


@lru_cache(16)
def _band(count: int, taps: tuple[float, ...], dtype: np.dtype[Any]) -> Array:
    """Return the matrix (count, count + 2R) that filters a column."""
    radius = len(taps) - 1
    kernel = (*taps[:0:-1], *taps)
    band = np.zeros((count, count + 2 * radius), dtype)
    for row in range(count):
        band[row, row : row + 2 * radius + 1] = kernel
    return band

"""Separable filtering of stacks of slices as a weighted sum of shifted views.

Plain multiplications and additions rather than a library convolution: a framework convolution may run in
TF32 or bfloat16 (cuDNN's default, an autocast region) and picks its algorithm by batch size, so its last
digits, and with cancellation its first ones, depend on who calls it. A sum of shifts has none of that and on
a CPU it is faster than a convolution with one input channel.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def filter_symmetric(
    images: Tensor,
    taps: Sequence[float] | Tensor,
    dim: int,
    *,
    out: Tensor | None = None,
    scratch: Tensor | None = None,
) -> Tensor:
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
    out, scratch
        Tensors of the result's shape to write to and to work in, overlapping neither `images` nor each other.
        New ones by default, and then gradients can pass.

    Returns
    -------
    Tensor
        As `images`, but 2R shorter along `dim`; `out` where that was given.
    """
    import torch

    radius = len(taps) - 1
    length = images.shape[dim] - 2 * radius
    filtered = torch.mul(images.narrow(dim, radius, length), taps[0], out=out)
    for shift in range(1, radius + 1):
        pair = torch.add(
            images.narrow(dim, radius - shift, length),
            images.narrow(dim, radius + shift, length),
            out=scratch,
        )
        weight = taps[shift]
        if isinstance(weight, torch.Tensor):
            filtered += pair.mul_(weight)
        else:
            filtered.add_(pair, alpha=weight)
    return filtered

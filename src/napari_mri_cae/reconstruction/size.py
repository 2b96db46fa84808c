"""Give slices the size that a network takes, and take it away again."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

Undo = Callable[["Tensor"], "Tensor"]


def fit_size(
    slices: "Tensor", *, multiple_of: int = 1, fixed_size: tuple[int, int] | None = None
) -> tuple["Tensor", Undo]:
    """Return `slices` at a size that a network takes, and the way back.

    Parameters
    ----------
    slices : torch.Tensor
        (N, 1, H, W).
    multiple_of : int
        Height and width are padded to the next multiple of this. The padding repeats the edge, half of it
        on either side, and is cropped off afterwards.
    fixed_size : (int, int), optional
        Resize bilinearly to this height and width instead, and back afterwards.

    Returns
    -------
    fitted : torch.Tensor
        (N, 1, H', W').
    undo : callable
        Takes the network's output, (N, 1, H', W'), back to (N, 1, H, W).
    """
    import torch.nn.functional as functional

    height, width = slices.shape[-2:]
    if fixed_size is not None and fixed_size != (height, width):

        def resize(images: "Tensor", size: tuple[int, int]) -> "Tensor":
            return functional.interpolate(images, size=size, mode="bilinear", align_corners=False)

        return resize(slices, fixed_size), lambda output: resize(output, (height, width))

    missing_rows, missing_columns = -height % multiple_of, -width % multiple_of
    if not missing_rows and not missing_columns:
        return slices, lambda output: output
    top, left = missing_rows // 2, missing_columns // 2
    padding = (left, missing_columns - left, top, missing_rows - top)
    fitted = functional.pad(slices, padding, mode="replicate")
    return fitted, lambda output: output[..., top : top + height, left : left + width]

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
        (N, C, H, W).
    multiple_of : int
        Height and width are padded to the next multiple of this. The padding repeats the edge, half of it
        on either side, and is cropped off afterwards.
    fixed_size : (int, int), optional
        Bring them to this height and width first, and back at the end: by padding where they fit in it, for
        enlarging would only blur them, and by bilinear resizing where they do not.

    Returns
    -------
    fitted : torch.Tensor
        (N, 1, H', W').
    undo : callable
        Takes the network's output, (N, 1, H', W'), back to (N, 1, H, W).
    """
    import torch.nn.functional as functional

    size = (int(slices.shape[-2]), int(slices.shape[-1]))

    def resize(images: "Tensor", to: tuple[int, int]) -> "Tensor":
        height, width = images.shape[-2:]
        if (height, width) == to:
            return images
        return functional.interpolate(images, size=to, mode="bilinear", align_corners=False)

    inner, wanted = slices, size
    if fixed_size is not None:
        wanted = fixed_size
        if size[0] > fixed_size[0] or size[1] > fixed_size[1]:
            inner = resize(slices, fixed_size)
    height, width = inner.shape[-2:]
    missing_rows = wanted[0] - height + -wanted[0] % multiple_of
    missing_columns = wanted[1] - width + -wanted[1] % multiple_of
    if not missing_rows and not missing_columns:
        return inner, lambda output: resize(output, size)
    top, left = missing_rows // 2, missing_columns // 2
    padding = (left, missing_columns - left, top, missing_rows - top)
    fitted = functional.pad(inner, padding, mode="replicate")
    return fitted, lambda output: resize(output[..., top : top + height, left : left + width], size)

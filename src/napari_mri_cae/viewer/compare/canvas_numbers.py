"""The PSNR of the slice on screen, written on the canvas."""

from typing import TYPE_CHECKING, Final

from napari.components.overlays import TextOverlay

from napari_mri_cae.comparison import Comparison
from napari_mri_cae.viewer.compare.numbers import format_metric
from napari_mri_cae.viewer.compare.panels import roles_of, text_size

if TYPE_CHECKING:
    from napari.components import ViewerModel

OVERLAY: Final = "mri_cae_psnr"


class CanvasNumbers:
    """A text in the corner of a viewer's canvas.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    """

    def __init__(self, viewer: "ViewerModel") -> None:
        self._overlays = viewer.canvas.overlays

    def show(self, comparison: Comparison | None, index: int | None) -> None:
        """Show the numbers of a slice; nothing where no single slice is on screen."""
        text = "" if comparison is None or index is None else _text(comparison, index)
        if OVERLAY not in self._overlays:
            # Without a box: napari (0.9) compiles the box's shader anew for every other text.
            self._overlays[OVERLAY] = TextOverlay(text=text, position="bottom_right", box=False, visible=True)
        overlay = self._overlays[OVERLAY]
        if overlay.text != text:
            overlay.text = text
        size = 10 if comparison is None else text_size(len(roles_of(comparison)))
        if overlay.font_size != size:
            overlay.font_size = size

    def remove(self) -> None:
        """Take the text off the canvas."""
        self._overlays.pop(OVERLAY, None)


def _text(comparison: Comparison, index: int) -> str:
    numbers = "..."
    if comparison.done[index]:
        row = comparison.metrics[index]
        before, after = row["psnr_corrupted"], row["psnr_reconstructed"]
        numbers = f"{format_metric('psnr', before)} → {format_metric('psnr', after)} dB"
        if comparison.second_model is not None:
            # A line of its own: a panel of six is narrow.
            second = format_metric("psnr", row["psnr_reconstructed_2"])
            numbers += f"\n{format_metric('psnr', before)} → {second} dB"
    return f"PSNR, slice {index}\n{numbers}"

"""What the network makes of one validation slice, as layers that change in place."""

from typing import TYPE_CHECKING, Final

from napari.layers import Image

from napari_mri_cae.viewer.gl_context import make_canvas_current
from napari_mri_cae.viewer.train.follower import PREVIEWS, Preview

if TYPE_CHECKING:
    from napari.components import ViewerModel

_GAP: Final = 4


class PreviewLayers:
    """Three flat layers beside each other: original, corrupted, reconstructed.

    The user may rename, hide or delete any of them; those that are gone stay away until another run.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    """

    def __init__(self, viewer: "ViewerModel") -> None:
        self._viewer = viewer
        self._layers: dict[str, Image] = {}

    @property
    def layers(self) -> dict[str, Image]:
        """Those that are in the viewer."""
        return {name: layer for name, layer in self._layers.items() if layer in self._viewer.layers}

    def show(self, preview: Preview) -> None:
        """Show a preview, in the layers that are there."""
        if self._layers and any(
            layer.data.shape != preview.slices[name].shape for name, layer in self._layers.items()
        ):
            self.close()
        is_new = not self._layers
        for position, name in enumerate(PREVIEWS):
            data = preview.slices[name]
            if is_new:
                self._layers[name] = self._add(name, position, preview)
            elif name in self.layers:
                layer = self._layers[name]
                # In place: another array would also be another contrast, extent and thumbnail.
                layer.data[...] = data
                layer.refresh(extent=False, highlight=False)
        if is_new and len(self._viewer.layers) == len(self._layers):
            self._viewer.reset_view()

    def close(self) -> None:
        """Take the layers away."""
        for layer in self.layers.values():
            make_canvas_current(self._viewer)
            self._viewer.layers.remove(layer)
        self._layers = {}

    def _add(self, name: str, position: int, preview: Preview) -> Image:
        data = preview.slices[name].copy()
        original = preview.slices["original"]
        low, high = float(original.min()), float(original.max())
        # One layer with other units than the rest switches units off for all of them, and volumes have mm.
        others = [layer for layer in self._viewer.layers if layer.ndim >= 2]
        units = tuple(others[0].units[-2:]) if others else ("mm", "mm")
        layer = Image(
            data,
            name=f"Preview: {name}",
            colormap="gray",
            contrast_limits=(low, high if high > low else low + 1),
            translate=(0, position * (data.shape[1] + _GAP)),
            units=units,
            metadata={"napari_mri_cae": {"role": "preview"}},
        )
        self._viewer.add_layer(layer)
        return layer

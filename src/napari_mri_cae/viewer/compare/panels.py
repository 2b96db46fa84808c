"""The four panels of a comparison: layers in a 2 x 2 grid."""

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from napari.experimental import link_layers, unlink_layers
from napari.layers import Image, Layer
from napari.utils import Colormap

from napari_mri_cae.comparison import Comparison
from napari_mri_cae.comparison.residual_colors import RESIDUAL_COLORS
from napari_mri_cae.viewer.layers import METADATA_KEY, Role, spatial_attributes

if TYPE_CHECKING:
    from napari.components import ViewerModel

RESIDUAL_COLORMAP: Final = Colormap(RESIDUAL_COLORS, name="residual", display_name="residual")
ROLES: Final[tuple[Role, ...]] = ("original", "corrupted", "reconstructed", "residual")
# Three columns: what went in, what the first and what the second model made of it.
ROLES_OF_TWO: Final[tuple[Role, ...]] = (
    "original",
    "reconstructed",
    "reconstructed_2",
    "corrupted",
    "residual",
    "residual_2",
)
_RESIDUALS: Final = ("residual", "residual_2")
_LINKED: Final = ("contrast_limits", "colormap", "gamma", "interpolation2d")


@dataclass(frozen=True)
class _Before:
    """What the user had before the panels opened."""

    grid: dict[str, Any]
    visible: tuple[Layer, ...]


class Panels:
    """The four layers of a comparison and the grid that shows them.

    The user may rename, hide, move or delete any of them at any time. Layers are held as objects.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    """

    def __init__(self, viewer: "ViewerModel") -> None:
        self._viewer = viewer
        self._layers: dict[str, Image] = {}
        self._before: _Before | None = None

    @property
    def layers(self) -> dict[str, Image]:
        """The panels that are still in the viewer, by role."""
        return {role: layer for role, layer in self._layers.items() if layer in self._viewer.layers}

    @property
    def is_open(self) -> bool:
        """Whether the panels have been opened and not closed since."""
        return self._before is not None

    @property
    def missing(self) -> tuple[str, ...]:
        """The roles whose layer the user has deleted."""
        return tuple(role for role in self._layers if self._layers[role] not in self._viewer.layers)

    def show(
        self,
        comparison: Comparison,
        *,
        attributes: dict[str, Any],
        metadata: dict[str, Any],
        residual_range: float,
    ) -> None:
        """Show a comparison, in the panels that are open where its grid is theirs.

        Parameters
        ----------
        comparison : Comparison
        attributes : dict
            The spatial attributes of the source layer: scale, units, axis labels ...
        metadata : dict
            Goes into every panel's `metadata["napari_mri_cae"]`, beside its role.
        residual_range : float
            The residual is shown from minus to plus this.
        """
        if self._before is None:
            self._before = self._remember()
        reusable: dict[str, Image] = {
            role: layer
            for role, layer in self.layers.items()
            if role in roles_of(comparison)
            and layer.data.shape == comparison.original.shape
            and _lies_in(layer, attributes)
        }
        self._discard(keep=reusable)
        self._layers = {}
        for role in roles_of(comparison):
            data = getattr(comparison, role)
            extra = {METADATA_KEY: {**metadata, "role": role}}
            if role in reusable:
                layer = reusable[role]
                layer.data = data
                layer.metadata = extra
            else:
                layer = self._add(role, data, attributes, extra, residual_range)
            self._layers[role] = layer
        self._arrange()

    def refresh(self) -> None:
        """Draw the panels again after their arrays have changed in place."""
        for role, layer in self.layers.items():
            if role != "original":
                # The arrays are filled in place: nothing but the slice on screen needs to be read again.
                layer.refresh(thumbnail=False, extent=False, highlight=False)

    def refresh_thumbnails(self) -> None:
        """Bring the layer list's thumbnails up to date."""
        for layer in self.layers.values():
            layer.refresh(extent=False, highlight=False)

    def set_residual_range(self, value: float) -> None:
        """Show the residual from minus to plus `value`."""
        for role, layer in self.layers.items():
            if role in _RESIDUALS:
                layer.contrast_limits_range = (-1.0, 1.0)
                layer.contrast_limits = (-value, value)

    def close(self) -> None:
        """Remove the panels and give the viewer back as it was."""
        before, self._before = self._before, None
        self._discard()
        self._layers = {}
        if before is None:
            return
        grid = self._viewer.canvas.grid
        for name, value in before.grid.items():
            setattr(grid, name, value)
        for layer in before.visible:
            if layer in self._viewer.layers:
                layer.visible = True

    def _remember(self) -> _Before:
        """Note the viewer's state, hide what would take a cell of the grid, and switch the grid on."""
        grid = self._viewer.canvas.grid
        before = _Before(
            grid={name: getattr(grid, name) for name in ("enabled", "shape", "stride", "spacing")},
            visible=tuple(layer for layer in self._viewer.layers if layer.visible),
        )
        for layer in before.visible:
            layer.visible = False
        grid.shape = (-1, -1)
        grid.stride = 1
        # A share of a panel: napari warns about pixels where there is no room for them.
        grid.spacing = 0.01
        grid.enabled = True
        return before

    def hide_beside(self, layer: Layer) -> None:
        """Hide a layer while the panels are open, and show it again when they close."""
        if self._before is not None and layer.visible:
            layer.visible = False
            self._before = _Before(self._before.grid, (*self._before.visible, layer))

    def _add(
        self,
        role: str,
        data: Any,
        attributes: dict[str, Any],
        metadata: dict[str, Any],
        residual_range: float,
    ) -> Image:
        is_residual = role in _RESIDUALS
        limits = (-residual_range, residual_range) if is_residual else (0.0, 1.0)
        layer = Image(
            data,
            name=role.capitalize().replace("_", " "),
            metadata=metadata,
            contrast_limits=limits,
            colormap=RESIDUAL_COLORMAP if is_residual else "gray",
            **attributes,
        )
        layer.contrast_limits_range = (-1.0, 1.0) if is_residual else (-0.25, 1.25)
        layer.name_overlay.visible = True
        layer.name_overlay.position = "top_left"
        self._viewer.add_layer(layer)
        return layer

    def _arrange(self) -> None:
        """Put the panels in order and link what they share."""
        layers = list(self._layers.values())
        for layer in layers:
            layer.name_overlay.font_size = text_size(len(layers))
        positions = sorted(self._viewer.layers.index(layer) for layer in layers)
        for position, layer in zip(positions, layers, strict=True):
            index = self._viewer.layers.index(layer)
            if index != position:
                self._viewer.layers.move(index, position)
        for linked in self._linked():
            with suppress(ValueError, KeyError):
                unlink_layers(linked, _LINKED)
            link_layers(linked, _LINKED)

    def _linked(self) -> tuple[list[Image], list[Image]]:
        """Return the layers that share contrast and colours: images among themselves, and residuals."""
        images = [layer for role, layer in self._layers.items() if role not in _RESIDUALS]
        residuals = [layer for role, layer in self._layers.items() if role in _RESIDUALS]
        return images, residuals

    def _discard(self, keep: dict[str, Image] | None = None) -> None:
        gone = [layer for role, layer in self.layers.items() if role not in (keep or {})]
        for linked in self._linked():
            if len(linked) > 1:
                with suppress(ValueError, KeyError):
                    unlink_layers(linked, _LINKED)
        for layer in gone:
            self._viewer.layers.remove(layer)


def text_size(panels: int) -> int:
    """Return the size of texts on the canvas: in three columns they would meet the letters of orientation."""
    return 10 if panels <= len(ROLES) else 7


def roles_of(comparison: Comparison) -> tuple[Role, ...]:
    """Return what a comparison shows, in the order of the grid's cells."""
    return ROLES if comparison.second_model is None else ROLES_OF_TWO


def _lies_in(layer: Layer, attributes: dict[str, Any]) -> bool:
    """Return whether a layer lies in space just as `attributes` say."""
    own = spatial_attributes(layer)
    words = ("units", "axis_labels")
    return all(
        own[name] == value if name in words else np.allclose(own[name], value)
        for name, value in attributes.items()
    )

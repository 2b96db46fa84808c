"""What the docks' plots share: they are plain, take no mouse of their own, and follow the theme."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from napari.utils.theme import get_theme
from qtpy.QtWidgets import QGraphicsView

if TYPE_CHECKING:
    from napari.components import ViewerModel


@dataclass(frozen=True)
class PlotColors:
    """Colours of a plot, as "#rrggbb".

    Attributes
    ----------
    text : str
        Of axes and words.
    series : tuple of str
        Of six curves, in order.
    warning : str
    """

    text: str
    series: tuple[str, ...]
    warning: str


# Okabe and Ito's colours, told apart by everyone; of each the one that stands out from the background.
_ON_DARK: Final = ("#e69f00", "#56b4e9", "#cc79a7", "#009e73", "#f0e442", "#d55e00"), "#ff6b6b"
_ON_LIGHT: Final = ("#d55e00", "#0072b2", "#a0447c", "#00745a", "#8a6d00", "#3a3a3a"), "#b00020"


def plot_colors(viewer: "ViewerModel") -> PlotColors:
    """Return the colours that suit a viewer's theme."""
    theme = get_theme(viewer.theme)
    red, green, blue = theme.background.as_rgb_tuple()[:3]
    is_dark = 0.299 * red + 0.587 * green + 0.114 * blue < 128
    series, warning = _ON_DARK if is_dark else _ON_LIGHT
    return PlotColors(theme.text.as_hex(), series, warning)


def plain_plot() -> Any:
    """Return a `pyqtgraph.PlotWidget` of curves and axes: no menu, no zoom, no "k" for 1000."""
    import pyqtgraph

    widget = pyqtgraph.PlotWidget(background=None)
    # A background that is kept would be that of the theme before.
    widget.setCacheMode(QGraphicsView.CacheModeFlag.CacheNone)
    item = widget.getPlotItem()
    item.setMenuEnabled(False)
    item.hideButtons()
    item.setMouseEnabled(x=False, y=False)
    for side in ("left", "bottom"):
        item.getAxis(side).enableAutoSIPrefix(False)
    return widget


def color_axes(item: Any, text: str) -> None:
    """Draw the axes of a `pyqtgraph.PlotItem` and their numbers in a colour."""
    for side in ("left", "bottom"):
        item.getAxis(side).setPen(text)
        item.getAxis(side).setTextPen(text)

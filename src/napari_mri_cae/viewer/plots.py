"""What the docks' plots share: they are plain, take no mouse of their own, and follow the theme."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from napari.utils.theme import get_theme

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
        Of curves, in order.
    warning : str
    """

    text: str
    series: tuple[str, ...]
    warning: str


# Okabe and Ito's colours, told apart by everyone; of each the one that stands out from the background.
_ON_DARK: Final = ("#e69f00", "#56b4e9", "#cc79a7"), "#ff6b6b"
_ON_LIGHT: Final = ("#d55e00", "#0072b2", "#a0447c"), "#b00020"


def plot_colors(viewer: "ViewerModel") -> PlotColors:
    """Return the colours that suit a viewer's theme."""
    theme = get_theme(viewer.theme)
    red, green, blue = theme.background.as_rgb_tuple()[:3]
    is_dark = 0.299 * red + 0.587 * green + 0.114 * blue < 128
    series, warning = _ON_DARK if is_dark else _ON_LIGHT
    return PlotColors(theme.text.as_hex(), series, warning)


def make_plain(item: Any) -> None:
    """Leave a plot (a `pyqtgraph.PlotItem`) its curves and axes: no menu, no zoom, no "k" for 1000."""
    item.setMenuEnabled(False)
    item.hideButtons()
    item.setMouseEnabled(x=False, y=False)
    for side in ("left", "bottom"):
        item.getAxis(side).enableAutoSIPrefix(False)


def color_axes(item: Any, text: str) -> None:
    """Draw a plot's axes and their numbers in a colour."""
    for side in ("left", "bottom"):
        item.getAxis(side).setPen(text)
        item.getAxis(side).setTextPen(text)

"""A picture of the four panels, for a report or where there is no window."""

import math
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from napari_mri_cae.comparison.comparison import Comparison
from napari_mri_cae.comparison.residual_colors import RESIDUAL_COLORS, RESIDUAL_RANGE
from napari_mri_cae.comparison.wording import chain_text
from napari_mri_cae.errors import InputError
from napari_mri_cae.planes import Plane, plane_axis

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

_PANEL: Final = 480
_MARGIN: Final = 32
_GAP: Final = 28
_HEADING: Final = 56
_CAPTION: Final = 58
_BAR: Final = 14
_BAR_ROOM: Final = 76
_LEAST_ROOM: Final = 260
_LINE: Final = 22

_BACKGROUND: Final = (20, 22, 26)
_STRONG: Final = (240, 242, 245)
_SOFT: Final = (160, 166, 175)
_FRAME: Final = (56, 60, 68)

# Top, bottom, left and right of a slice in the pose of an I-P-L array, rows down and columns right.
LETTERS: Final[dict[Plane, tuple[str, str, str, str]]] = {
    "axial": ("A", "P", "R", "L"),
    "coronal": ("S", "I", "R", "L"),
    "sagittal": ("S", "I", "A", "P"),
}

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class _Panel:
    title: str
    caption: str
    pixels: Pixels


def draw_panels(
    comparison: Comparison, index: int | None = None, *, residual_range: float = RESIDUAL_RANGE
) -> "Image":
    """Draw original, corrupted, reconstructed and residual of one slice.

    The first three are gray, from 0 to 1 on the volume's scale; the residual has its own colours, symmetric
    about 0. Voxels have their true proportions. Right and left are as the letters say: the patient's right is
    on the left of the axial and the coronal slice.

    Parameters
    ----------
    comparison : Comparison
        One in which the slice is done.
    index : int, optional
        Which slice along the comparison's plane; the one in focus by default.
    residual_range : float
        The residual is shown from minus to plus this, on the volume's scale.

    Returns
    -------
    PIL.Image.Image
        RGB, about 1100 pixels wide.

    Raises
    ------
    IndexError
        If there is no such slice.
    ValueError
        If the slice is not done.
    """
    from PIL import Image, ImageDraw

    index = comparison.focus if index is None else index
    if not 0 <= index < comparison.n_slices:
        raise IndexError(f"there is no slice {index}: the plane has {comparison.n_slices}")
    if not comparison.done[index]:
        raise ValueError(f"slice {index} is not done")

    panels = _panels(comparison, index, residual_range)
    width, height = _panel_size(comparison)
    # A narrow slice leaves room for what is written above it.
    room = max(width, _LEAST_ROOM)
    column, row = room + _GAP, height + _CAPTION
    total_width = 2 * _MARGIN + column + room + _BAR_ROOM
    heading, footer = _heading(comparison, index), _footer(comparison, total_width)
    top = _MARGIN + _HEADING
    footer_top = top + 2 * row + _GAP + _LINE
    image = Image.new("RGB", (total_width, footer_top + _LINE * len(footer) + _MARGIN), _BACKGROUND)
    draw = ImageDraw.Draw(image)

    _write(draw, (_MARGIN, _MARGIN), heading[0], 26, _STRONG)
    _write(draw, (total_width - _MARGIN, _MARGIN + 6), heading[1], 18, _SOFT, anchor="ra")
    for number, panel in enumerate(panels):
        x = _MARGIN + column * (number % 2)
        y = top + (row + _GAP) * (number // 2)
        _write(draw, (x, y), panel.title, 20, _STRONG)
        _write(draw, (x, y + 27), panel.caption, 16, _SOFT)
        y += _CAPTION
        image.paste(_enlarge(panel.pixels, (width, height)), (x, y))
        draw.rectangle((x - 1, y - 1, x + width, y + height), outline=_FRAME)
        _write_letters(draw, (x, y, width, height), LETTERS[comparison.plane])
        if number % 2:
            bar = (x + width + 12, y, _BAR, height)
            if number == 1:
                _draw_bar(image, draw, bar, gray_pixels, ("1", "0.5", "0"))
            else:
                ends = (f"+{residual_range:g}", "0", f"-{residual_range:g}")
                _draw_bar(image, draw, bar, residual_pixels, ends)
    for number, line in enumerate(footer):
        _write(draw, (_MARGIN, footer_top + _LINE * number), line, 15, _SOFT)
    return image


def save_picture(
    comparison: Comparison,
    path: str | Path,
    index: int | None = None,
    *,
    residual_range: float = RESIDUAL_RANGE,
) -> Path:
    """Write the picture of `draw_panels` as a PNG file.

    Parameters
    ----------
    comparison, index, residual_range
        As in `draw_panels`.
    path : str or pathlib.Path
        Where to; an existing file is replaced.

    Returns
    -------
    pathlib.Path
        Where the picture is.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    path = Path(path)
    image = draw_panels(comparison, index, residual_range=residual_range)
    try:
        image.save(path, format="PNG")
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}.") from error
    return path


def _panels(comparison: Comparison, index: int, residual_range: float) -> list[_Panel]:
    axis = plane_axis(comparison.plane)
    row = comparison.metrics[index]
    panels = []
    for role, caption in (
        ("original", "gray: 0 to 1 on the volume's scale"),
        ("corrupted", _quality(row, "corrupted")),
        ("reconstructed", _quality(row, "reconstructed")),
        ("residual", "original - reconstructed"),
    ):
        values = np.take(getattr(comparison, role), index, axis)
        pixels = (
            residual_pixels(0.5 + values / (2 * residual_range))
            if role == "residual"
            else gray_pixels(values)
        )
        panels.append(_Panel(role.capitalize(), caption, pixels))
    return panels


def _quality(row: Any, image: str) -> str:
    psnr = row[f"psnr_{image}"]
    decibels = "infinite" if math.isinf(psnr) else f"{psnr:.2f} dB"
    return f"PSNR {decibels}  ·  SSIM {row[f'ssim_{image}']:.4f}"


def gray_pixels(values: npt.NDArray[Any]) -> Pixels:
    """Return the RGB of values in [0, 1]."""
    return _eight_bits(np.repeat(np.clip(values, 0, 1)[..., np.newaxis], 3, axis=-1))


def residual_pixels(values: npt.NDArray[Any]) -> Pixels:
    """Return the RGB of values in [0, 1]; 0.5 is black."""
    stops = np.linspace(0, 1, len(RESIDUAL_COLORS))
    channels = [np.interp(values, stops, channel) for channel in zip(*RESIDUAL_COLORS, strict=True)]
    return _eight_bits(np.stack(channels, axis=-1))


def _eight_bits(colors: npt.NDArray[Any]) -> Pixels:
    levels: Pixels = np.rint(colors * 255).astype(np.uint8)
    return levels


def _pixel_size(comparison: Comparison) -> tuple[float, float]:
    """Return the height and the width of a slice's pixel in mm."""
    spacing = list(comparison.volume.spacing)
    del spacing[plane_axis(comparison.plane)]
    return spacing[0], spacing[1]


def _panel_size(comparison: Comparison) -> tuple[int, int]:
    """Return the width and the height of a panel in the picture, in proportion to the slice in mm."""
    shape = list(comparison.original.shape)
    del shape[plane_axis(comparison.plane)]
    millimetres = [count * size for count, size in zip(shape, _pixel_size(comparison), strict=True)]
    # A stack of very few slices, seen from the side, stays visible.
    height, width = (max(32, round(_PANEL * length / max(millimetres))) for length in millimetres)
    return width, height


def _enlarge(pixels: Pixels, size: tuple[int, int]) -> "Image":
    """Resize so that every voxel is a plain block of the same size, its edges smoothed below a pixel."""
    from PIL import Image

    rows, columns = (math.ceil(wanted / had) for wanted, had in zip(size[::-1], pixels.shape, strict=False))
    blocks = pixels.repeat(max(1, rows), axis=0).repeat(max(1, columns), axis=1)
    return Image.fromarray(blocks).resize(size, Image.Resampling.BOX)


def _write_letters(draw: "ImageDraw", box: tuple[int, int, int, int], letters: tuple[str, ...]) -> None:
    x, y, width, height = box
    middle, centre = x + width // 2, y + height // 2
    places = ((middle, y + 6, "ma"), (middle, y + height - 6, "md"), (x + 7, centre, "lm"))
    for letter, (left, top, anchor) in zip(letters, (*places, (x + width - 7, centre, "rm")), strict=True):
        _write(draw, (left, top), letter, 16, _STRONG, anchor=anchor, outline=True)


def _draw_bar(
    image: "Image",
    draw: "ImageDraw",
    box: tuple[int, int, int, int],
    colors: Callable[[npt.NDArray[Any]], Pixels],
    labels: tuple[str, str, str],
) -> None:
    """Draw a colour bar, its largest value on top."""
    from PIL import Image

    x, y, width, height = box
    column = colors(np.linspace(1, 0, height)[:, np.newaxis])
    image.paste(Image.fromarray(np.repeat(column, width, axis=1)), (x, y))
    draw.rectangle((x - 1, y - 1, x + width, y + height), outline=_FRAME)
    for label, place, anchor in zip(
        labels, (y, y + height // 2, y + height), ("la", "lm", "ld"), strict=True
    ):
        _write(draw, (x + width + 7, place), label, 15, _SOFT, anchor=anchor)


def _heading(comparison: Comparison, index: int) -> tuple[str, str]:
    name = textwrap.shorten(comparison.volume.name or "volume", 48, placeholder="...")
    return name, f"{comparison.plane} slice {index} (0 to {comparison.n_slices - 1})"


def _footer(comparison: Comparison, width: int) -> list[str]:
    window = comparison.volume.window
    summary = comparison.summary()
    whole = "whole volume" if comparison.is_complete else f"{summary['n_slices_done']:.0f} slices so far"
    sentences = (
        f"Corruptions: {chain_text(comparison.corruptions)}; seed {comparison.seed}",
        f"Model: {comparison.model.card.name}, on {comparison.device_description}",
        f"PSNR of the {whole}: corrupted {summary['psnr_corrupted']:.2f} dB, "
        f"reconstructed {summary['psnr_reconstructed']:.2f} dB",
        f"Volume's scale: 0 is {window.low:g} and 1 is {window.high:g} in the file; "
        "data range of PSNR and SSIM: 1",
    )
    # Of the footer's font, whose letters are 7 pixels wide on average.
    characters = (width - 2 * _MARGIN) // 7
    return [line for sentence in sentences for line in textwrap.wrap(sentence, characters)]


def _write(
    draw: "ImageDraw",
    place: tuple[int, int],
    text: str,
    size: int,
    color: tuple[int, int, int],
    *,
    anchor: str = "la",
    outline: bool = False,
) -> None:
    font = _font(size, plain=text.replace("·", "").isascii())
    draw.text(
        place,
        text,
        fill=color,
        font=font,
        anchor=anchor,
        stroke_width=3 if outline else 0,
        stroke_fill=_BACKGROUND if outline else None,
    )


def _font(size: int, *, plain: bool) -> "FreeTypeFont | ImageFont":
    """Return Pillow's own font, or one of the system's for names beyond ASCII, which it cannot write."""
    from PIL import ImageFont

    for name in () if plain else ("DejaVuSans.ttf", "Arial Unicode.ttf", "arial.ttf", "Arial.ttf"):
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return ImageFont.load_default(size)

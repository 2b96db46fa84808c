"""The pictures that a run leaves: loss and PSNR curves, and sheets of slices over their reconstructions."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

Array = npt.NDArray[np.float32]
Curve = tuple[str, Sequence[float]]

_PAPER: Final = (255, 255, 255)
_INK: Final = (40, 44, 52)
_SOFT: Final = (130, 136, 146)
_GRID: Final = (226, 229, 234)
# Okabe and Ito's colours, told apart by everyone.
_COLOURS: Final = ((0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (230, 159, 0), (86, 180, 233))
_PANEL: Final = (620, 360)
_LEFT: Final = 74
_TOP: Final = 44
_BOTTOM: Final = 46
_RIGHT: Final = 20
_GAP: Final = 6
_LABEL: Final = 24
_DARK: Final = (20, 22, 26)


def save_curves(rows: Sequence[Mapping[str, float]], path: Path) -> None:
    """Draw the losses, on a logarithmic scale, and the PSNR over the epochs.

    Parameters
    ----------
    rows
        Of the metrics table, one for each epoch.
    path
        Where to, a PNG file; replaced in one go.
    """
    from PIL import Image, ImageDraw

    losses = [
        (name, [row.get(column, math.nan) for row in rows])
        for name, column in (("training", "training_loss"), ("validation", "validation_loss"))
    ]
    columns = [name for name in (rows[0] if rows else {}) if name.startswith("psnr/")]
    qualities = [
        (name.removeprefix("psnr/"), [row.get(name, math.nan) for row in rows])
        for name in columns[: len(_COLOURS)]
    ]
    epochs = [row.get("epoch", number) for number, row in enumerate(rows, 1)]
    image = Image.new("RGB", (2 * (_PANEL[0] + _LEFT + _RIGHT), _PANEL[1] + _TOP + _BOTTOM), _PAPER)
    draw = ImageDraw.Draw(image)
    _plot(draw, 0, "Loss over epochs", epochs, losses, logarithmic=True)
    _plot(draw, _PANEL[0] + _LEFT + _RIGHT, "PSNR (dB)", epochs, qualities, logarithmic=False)
    _save(image, path)


def save_sheet(strips: Sequence[tuple[str, Array]], path: Path) -> None:
    """Draw rows of slices, one below the other, each row with its name.

    Parameters
    ----------
    strips
        Name and slices (N, H, W) of each row; 0 is black and 1 white.
    path
        Where to, a PNG file; replaced in one go.
    """
    from PIL import Image, ImageDraw

    count, height, width = strips[0][1].shape
    zoom = max(1, round(160 / max(height, width)))
    height, width = height * zoom, width * zoom
    size = (count * (width + _GAP) + _GAP, len(strips) * (height + _LABEL + _GAP) + _GAP)
    sheet = Image.new("RGB", size, _DARK)
    draw = ImageDraw.Draw(sheet)
    for row, (name, slices) in enumerate(strips):
        y = _GAP + row * (height + _LABEL + _GAP)
        draw.text((_GAP, y + 3), name, fill=(200, 204, 210), font_size=15)
        for column, image in enumerate(slices):
            pixels = (np.clip(np.nan_to_num(image), 0, 1) * 255).round().astype(np.uint8)
            picture = Image.fromarray(pixels).resize((width, height), Image.Resampling.NEAREST)
            sheet.paste(picture, (_GAP + column * (width + _GAP), y + _LABEL))
    _save(sheet, path)


def save_rates(rates: Sequence[float], losses: Sequence[float], chosen: float, path: Path) -> None:
    """Draw what a test of rising learning rates found, with the rate that it chose."""
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (_PANEL[0] + _LEFT + _RIGHT, _PANEL[1] + _TOP + _BOTTOM), _PAPER)
    draw = ImageDraw.Draw(image)
    exponents = [math.log10(rate) for rate in rates]
    title = f"Loss over log10 of the learning rate; chosen: {chosen:.2g}"
    _plot(draw, 0, title, exponents, [("", losses)], logarithmic=True, whole=False)
    span = exponents[-1] - exponents[0] or 1.0
    x = _LEFT + (math.log10(chosen) - exponents[0]) / span * _PANEL[0]
    draw.line((x, _TOP, x, _TOP + _PANEL[1]), fill=_COLOURS[1], width=2)
    _save(image, path)


def _plot(
    draw: "ImageDraw",
    left: int,
    title: str,
    x_values: Sequence[float],
    curves: Sequence[Curve],
    *,
    logarithmic: bool,
    whole: bool = True,
) -> None:
    """Draw one panel, with its axes, at whole numbers only if so, and the names of its curves above it."""
    width, height = _PANEL
    x0, y0 = left + _LEFT, _TOP
    draw.text((x0, 12), title, fill=_INK, font_size=18)

    def scaled(value: float) -> float:
        if not logarithmic:
            return value
        return math.log10(value) if value > 0 else math.nan

    points = [(name, [scaled(value) for value in values]) for name, values in curves]
    finite = [value for _, values in points for value in values if math.isfinite(value)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
    margin = 0.05 * (high - low) or 0.5
    low, high = low - margin, high + margin
    first, last = (x_values[0], x_values[-1]) if x_values else (0.0, 1.0)
    span = last - first or 1.0

    def place(x: float, y: float) -> tuple[float, float]:
        return x0 + (x - first) / span * width, y0 + (high - y) / (high - low) * height

    for tick in _decades(low, high) if logarithmic else _ticks(low, high):
        y = place(first, tick)[1]
        draw.line((x0, y, x0 + width, y), fill=_GRID)
        label = f"{10**tick:.3g}" if logarithmic else f"{tick:g}"
        draw.text((x0 - 8, y), label, fill=_SOFT, font_size=14, anchor="rm")
    for tick in _ticks(first, last):
        if not whole or tick == round(tick):
            x = place(tick, low)[0]
            draw.text((x, y0 + height + 8), f"{tick:g}", fill=_SOFT, font_size=14, anchor="ma")
    draw.rectangle((x0, y0, x0 + width, y0 + height), outline=_SOFT)
    edge = x0 + width + 16.0
    for number, (name, values) in reversed(list(enumerate(points))):
        colour = _COLOURS[number % len(_COLOURS)]
        line = [place(x, y) for x, y in zip(x_values, values, strict=True) if math.isfinite(y)]
        if len(line) > 1:
            draw.line(line, fill=colour, width=2, joint="curve")
        for x, y in line if len(line) <= 30 else ():
            draw.ellipse((x - 2, y - 2, x + 2, y + 2), fill=colour)
        edge -= draw.textlength(name, font_size=15) + 16
        draw.text((edge, 15), name, fill=colour, font_size=15)


def _ticks(low: float, high: float) -> list[float]:
    """Return about five round numbers between two."""
    if not high > low:
        return [low]
    raw = (high - low) / 5
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= raw)
    first = math.ceil(low / step)
    return [round(number * step, 10) for number in range(first, math.floor(high / step) + 1)]


def _decades(low: float, high: float) -> list[float]:
    """Return the logarithms of round numbers between two logarithms."""
    digits = (1, 2, 5) if high - low < 2.5 else (1,)
    return [
        decade + math.log10(digit)
        for decade in range(math.floor(low), math.ceil(high))
        for digit in digits
        if low <= decade + math.log10(digit) <= high
    ]


def _save(image: "Image", path: Path) -> None:
    beside = path.with_name(f".{path.name}.part")
    try:
        image.save(beside, format="PNG")
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise

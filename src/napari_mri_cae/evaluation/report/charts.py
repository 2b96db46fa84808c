"""Curves and box plots as places on paper; the page's template draws them as SVG."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from napari_mri_cae.evaluation.settings import Region
from napari_mri_cae.evaluation.summary import Summary
from napari_mri_cae.evaluation.table import Row, without_unchanged

# In SVG units, which are CSS pixels at full size.
WIDTH: Final = 460
HEIGHT: Final = 300
_LEFT: Final = 50
_RIGHT: Final = 14
_TOP: Final = 10
_BOTTOM: Final = 42
_BOX_ROW: Final = 22


@dataclass(frozen=True)
class Tick:
    """A mark on an axis: where, and what it says."""

    place: float
    label: str


@dataclass(frozen=True)
class Point:
    """A measurement on paper, and what it says when it is pointed at."""

    x: float
    y: float
    text: str


@dataclass(frozen=True)
class Curve:
    """One model's points, from left to right."""

    model: str
    style: int
    points: tuple[Point, ...]

    @property
    def path(self) -> str:
        """The line through them, as SVG has it."""
        return " ".join(f"{point.x:.1f},{point.y:.1f}" for point in self.points)


@dataclass(frozen=True)
class Box:
    """The distribution of one model's values: quartiles, whiskers and what lies beyond them."""

    model: str
    style: int
    y: float
    low: float
    first: float
    median: float
    third: float
    high: float
    beyond: tuple[float, ...]
    text: str


@dataclass(frozen=True)
class Chart:
    """Axes and what is in them. `left`, `right`, `top` and `bottom` are the frame's edges."""

    title: str
    x_label: str
    y_label: str
    height: float
    left: float
    right: float
    top: float
    bottom: float
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    curves: tuple[Curve, ...] = ()
    boxes: tuple[Box, ...] = ()


@dataclass(frozen=True)
class _Axis:
    """Where values come on paper."""

    values: tuple[float, float]
    places: tuple[float, float]

    def __call__(self, value: float) -> float:
        share = (value - self.values[0]) / (self.values[1] - self.values[0])
        return self.places[0] + share * (self.places[1] - self.places[0])

    def ticks(self) -> tuple[Tick, ...]:
        return tuple(Tick(self(value), f"{value:.10g}") for value in round_values(*self.values))


def strength_charts(
    summaries: Sequence[Summary], styles: Mapping[str, int], labels: Mapping[str, tuple[str, str]]
) -> list[Chart]:
    """Return the curves of mean PSNR against the strength of each kind of corruption.

    Parameters
    ----------
    summaries : sequence of Summary
        Of one plane.
    styles : mapping of str to int
        The style of each model's curve.
    labels : mapping of str to (str, str)
        Of each kind of corruption, its own name and that of its strength.

    Returns
    -------
    list of Chart
        One for each kind with more than one strength, and region.
    """
    charts = []
    kinds = dict.fromkeys(one.kind for one in summaries if not math.isnan(one.strength))
    for kind in kinds:
        for region in dict.fromkeys(one.region for one in summaries):
            of_kind = [
                one
                for one in summaries
                if (one.kind, one.region) == (kind, region) and math.isfinite(one.mean["psnr"])
            ]
            if len({one.strength for one in of_kind}) > 1:
                charts.append(_strength_chart(of_kind, region, styles, labels[kind]))
    return charts


def box_charts(rows: Sequence[Row], region: Region, styles: Mapping[str, int]) -> list[Chart]:
    """Return the distribution over slices of each model's PSNR, one chart for each corruption.

    Whiskers reach to the last value within 1.5 interquartile ranges of the box (J. W. Tukey, "Exploratory
    Data Analysis", 1977). Slices that came out equal to the clean one have no PSNR and are not there.

    Parameters
    ----------
    rows : sequence of Row
        Of one plane.
    region : {"whole slice", "brain"}
    styles : mapping of str to int
        Each model's style, in the order in which they come.
    """
    charts = []
    kept = without_unchanged(rows)
    for corruption in dict.fromkeys(row.corruption for row in kept):
        values: dict[str, list[float]] = {}
        for row in kept:
            if (row.corruption, row.region) == (corruption, region) and math.isfinite(row.psnr):
                values.setdefault(row.model, []).append(row.psnr)
        if values:
            charts.append(_box_chart(corruption, values, styles))
    return charts


def round_values(low: float, high: float, about: int = 6) -> list[float]:
    """Return about so many round numbers from `low` to `high`: multiples of 1, 2 or 5 times a power of 10."""
    step = (high - low) / about
    power = 10.0 ** math.floor(math.log10(step))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    # Through their decimal form, so that 3 * 0.1 is 0.3.
    return [float(f"{number * step:.12g}") for number in range(first, last + 1)]


def _strength_chart(
    summaries: Sequence[Summary], region: Region, styles: Mapping[str, int], label: tuple[str, str]
) -> Chart:
    bottom = HEIGHT - _BOTTOM
    x = _Axis(_wide([0.0, *(one.strength for one in summaries)], 0.0, 0.04), (_LEFT, WIDTH - _RIGHT))
    y = _Axis(_wide([one.mean["psnr"] for one in summaries], 0.05, 0.05), (bottom, _TOP))
    curves = []
    for model, style in styles.items():
        mine = sorted((one for one in summaries if one.model == model), key=lambda one: one.strength)
        points = tuple(
            Point(
                x(one.strength),
                y(one.mean["psnr"]),
                f"{model}, {one.corruption}: {one.mean['psnr']:.2f} dB (SD {one.sd['psnr']:.2f})",
            )
            for one in mine
        )
        if points:
            curves.append(Curve(model, style, points))
    return Chart(
        f"{label[0]}, {region}",
        label[1],
        "mean PSNR (dB)",
        HEIGHT,
        _LEFT,
        WIDTH - _RIGHT,
        _TOP,
        bottom,
        x.ticks(),
        y.ticks(),
        curves=tuple(curves),
    )


def _box_chart(corruption: str, values: Mapping[str, list[float]], styles: Mapping[str, int]) -> Chart:
    models = [model for model in styles if model in values]
    # Room for the longest name at 6.2 units a letter.
    left = min(180, 16 + round(6.2 * max(map(len, models))))
    bottom = _TOP + _BOX_ROW * len(models)
    everything = [value for model in models for value in values[model]]
    x = _Axis(_wide(everything, 0.04, 0.04), (left, WIDTH - _RIGHT))
    boxes = []
    for number, model in enumerate(models):
        mine = np.array(values[model])
        first, median, third = np.percentile(mine, (25, 50, 75))
        reach = 1.5 * (third - first)
        within = mine[(mine >= first - reach) & (mine <= third + reach)]
        beyond = mine[(mine < first - reach) | (mine > third + reach)]
        boxes.append(
            Box(
                model,
                styles[model],
                _TOP + _BOX_ROW * (number + 0.5),
                x(float(within.min())),
                x(float(first)),
                x(float(median)),
                x(float(third)),
                x(float(within.max())),
                tuple(x(float(value)) for value in beyond),
                f"{model}: median {median:.2f} dB, quartiles {first:.2f} and {third:.2f}, "
                f"{mine.min():.2f} to {mine.max():.2f}, {len(mine)} slices",
            )
        )
    return Chart(
        "Clean slices" if corruption == "none" else corruption,
        "PSNR of a slice (dB)",
        "",
        bottom + _BOTTOM,
        left,
        WIDTH - _RIGHT,
        _TOP,
        bottom,
        x.ticks(),
        tuple(Tick(box.y, box.model) for box in boxes),
        boxes=tuple(boxes),
    )


def _wide(values: Sequence[float], below: float, above: float) -> tuple[float, float]:
    """Return the range of values with a share of it added below and above."""
    low, high = min(values), max(values)
    length = high - low or max(abs(high), 1.0)
    return low - below * length, high + above * length

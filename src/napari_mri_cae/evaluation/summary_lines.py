"""The means of an evaluation as the lines of a table, the best of each in evidence."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from napari_mri_cae.evaluation.summary import Metric, Summary

# As the thesis by Arnaiz Rodríguez (2021) has them.
SHOWN: Final[tuple[Metric, ...]] = ("mse", "dssim", "ssim", "psnr")


@dataclass(frozen=True)
class SummaryCell:
    """A mean and its standard deviation, "" of fewer than two slices, as text; whether no mean is better."""

    mean: str
    sd: str
    best: bool


@dataclass(frozen=True)
class SummaryLine:
    """One model under one corruption.

    Attributes
    ----------
    span : int
        On the first line of a corruption, how many lines that has; 0 on the others.
    cells : tuple of SummaryCell
        One for each metric of `SHOWN`.
    """

    corruption: str
    span: int
    model: str
    n_slices: int
    n_unchanged: int
    n_infinite: int
    cells: tuple[SummaryCell, ...]


def summary_lines(summaries: Sequence[Summary]) -> list[SummaryLine]:
    """Return the lines of one plane's and region's table."""
    by_place = {(one.corruption, one.model): one for one in summaries}
    models = list(dict.fromkeys(one.model for one in summaries))
    lines = []
    for corruption in dict.fromkeys(one.corruption for one in summaries):
        for number, model in enumerate(models):
            one = by_place[corruption, model]
            lines.append(
                SummaryLine(
                    corruption,
                    len(models) if number == 0 else 0,
                    model,
                    one.n_slices,
                    one.n_unchanged,
                    one.n_infinite,
                    tuple(
                        _cell(one, metric, [by_place[corruption, other] for other in models])
                        for metric in SHOWN
                    ),
                )
            )
    return lines


def _cell(one: Summary, metric: Metric, rivals: Sequence[Summary]) -> SummaryCell:
    mean, sd = one.mean[metric], one.sd[metric]
    means = [rival.mean[metric] for rival in rivals if not math.isnan(rival.mean[metric])]
    best = max(means, default=mean) if metric in ("psnr", "ssim") else min(means, default=mean)
    spread = "" if math.isnan(sd) else format_metric(sd, metric)
    return SummaryCell(format_metric(mean, metric), spread, mean == best)


def format_metric(value: float, metric: Metric) -> str:
    """Return a mean, or a spread, as people read it."""
    if math.isnan(value):
        return "-"
    if math.isinf(value):
        return "∞"
    if metric == "psnr":
        return f"{value:.2f}"
    if metric == "ssim":
        return f"{value:.4f}"
    mantissa, _, exponent = f"{value:.2e}".partition("e")
    return f"{mantissa}e{int(exponent)}" if value else "0"

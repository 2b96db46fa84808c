"""Puts the page together."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from napari_mri_cae.comparison.residual_colors import RESIDUAL_RANGE
from napari_mri_cae.corruptions import corruption_class
from napari_mri_cae.errors import InputError
from napari_mri_cae.evaluation.baselines import baseline_kinds
from napari_mri_cae.evaluation.evaluation import Evaluation
from napari_mri_cae.evaluation.report.charts import WIDTH, Chart, box_charts, strength_charts
from napari_mri_cae.evaluation.report.examples import choose_examples, residual_bar
from napari_mri_cae.evaluation.settings import REGIONS
from napari_mri_cae.evaluation.significance import (
    WARNING,
    PairedComparison,
    compare_networks,
    smallest_wilcoxon_p,
)
from napari_mri_cae.evaluation.summary import Metric, Summary, summarize
from napari_mri_cae.evaluation.summary_lines import SHOWN, format_metric, summary_lines
from napari_mri_cae.evaluation.table import Row

_TESTED: Final[tuple[Metric, ...]] = ("psnr", "ssim")
_ALPHA: Final = 0.05


@dataclass(frozen=True)
class _Tested:
    """Two models, by subject and by slice."""

    by_subject: PairedComparison
    by_slice: PairedComparison


def write_report(evaluation: Evaluation, rows: Sequence[Row], path: Path, *, command: str = "") -> Path:
    """Write one HTML file with pictures, curves, box plots, tables, tests and how it was made.

    Nothing in it comes from a network, and nothing in it is a program. It prints on A4 or letter.

    Parameters
    ----------
    evaluation : Evaluation
        What gave the rows; it reconstructs the slices that are shown again.
    rows : sequence of Row
        All of them.
    path : pathlib.Path
        The file; written beside and renamed.
    command : str
        The command line that made it.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    InputError
        If there are no rows, or a volume cannot be read again.
    OSError
        If the file cannot be written.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    if not rows:
        raise InputError("There is nothing to report: the table has no rows.")
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(p_value=_p_value, difference=_difference)
    page = environment.get_template("page.html.j2").render(_contents(evaluation, rows, command))
    part = path.with_name(path.name + ".part")
    part.write_text(page, encoding="utf-8")
    part.replace(path)
    return path


def _contents(evaluation: Evaluation, rows: Sequence[Row], command: str) -> dict[str, Any]:
    summaries = summarize(rows)
    subjects = len({row.subject for row in rows})
    planes = evaluation.settings.planes
    styles = {model: number for number, model in enumerate(evaluation.model_names)}
    networks = evaluation.network_names
    return {
        "networks": networks,
        "models": evaluation.model_names,
        "styles": styles,
        "baselines": evaluation.baselines,
        "labels": {kind: cls.label for kind, cls in baseline_kinds().items()},
        "conditions": [condition.label for condition in evaluation.conditions],
        "planes": planes,
        "regions": REGIONS,
        "columns": SHOWN,
        "tables": {
            (plane, region): summary_lines(
                [one for one in summaries if (one.plane, one.region) == (plane, region)]
            )
            for plane in planes
            for region in REGIONS
        },
        "curves": {
            plane: strength_charts(
                [one for one in summaries if one.plane == plane], styles, _kind_labels(summaries)
            )
            for plane in planes
        },
        "boxes": {plane: _boxes(rows, plane, styles) for plane in planes},
        "examples": choose_examples(evaluation, rows),
        "bar": residual_bar(),
        "residual_range": RESIDUAL_RANGE,
        "tests": {metric: _tests(rows, metric, networks) for metric in _TESTED},
        "warning": WARNING,
        "alpha": _ALPHA,
        "n_volumes": len({row.volume for row in rows}),
        "n_subjects": subjects,
        "n_slices": len({(row.volume, row.plane, row.slice) for row in rows}),
        "least_p": smallest_wilcoxon_p(subjects),
        "chart_width": WIDTH,
        "made": evaluation.provenance(),
        "command": command,
    }


def _kind_labels(summaries: Sequence[Summary]) -> dict[str, tuple[str, str]]:
    """Return the names of each kind of corruption and of its strength."""
    labels = {}
    for kind in {one.kind for one in summaries if not math.isnan(one.strength)}:
        corruption = corruption_class(kind)
        field = next(iter(corruption.model_fields.values()))
        labels[kind] = corruption.label, (field.title or "strength").lower()
    return labels


def _boxes(rows: Sequence[Row], plane: str, styles: dict[str, int]) -> list[Chart]:
    return box_charts([row for row in rows if row.plane == plane], "whole slice", styles)


def _tests(rows: Sequence[Row], metric: Metric, networks: Sequence[str]) -> list[_Tested]:
    by_subject, by_slice = (
        compare_networks(rows, networks, metric=metric, unit=unit) for unit in ("subject", "slice")
    )
    return [_Tested(first, second) for first, second in zip(by_subject, by_slice, strict=True)]


def _difference(value: float, metric: Metric) -> str:
    """Return a difference of means, one that would round to nothing with its power of ten."""
    text = format_metric(value, metric)
    return f"{value:.0e}" if abs(value) > 0 and not text.strip("-0.") else text


def _p_value(value: float) -> str:
    if math.isnan(value):
        return "-"
    return f"{value:.3f}" if value >= 0.001 else f"{value:.0e}" if value >= 1e-300 else "< 1e-300"

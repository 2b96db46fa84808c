"""Means and standard deviations of an evaluation's table."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from napari_mri_cae.evaluation.settings import Region
from napari_mri_cae.evaluation.table import Row, count_unchanged, without_unchanged
from napari_mri_cae.planes import Plane

Metric = Literal["psnr", "ssim", "dssim", "mse"]
METRICS: Final[tuple[Metric, ...]] = ("psnr", "ssim", "dssim", "mse")


@dataclass(frozen=True)
class Summary:
    """One model under one condition: mean and standard deviation over slices.

    Attributes
    ----------
    plane, region, corruption, kind, strength, model
        As in `Row`.
    n_slices, n_subjects : int
        Slices that have pixels in the region, and whose they are.
    n_unchanged : int
        Slices, not among these, whose region the corruption left as it was; see `without_unchanged`.
    n_infinite : int
        Slices that came out equal to the clean one. Their PSNR is infinite and left out of its mean.
    mean, sd : dict of str to float
        For each metric. The standard deviation is that of a sample (n - 1); NaN of fewer than two.
    """

    plane: Plane
    region: Region
    corruption: str
    kind: str
    strength: float
    model: str
    n_slices: int
    n_subjects: int
    n_unchanged: int
    n_infinite: int
    mean: dict[Metric, float]
    sd: dict[Metric, float]


def summarize(rows: Sequence[Row]) -> list[Summary]:
    """Return the mean and the standard deviation over slices for each plane, region, condition and model.

    In the order in which they first come in the table.
    """
    unchanged = count_unchanged(rows)
    groups: dict[tuple[str, str, str, str], list[Row]] = {}
    for row in without_unchanged(rows):
        if row.pixels:
            groups.setdefault((row.plane, row.region, row.corruption, row.model), []).append(row)
    return [_summary(group, unchanged[place[:3]]) for place, group in groups.items()]


def _summary(held: list[Row], n_unchanged: int) -> Summary:
    first = held[0]
    mean, sd = {}, {}
    for metric in METRICS:
        values = np.array([getattr(row, metric) for row in held], np.float64)
        finite = values[np.isfinite(values)]
        # Where all came out equal to the clean ones, so is their PSNR.
        mean[metric] = float(finite.mean()) if len(finite) else _only(values)
        sd[metric] = float(finite.std(ddof=1)) if len(finite) > 1 else float("nan")
    return Summary(
        plane=first.plane,
        region=first.region,
        corruption=first.corruption,
        kind=first.kind,
        strength=first.strength,
        model=first.model,
        n_slices=len(held),
        n_subjects=len({row.subject for row in held}),
        n_unchanged=n_unchanged,
        n_infinite=sum(math.isinf(row.psnr) for row in held),
        mean=mean,
        sd=sd,
    )


def _only(values: npt.NDArray[np.float64]) -> float:
    """Return infinity if there are values and all are infinite, NaN otherwise."""
    return math.inf if len(values) and np.isinf(values).all() else math.nan

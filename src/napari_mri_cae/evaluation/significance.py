"""Whether one model is better than another: paired tests."""

import math
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from napari_mri_cae.evaluation.settings import Region
from napari_mri_cae.evaluation.summary import Metric
from napari_mri_cae.evaluation.table import Row, without_unchanged
from napari_mri_cae.planes import Plane

Unit = Literal["slice", "subject"]
UNITS: Final[tuple[Unit, ...]] = ("subject", "slice")

WARNING: Final = (
    "Slices of one subject are not independent of each other: neighbours show the same anatomy, from the "
    "same scanner. Tests by slice count them as if they were, so their p-values are too small, often by many "
    "orders of magnitude. Believe the tests by subject; those by slice are here because papers give them."
)

# Pairs up to which the distribution of Wilcoxon's statistic is counted out, as scipy does by default.
_EXACT: Final = 50

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class PairedComparison:
    """Two models on the same slices.

    Attributes
    ----------
    plane, region, corruption
        As in `Row`.
    metric : {"psnr", "ssim", "dssim", "mse"}
    unit : {"slice", "subject"}
        What is counted: slices, or subjects, each with the mean over its slices.
    first, second : str
        The models.
    n : int
        How many pairs.
    n_left_out : int
        Slices on which either had no finite value, such as the PSNR of a slice that equals the clean one.
    difference : float
        Mean of first - second.
    t, p_t, p_t_holm : float
        Paired (dependent) t-test, two-sided; its p-value; that with Holm's correction.
    w, p_wilcoxon, p_wilcoxon_holm : float
        Wilcoxon's signed-rank test, two-sided; pairs that are equal are left out of it. Exact for up to 50
        pairs without ties, and from the normal distribution otherwise.
    n_tests : int
        How many tests of its kind Holm's correction is over, this one among them.
    """

    plane: Plane
    region: Region
    corruption: str
    metric: Metric
    unit: Unit
    first: str
    second: str
    n: int
    n_left_out: int
    difference: float
    t: float
    p_t: float
    w: float
    p_wilcoxon: float
    p_t_holm: float = math.nan
    p_wilcoxon_holm: float = math.nan
    n_tests: int = 0


def compare_models(
    rows: Sequence[Row],
    *,
    metric: Metric = "psnr",
    unit: Unit = "subject",
    region: Region = "whole slice",
    models: Sequence[str] | None = None,
) -> list[PairedComparison]:
    """Test models against each other, pair by pair, under each condition of a table.

    Holm's correction is for all tests of one kind that one call returns: over pairs, corruptions and planes
    together. S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
    Statistics 6:65-70, 1979.

    Parameters
    ----------
    rows : sequence of Row
    metric : {"psnr", "ssim", "dssim", "mse"}
    unit : {"subject", "slice"}
        Slices of one subject are not independent; see `WARNING`.
    region : {"whole slice", "brain"}
    models : sequence of str, optional
        Compare each of these with each other model; by default all with all.

    Returns
    -------
    list of PairedComparison
        NaN where there are fewer than two pairs.
    """
    values: dict[tuple[str, str], dict[str, dict[tuple[str, str, int], float]]] = {}
    for row in without_unchanged(rows):
        if row.region == region and row.pixels:
            of_model = values.setdefault((row.plane, row.corruption), {}).setdefault(row.model, {})
            of_model[row.volume, row.subject, row.slice] = getattr(row, metric)
    comparisons = []
    for (plane, corruption), by_model in values.items():
        for first, second in _pairs(list(by_model), models):
            pairs, left_out = _matched(by_model[first], by_model[second], unit)
            comparisons.append(
                PairedComparison(
                    plane,  # type: ignore[arg-type]
                    region,
                    corruption,
                    metric,
                    unit,
                    first,
                    second,
                    len(pairs),
                    left_out,
                    *_test(pairs[:, 0] - pairs[:, 1]),
                )
            )
    corrected = zip(
        comparisons,
        holm([one.p_t for one in comparisons]),
        holm([one.p_wilcoxon for one in comparisons]),
        strict=True,
    )
    # Where there are too few pairs, neither test has a p-value, and there is nothing to correct.
    n_tests = sum(not math.isnan(one.p_t) for one in comparisons)
    return [
        replace(one, p_t_holm=t, p_wilcoxon_holm=wilcoxon, n_tests=n_tests) for one, t, wilcoxon in corrected
    ]


def compare_networks(
    rows: Sequence[Row],
    networks: Sequence[str],
    *,
    metric: Metric = "psnr",
    unit: Unit = "subject",
    region: Region = "whole slice",
) -> list[PairedComparison]:
    """Run the tests that an evaluation gives: of each network against every other model.

    Parameters
    ----------
    rows : sequence of Row
    networks : sequence of str
        The models that are no baselines; without any, the baselines are tested against each other.
    metric, unit, region
        As for `compare_models`.

    Returns
    -------
    list of PairedComparison
    """
    return compare_models(rows, metric=metric, unit=unit, region=region, models=list(networks) or None)


def holm(p_values: Iterable[float]) -> list[float]:
    """Return p-values with Holm's step-down correction, in their order; NaN stays and does not count."""
    given = np.array(list(p_values), np.float64)
    adjusted = np.full_like(given, np.nan)
    order = np.argsort(given)[: int(np.isfinite(given).sum())]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(given[order] * factors), 1)
    return [float(value) for value in adjusted]


def smallest_wilcoxon_p(n: int) -> float:
    """Return the smallest two-sided p-value that Wilcoxon's test can give with n pairs: 2^(1 - n)."""
    return 2.0 ** (1 - n)


def _pairs(names: Sequence[str], chosen: Sequence[str] | None) -> list[tuple[str, str]]:
    wanted = set(names if chosen is None else chosen)
    # A chosen model stands first, so that a positive difference speaks for it.
    ordered = sorted(names, key=lambda name: name not in wanted)
    return [pair for pair in combinations(ordered, 2) if pair[0] in wanted]


def _matched(
    first: dict[tuple[str, str, int], float], second: dict[tuple[str, str, int], float], unit: Unit
) -> tuple[FloatArray, int]:
    """Return the pairs of values (n, 2) of two models, and how many slices were left out."""
    pairs: dict[tuple[object, ...], list[tuple[float, float]]] = {}
    left_out = 0
    for key in first.keys() & second.keys():
        pair = first[key], second[key]
        if np.isfinite(pair).all():
            pairs.setdefault((key[1],) if unit == "subject" else key, []).append(pair)
        else:
            left_out += 1
    means = [np.mean(pairs[key], axis=0) for key in sorted(pairs)]
    return np.array(means, np.float64).reshape(-1, 2), left_out


def _test(differences: FloatArray) -> tuple[float, float, float, float, float]:
    """Return mean difference, t and its p, W and its p."""
    from scipy import stats

    if len(differences) < 2:
        mean = float(differences.mean()) if len(differences) else math.nan
        return mean, math.nan, math.nan, math.nan, math.nan
    mean = float(differences.mean())
    if not differences.any():
        return mean, 0.0, 1.0, 0.0, 1.0
    with warnings.catch_warnings():
        # Differences that are all the same have no spread: t is infinite then, as it should be.
        warnings.simplefilter("ignore", RuntimeWarning)
        t = stats.ttest_1samp(differences, 0.0)
        # By default scipy permutes the signs, which takes seconds, where there is a zero among a few.
        unequal = differences[differences != 0]
        untied = len(np.unique(np.abs(unequal))) == len(unequal)
        w = stats.wilcoxon(unequal, method="exact" if untied and len(unequal) <= _EXACT else "asymptotic")
    return mean, float(t.statistic), float(t.pvalue), float(w.statistic), float(w.pvalue)

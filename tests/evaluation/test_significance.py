"""Paired tests, against scipy called by hand and numbers worked out on paper."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from napari_mri_cae.evaluation import Row, compare_models, holm
from napari_mri_cae.evaluation.significance import compare_networks, smallest_wilcoxon_p


def _table(row: Callable, values: dict[str, np.ndarray], **others: object) -> list[Row]:
    """Make rows of values (subjects, slices) of each model."""
    return [
        row(float(value), model=model, volume=f"v{subject}", subject=f"s{subject}", slice=index, **others)
        for model, of_model in values.items()
        for subject, of_subject in enumerate(of_model)
        for index, value in enumerate(of_subject)
    ]


def test_holm_on_paper() -> None:
    # In order 0.005, 0.01, 0.03, 0.04: times 4, 3, 2, 1, and never below the one before.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.6]) == pytest.approx([1.0, 1.0])
    adjusted = holm([0.02, math.nan, 0.01])
    assert adjusted[0::2] == pytest.approx([0.02, 0.02])
    assert math.isnan(adjusted[1])
    assert holm([]) == []


def test_by_slice_and_by_subject(row: Callable, rng: np.random.Generator) -> None:
    values = {name: rng.normal(30 + number, 2, (7, 5)) for number, name in enumerate("ab")}
    rows = _table(row, values)
    (by_slice,) = compare_models(rows, unit="slice")
    (by_subject,) = compare_models(rows, unit="subject")
    for one, (first, second) in (
        (by_slice, (values["a"].ravel(), values["b"].ravel())),
        (by_subject, (values["a"].mean(1), values["b"].mean(1))),
    ):
        t, w = stats.ttest_rel(first, second), stats.wilcoxon(first, second)
        assert (one.first, one.second, one.n, one.n_left_out) == ("a", "b", len(first), 0)
        assert one.difference == pytest.approx((first - second).mean())
        assert (one.t, one.p_t) == pytest.approx((t.statistic, t.pvalue))
        assert (one.w, one.p_wilcoxon) == pytest.approx((w.statistic, w.pvalue))
        assert (one.p_t_holm, one.p_wilcoxon_holm) == pytest.approx((t.pvalue, w.pvalue))


def test_holm_is_over_pairs_and_corruptions(row: Callable, rng: np.random.Generator) -> None:
    values = {name: rng.normal(30, 1, (6, 2)) for name in "abc"}
    rows = _table(row, values) + _table(row, {k: v + rng.normal(0, 1, v.shape) for k, v in values.items()},
                                        corruption="blur")  # fmt: skip
    tests = compare_models(rows)
    assert [(one.corruption, one.first, one.second) for one in tests] == [
        (corruption, *pair) for corruption in ("noise", "blur") for pair in ("ab", "ac", "bc")
    ]
    assert [one.p_t_holm for one in tests] == pytest.approx(holm([one.p_t for one in tests]))
    chosen = compare_models(rows, models=["c"])
    assert [(one.first, one.second) for one in chosen] == [("c", "a"), ("c", "b")] * 2


def test_a_family_says_how_large_it_is(row: Callable, rng: np.random.Generator) -> None:
    rows = _table(row, {name: rng.normal(30, 1, (6, 2)) for name in "abc"})
    # One subject alone gives no p-value, and is not counted.
    rows += _table(row, {name: rng.normal(30, 1, (1, 2)) for name in "abc"}, corruption="blur")
    assert [one.n_tests for one in compare_networks(rows, ["c"])] == [2] * 4
    assert [(one.first, one.second) for one in compare_networks(rows, [])] == [
        *map(tuple, ("ab", "ac", "bc"))
    ] * 2
    assert {one.n_tests for one in compare_networks(rows, [])} == {3}


def test_equal_models_and_too_few(row: Callable) -> None:
    same = np.full((3, 2), 30.0)
    (equal,) = compare_models(_table(row, {"a": same, "b": same}))
    assert (equal.difference, equal.p_t, equal.p_wilcoxon) == (0, 1, 1)
    # A constant difference has no spread.
    (constant,) = compare_models(_table(row, {"a": same, "b": same + 1}))
    assert constant.p_t == 0
    (alone,) = compare_models(_table(row, {"a": same[:1], "b": same[:1] + 1}))
    assert (alone.n, alone.difference) == (1, -1)
    assert math.isnan(alone.p_t)


def test_infinite_pairs_are_left_out_and_counted(row: Callable) -> None:
    first, second = np.array([[30.0, 31.0, math.inf]]), np.array([[29.0, 30.5, 28.0]])
    (one,) = compare_models(_table(row, {"a": first, "b": second}), unit="slice")
    assert (one.n, one.n_left_out) == (2, 1)
    assert one.difference == pytest.approx(0.75)


@pytest.mark.parametrize("n", [3, 6, 8])
def test_smallest_wilcoxon_p(n: int) -> None:
    assert stats.wilcoxon(np.arange(1.0, n + 1)).pvalue == pytest.approx(smallest_wilcoxon_p(n))


def test_equal_pairs_are_left_out_of_wilcoxon(row: Callable) -> None:
    second = np.arange(1.0, 10.0)[:, None]
    first = second + np.array([0, 0.5, 1.2, -0.3, 0, 0.8, 0.9, 0, 1.1])[:, None]
    (one,) = compare_models(_table(row, {"a": first, "b": second}))
    # Six are left, and only the smallest is negative: W = 1. Of the 2^6 signs, 2 give 1 or less.
    assert (one.n, one.w) == (9, 1)
    assert one.p_wilcoxon == pytest.approx(2 * 2 / 2**6)

"""The summary of a table, by hand."""

import math

import numpy as np
import pytest

from napari_mri_cae.comparison.table import clear, columns, empty_table, psnr_from_mse, summarize

COLUMNS = columns()


def _table(*mse: float) -> np.ndarray:
    table = empty_table(len(mse))
    for image in ("corrupted", "reconstructed"):
        table[f"mse_{image}"] = mse
        table[f"psnr_{image}"] = [math.inf if value == 0 else -10 * math.log10(value) for value in mse]
        table[f"ssim_{image}"] = np.linspace(0.5, 1, len(mse))
    return table


def test_a_new_table_has_nothing_but_slice_numbers() -> None:
    table = empty_table(3)
    assert table.dtype.names == ("slice", *COLUMNS)
    assert list(table["slice"]) == [0, 1, 2]
    assert all(np.isnan(table[column]).all() for column in COLUMNS)


def test_clearing_keeps_the_slice_numbers() -> None:
    table = _table(1e-2, 1e-3)
    clear(table)
    assert list(table["slice"]) == [0, 1]
    assert all(np.isnan(table[column]).all() for column in COLUMNS)


def test_psnr_of_a_volume_is_that_of_one_mse() -> None:
    summary = summarize(_table(1e-2, 1e-4), np.ones(2, bool))
    assert summary["mse_corrupted"] == pytest.approx(0.00505)
    assert summary["psnr_corrupted"] == pytest.approx(22.967086)  # not 30, the mean of 20 and 40
    assert summary["psnr_slices_corrupted"] == pytest.approx(30)
    assert summary["ssim_reconstructed"] == pytest.approx(0.75)
    assert (summary["n_slices"], summary["n_slices_done"]) == (2, 2)


def test_only_finished_slices_count() -> None:
    table = _table(1e-2, 1e-4, 1e-6)
    summary = summarize(table, np.array([False, True, False]))
    assert summary["psnr_reconstructed"] == pytest.approx(40)
    assert summary["ssim_reconstructed"] == pytest.approx(0.75)
    assert (summary["n_slices"], summary["n_slices_done"]) == (3, 1)


def test_no_finished_slice_has_no_metrics() -> None:
    summary = summarize(empty_table(4), np.zeros(4, bool))
    assert summary.pop("n_slices") == 4
    assert summary.pop("n_slices_done") == 0
    assert len(summary) == 8
    assert all(math.isnan(value) for value in summary.values())


def test_slices_that_equal_the_original() -> None:
    one = summarize(_table(0, 1e-2), np.ones(2, bool))
    assert one["psnr_slices_corrupted"] == pytest.approx(20)
    assert one["psnr_corrupted"] == pytest.approx(10 * math.log10(200))
    every = summarize(_table(0, 0), np.ones(2, bool))
    assert every["psnr_slices_corrupted"] == every["psnr_corrupted"] == math.inf
    assert every["mse_corrupted"] == 0


@pytest.mark.parametrize(("mse", "psnr"), [(1, 0), (1e-3, 30), (4, -6.0206), (0, math.inf)])
def test_psnr_from_mse(mse: float, psnr: float) -> None:
    assert psnr_from_mse(mse) == pytest.approx(psnr)


def test_psnr_of_an_unknown_mse_is_unknown() -> None:
    assert math.isnan(psnr_from_mse(math.nan))

"""The per-slice table of a comparison and its summary over the volume."""

import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt

IMAGES: Final = ("corrupted", "reconstructed")
METRICS: Final = ("psnr", "ssim", "mse")
COLUMNS: Final = tuple(f"{metric}_{image}" for image in IMAGES for metric in METRICS)
DTYPE: Final = np.dtype([("slice", np.int64), *((column, np.float64) for column in COLUMNS)])


def empty_table(n_slices: int) -> npt.NDArray[Any]:
    """Return a table of `n_slices` rows that are all to be done (NaN)."""
    table = np.zeros(n_slices, DTYPE)
    table["slice"] = np.arange(n_slices)
    clear(table)
    return table


def clear(table: npt.NDArray[Any]) -> None:
    """Mark every row as to be done."""
    for column in COLUMNS:
        table[column] = np.nan


def summarize(table: npt.NDArray[Any], done: npt.NDArray[np.bool_]) -> dict[str, float]:
    """Return a volume's metrics over its finished slices.

    MSE is the mean over all voxels, PSNR = 10 log10(1 / MSE) follows from that one MSE (data range 1), and
    SSIM is the mean over slices. `psnr_slices_*` is the mean over slices of the slices' own PSNR, as most
    papers give it; a slice that equals the original has none and is left out of it.

    Parameters
    ----------
    table : numpy.ndarray
        Structured, one row per slice.
    done : numpy.ndarray
        (slices,) bool: which rows count.

    Returns
    -------
    dict of str to float
        "n_slices", "n_slices_done" and, per image ("corrupted", "reconstructed"), "psnr_*" in dB, "ssim_*",
        "mse_*" and "psnr_slices_*". NaN while no slice is done.
    """
    rows = table[done]
    summary: dict[str, float] = {"n_slices": len(table), "n_slices_done": len(rows)}
    for image in IMAGES:
        mse = float(rows[f"mse_{image}"].mean()) if len(rows) else math.nan
        psnr = rows[f"psnr_{image}"]
        finite = psnr[np.isfinite(psnr)]
        summary[f"psnr_{image}"] = psnr_from_mse(mse)
        summary[f"ssim_{image}"] = float(rows[f"ssim_{image}"].mean()) if len(rows) else math.nan
        summary[f"mse_{image}"] = mse
        summary[f"psnr_slices_{image}"] = float(finite.mean()) if len(finite) else psnr_from_mse(mse)
    return summary


def psnr_from_mse(mse: float) -> float:
    """Return PSNR in dB for a data range of 1: infinite for 0, NaN for NaN."""
    return math.inf if mse == 0 else -10 * math.log10(mse) if not math.isnan(mse) else math.nan

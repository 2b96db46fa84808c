"""The per-slice table of a comparison and its summary over the volume."""

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

IMAGES: Final = ("corrupted", "reconstructed")
#: Where a second model is compared too.
IMAGES_OF_TWO: Final = (*IMAGES, "reconstructed_2")
METRICS: Final = ("psnr", "ssim", "mse")


def columns(images: Sequence[str] = IMAGES) -> tuple[str, ...]:
    """Return the names of the columns that measure some images."""
    return tuple(f"{metric}_{image}" for image in images for metric in METRICS)


def empty_table(n_slices: int, images: Sequence[str] = IMAGES) -> npt.NDArray[Any]:
    """Return a table of `n_slices` rows that are all to be done (NaN)."""
    dtype = np.dtype([("slice", np.int64), *((column, np.float64) for column in columns(images))])
    table = np.zeros(n_slices, dtype)
    table["slice"] = np.arange(n_slices)
    clear(table)
    return table


def clear(table: npt.NDArray[Any]) -> None:
    """Mark every row as to be done."""
    for column in columns(images_of(table)):
        table[column] = np.nan


def images_of(table: npt.NDArray[Any]) -> tuple[str, ...]:
    """Return which images a table measures."""
    names = table.dtype.names or ()
    return tuple(name.removeprefix("psnr_") for name in names if name.startswith("psnr_"))


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
        "n_slices", "n_slices_done" and, per image ("corrupted", "reconstructed" ...), "psnr_*" in dB,
        "ssim_*", "mse_*" and "psnr_slices_*". NaN while no slice is done.
    """
    rows = table[done]
    summary: dict[str, float] = {"n_slices": len(table), "n_slices_done": len(rows)}
    for image in images_of(table):
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

"""A comparison's result as plain values."""

from typing import Any

from napari_mri_cae.comparison.comparison import Comparison
from napari_mri_cae.comparison.table import columns, images_of


def comparison_report(comparison: Comparison, index: int | None = None) -> dict[str, Any]:
    """Return a comparison's metrics and how they were made.

    Parameters
    ----------
    comparison : Comparison
    index : int, optional
        The slice whose own metrics are given; the one in focus by default.

    Returns
    -------
    dict
        What `Comparison.provenance` returns, and "slice" (its index and its row of the metrics table) and
        "summary" (`Comparison.summary`). Metrics may be infinite or NaN.
    """
    index = comparison.focus if index is None else index
    row = comparison.metrics[index]
    measured = columns(images_of(comparison.metrics))
    return {
        **comparison.provenance(),
        "slice": {"index": index, **{column: float(row[column]) for column in measured}},
        "summary": comparison.summary(),
    }

"""The slices that a model does worst on."""

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from napari_mri_cae.evaluation.settings import Region
from napari_mri_cae.evaluation.table import Row, without_unchanged


class WorstSlice(NamedTuple):
    """A row, and how far its PSNR is from the mean of its plane and corruption, in dB."""

    row: Row
    difference: float


def worst_slices(
    rows: Sequence[Row], model: str, *, region: Region = "whole slice", count: int = 10
) -> list[WorstSlice]:
    """Return the slices whose PSNR is furthest below the mean of their plane and corruption, the worst first.

    The lowest PSNR of all would only tell which corruption is the strongest. Slices that a corruption has
    left as they were, those without the region, and those that came out equal are left out.
    """
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in without_unchanged(rows):
        if (row.model, row.region) == (model, region) and math.isfinite(row.psnr):
            groups[row.plane, row.corruption].append(row)
    found = []
    for group in groups.values():
        mean = sum(row.psnr for row in group) / len(group)
        found += [WorstSlice(row, row.psnr - mean) for row in group]
    return sorted(found, key=lambda one: one.difference)[:count]

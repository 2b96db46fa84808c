"""The people of a data set, as its participants.tsv describes them."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from napari_mri_cae.errors import InputError

MISSING: Final = "n/a"
# BIDS calls the column "sex"; many data sets do not.
_SAME: Final = {"gender": "sex", "sex": "gender"}


@dataclass(frozen=True)
class Participants:
    """A participants.tsv: for each column, the value of every subject; empty where there is no such file."""

    path: Path
    columns: dict[str, dict[str, str]] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> "Participants":
        """Read a participants.tsv, if there is one.

        Raises
        ------
        InputError
            If it is there and cannot be read, or does not say whose the rows are.
        """
        try:
            with path.open(newline="", encoding="utf-8-sig") as file:
                rows = list(csv.DictReader(file, delimiter="\t"))
        except FileNotFoundError:
            return cls(path)
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
        except (UnicodeDecodeError, csv.Error) as error:
            raise InputError(f"{path} is no table in UTF-8, parted by tabs: mend it or remove it.") from error
        if rows and "participant_id" not in rows[0]:
            raise InputError(f"{path} has no column participant_id: mend it or remove it.")
        columns: dict[str, dict[str, str]] = {}
        for row in rows:
            subject = (row["participant_id"] or "").strip()
            for name, value in row.items():
                if isinstance(name, str) and isinstance(value, str) and name != "participant_id":
                    columns.setdefault(name, {})[subject] = value.strip() or MISSING
        return cls(path, columns)

    def values(self, column: str, subjects: Sequence[str]) -> list[str]:
        """Return a column's value for each subject, "n/a" where it is not known.

        A subject's name may lack the "sub-". Where there is no column "sex" but one called "gender", that is
        it, and the other way round.

        Raises
        ------
        InputError
            If there is no such file or column.
        """
        if not self.columns:
            raise InputError(
                f"split.stratify_by: there is no {self.path} with a column {column}: add it, or leave "
                "stratify_by empty."
            )
        found = self.columns.get(column) or self.columns.get(_SAME.get(column, column))
        if found is None:
            raise InputError(
                f"split.stratify_by: {self.path} has no column {column}: it has {', '.join(self.columns)}."
            )
        return [found.get(subject, found.get(f"sub-{subject}", MISSING)) for subject in subjects]


def strata(values: Sequence[str], bins: int) -> list[str]:
    """Return the group of each value: numbers are put into equally full bins, words stand for themselves.

    Parameters
    ----------
    values
        Of a column. "n/a" is a group of its own.
    bins
        How many groups numbers make, at most. Their edges are the quantiles (linear interpolation) of the
        values, and a value on an edge belongs to the group above it.

    Returns
    -------
    list of str
        As "f", or "20 to 31" for numbers, with the lowest and the highest of the group.
    """
    known = [value for value in values if value != MISSING]
    try:
        numbers = np.array([float(value) for value in known])
    except ValueError:
        return [value if value == MISSING else value.casefold() for value in values]
    if not known or not np.isfinite(numbers).all():
        return list(values)
    edges = np.quantile(numbers, np.arange(1, bins) / bins)
    numbered = np.searchsorted(edges, numbers, side="right")
    names = {}
    for group in np.unique(numbered):
        low, high = numbers[numbered == group].min(), numbers[numbered == group].max()
        names[int(group)] = f"{low:g}" if low == high else f"{low:g} to {high:g}"
    groups = iter(numbered)
    return [value if value == MISSING else names[int(next(groups))] for value in values]

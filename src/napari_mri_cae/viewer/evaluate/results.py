"""What an evaluation has given, as the dock shows it."""

from dataclasses import dataclass
from pathlib import Path

from napari_mri_cae.evaluation import (
    EvaluationPlan,
    Row,
    Summary,
    WorstSlice,
    read_table,
    summarize,
    worst_slices,
)
from napari_mri_cae.evaluation.subjects import name_volumes


@dataclass(frozen=True)
class Results:
    """A finished evaluation.

    Attributes
    ----------
    plan : EvaluationPlan
    summaries : list of Summary
    worst : list of WorstSlice
        The first model's worst slices.
    remarks : list of str
        What about the volumes does not suit a model.
    was_complete : bool
        Whether it had been measured before.
    """

    plan: EvaluationPlan
    summaries: list[Summary]
    worst: list[WorstSlice]
    remarks: list[str]
    was_complete: bool

    @classmethod
    def read(cls, plan: EvaluationPlan, remarks: list[str], was_complete: bool) -> "Results":
        """Read the table that a plan has been carried out to.

        Raises
        ------
        InputError
            If it cannot be read.
        """
        rows = read_table(plan.output)
        # The first of the table: a network if there is one, as in the report.
        worst = worst_slices(rows, rows[0].model) if rows else []
        return cls(plan, summarize(rows), worst, remarks, was_complete)

    def file_of(self, row: Row) -> Path:
        """Return the file of a row's volume."""
        names = [name.volume for name in name_volumes(self.plan.volumes)]
        return self.plan.volumes[names.index(row.volume)]

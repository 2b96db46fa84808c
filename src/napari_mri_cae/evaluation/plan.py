"""All that an evaluation is made from, as plain values, and its outputs on disk."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from napari_mri_cae.corruptions import Corruption
from napari_mri_cae.errors import InputError
from napari_mri_cae.evaluation.evaluation import Evaluation
from napari_mri_cae.evaluation.report import write_report
from napari_mri_cae.evaluation.settings import REGIONS, EvaluationSettings
from napari_mri_cae.evaluation.significance import UNITS, compare_networks
from napari_mri_cae.evaluation.summary import METRICS, summarize
from napari_mri_cae.evaluation.table import Row, read_table, run_to_table
from napari_mri_cae.files import check_sidecar, check_writable, checksum, sidecar_of, write_sidecar
from napari_mri_cae.models.registry import DEFAULT_MODEL
from napari_mri_cae.slices import OnProgress


def _read_chain(records: Iterable[Any]) -> tuple[Corruption, ...]:
    return tuple(one if isinstance(one, Corruption) else Corruption.from_dict(one) for one in records)


def _write_chain(chain: Iterable[Corruption]) -> list[dict[str, Any]]:
    return [corruption.to_dict() for corruption in chain]


Chain = Annotated[tuple[Corruption, ...], BeforeValidator(_read_chain), PlainSerializer(_write_chain)]


class EvaluationPlan(BaseModel):
    """What is measured, how, and where the outputs go; there and back as JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    volumes: tuple[Path, ...] = Field(description="Files of volumes")
    models: tuple[str, ...] = Field((DEFAULT_MODEL,), description="Names or files of models")
    conditions: tuple[Chain, ...] = Field(((),), description="Corruptions, each a chain; () is none")
    baselines: tuple[str, ...] = Field((), description="Kinds of classical methods")
    settings: EvaluationSettings = EvaluationSettings()
    frame: int = Field(0, ge=0, title="Frame", description="Which volume of a series")
    output: Path = Field(description="The table")
    report: Path | None = Field(None, description="The page, if there is to be one")

    def check_outputs(self) -> None:
        """Raise an InputError if an output cannot be written, is named twice, or would replace another file.

        Those are the volumes, and what is beside the table under the name of how it was made.
        """
        if self.report is not None and self.report.resolve() == self.output.resolve():
            raise InputError(f"{self.report} is named for two outputs: choose another name for the report.")
        for path in (self.output, self.report):
            if path is not None:
                check_writable(path, *self.volumes, *map(Path, self.models))
        check_sidecar(self.output, *self.volumes, *([] if self.report is None else [self.report]))

    def evaluation(self) -> Evaluation:
        """Return the evaluation. Loads torch and the models.

        Raises
        ------
        InputError
            If there is no such model, baseline or device, or one thing is given twice.
        """
        return Evaluation(
            self.volumes, self.models, self.conditions, self.baselines, self.settings, frame=self.frame
        )


@dataclass(frozen=True)
class Outputs:
    """What carrying a plan out has given.

    Attributes
    ----------
    rows : list of Row
        The table.
    made : dict
        How it was made, its means and all tests, as JSON-able values.
    sidecar : pathlib.Path
        The file that holds these.
    remarks : list of str
        Which volumes are left out and why, and what about the others does not suit a model, a sentence each.
    was_complete : bool
        Whether the table was there already, and nothing had to be measured.
    """

    rows: list[Row]
    made: dict[str, Any]
    sidecar: Path
    remarks: list[str]
    was_complete: bool


def carry_out(
    plan: EvaluationPlan,
    *,
    command: str = "",
    on_progress: OnProgress | None = None,
    on_resume: Callable[[int], object] | None = None,
    on_rows: Callable[[Sequence[Row]], object] | None = None,
    on_step: Callable[[str], object] | None = None,
) -> Outputs:
    """Evaluate, and write the table, how it was made with means and tests, and the report.

    Where the table is there already, as this very plan has made it, nothing is measured again.

    Parameters
    ----------
    plan : EvaluationPlan
    command : str
        The command line that asked for it.
    on_progress, on_resume, on_rows : callable, optional
        As for `run_to_table`.
    on_step : callable, optional
        Called with what takes a while now, in words.

    Raises
    ------
    InputError
        If something in the plan is not there, or no volume can be measured.
    OSError
        If an output cannot be written; what was measured until then stays.
    """
    tell = on_step or (lambda what: None)
    plan.check_outputs()
    tell("Loading the models")
    evaluation = plan.evaluation()
    tell("Reading the volumes")
    complete = _complete_table(plan.output, evaluation.fingerprint)
    if complete is not None:
        rows, evaluation.remarks = complete
    else:
        rows = run_to_table(
            evaluation,
            plan.output,
            on_progress=on_progress,
            on_resume=on_resume,
            on_rows=on_rows,
            # So that the table is known to be complete if the tests are interrupted.
            on_complete=lambda table: write_sidecar(plan.output, _facts(plan, evaluation, table, command)),
        )
    tell("Testing the differences between models")
    made = {
        **_facts(plan, evaluation, plan.output, command),
        "summary": [asdict(one) for one in summarize(rows)],
        "tests": _tests(rows, evaluation.network_names),
    }
    sidecar = write_sidecar(plan.output, made)
    if plan.report is not None:
        tell("Writing the report")
        write_report(evaluation, rows, plan.report, command=command)
    return Outputs(rows, made, sidecar, evaluation.remarks, complete is not None)


def _facts(plan: EvaluationPlan, evaluation: Evaluation, table: Path, command: str) -> dict[str, Any]:
    """Return how a table was made, without what follows from its rows."""
    return {
        "command": command or "evaluate",
        "output": plan.output.name,
        "table_sha256": checksum(table),
        "report": None if plan.report is None else plan.report.name,
        "fingerprint": evaluation.fingerprint,
        **evaluation.provenance(),
    }


def _complete_table(table: Path, fingerprint: str) -> tuple[list[Row], list[str]] | None:
    """Return the rows and the remarks of a table, if it is what an evaluation has made and not changed."""
    try:
        made = json.loads(sidecar_of(table).read_text(encoding="utf-8"))
        if (made["fingerprint"], made["table_sha256"]) != (fingerprint, checksum(table)):
            return None
        return read_table(table), list(made["remarks"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _tests(rows: Sequence[Row], networks: Sequence[str]) -> list[dict[str, Any]]:
    return [
        asdict(one)
        for metric in METRICS
        for region in REGIONS
        for unit in UNITS
        for one in compare_networks(rows, networks, metric=metric, region=region, unit=unit)
    ]

"""What the user has chosen in one viewer's Evaluate dock."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Final

import platformdirs
from psygnal import SignalGroupDescriptor

from napari_mri_cae.corruptions import Corruption, GaussianNoise, RicianNoise, corruption_kinds
from napari_mri_cae.corruptions.parameters import strength_field
from napari_mri_cae.evaluation import EvaluationPlan, EvaluationSettings
from napari_mri_cae.models.registry import DEFAULT_MODEL

_NOISES: Final = (0.03, 0.05, 0.1)


def suggested_strengths(kind: type[Corruption]) -> tuple[Any, ...]:
    """Return the strengths to begin with: the usual ones of a noise, any other corruption's default."""
    if kind in (GaussianNoise, RicianNoise):
        return _NOISES
    return (kind.model_fields[strength_field(kind)].default,)


def new_table() -> Path:
    """Return a table in a folder of its own, among the user's data; there is nothing there yet."""
    home = platformdirs.user_data_path("napari-mri-cae", appauthor=False) / "evaluations"
    stem = f"{datetime.now():%Y%m%d-%H%M%S}"
    folder, number = home / stem, 2
    while folder.exists():
        folder, number = home / f"{stem}-{number}", number + 1
    return folder / "table.tsv"


@dataclass
class EvaluateState:
    """The settings of the next evaluation as the user has them; `events` tells of every change.

    Attributes
    ----------
    volumes : tuple of pathlib.Path
    models : tuple of str
        Names or files; the first one's worst slices are listed.
    baselines : tuple of str
        Kinds of classical methods.
    strengths : mapping of str to tuple
        For each kind of corruption that is measured, its strengths.
    clean : bool
        Whether clean slices are measured too.
    settings : EvaluationSettings
    frame : int
        Which volume of a series.
    output : pathlib.Path or None
        Where the table goes; None is a new folder of its own.
    """

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()

    volumes: tuple[Path, ...] = ()
    models: tuple[str, ...] = (DEFAULT_MODEL,)
    baselines: tuple[str, ...] = ("median",)
    strengths: Mapping[str, tuple[Any, ...]] = field(
        default_factory=lambda: {GaussianNoise.kind: suggested_strengths(GaussianNoise)}
    )
    clean: bool = False
    settings: EvaluationSettings = field(default_factory=EvaluationSettings)
    frame: int = 0
    output: Path | None = None

    @property
    def conditions(self) -> tuple[tuple[Corruption, ...], ...]:
        """Every corruption at each of its strengths, the clean slice first."""
        chains = tuple(
            (kind(**{strength_field(kind): strength}),)
            for name, kind in corruption_kinds().items()
            for strength in self.strengths.get(name, ())
        )
        return ((), *chains) if self.clean else chains

    @property
    def obstacle(self) -> str:
        """What has to be chosen before anything can be measured, in a sentence; "" if nothing."""
        if not self.volumes:
            return "Add a volume first."
        if not (self.models or self.baselines):
            return "Choose a model or a classical method."
        if not self.conditions:
            return "Choose a corruption, or clean slices."
        return ""

    def plan(self, output: Path) -> EvaluationPlan:
        """Return the evaluation that has been chosen, with the report beside the table."""
        return EvaluationPlan(
            volumes=self.volumes,
            models=self.models,
            conditions=self.conditions,
            baselines=self.baselines,
            settings=self.settings,
            frame=self.frame,
            output=output,
            report=output.with_suffix(".html"),
        )

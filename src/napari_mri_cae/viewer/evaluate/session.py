"""The evaluation of one viewer: started, followed, cancelled, and its results read."""

import time
from functools import partial
from typing import Any

from psygnal import Signal

from napari_mri_cae.errors import InputError
from napari_mri_cae.evaluation import EvaluationPlan
from napari_mri_cae.viewer.background import Background
from napari_mri_cae.viewer.evaluate.process import EvaluationProcess
from napari_mri_cae.viewer.evaluate.results import Results


class EvaluationSession:
    """Carries plans out one after the other. Lives in the main thread, and knows no widget.

    Attributes
    ----------
    plan : EvaluationPlan or None
        The one that was started last.
    step : str
        What is being done, in words; "" when nothing is.
    done, total : int
        Slices, each counted once per condition; `total` is 0 until it is known.
    results : Results or None
        Of `plan`, once it is finished.
    changed : psygnal.Signal
        Any of these has.
    finished : psygnal.Signal(Results)
    failed : psygnal.Signal(Exception)
        It could not be started or finished; what was measured until then stays.
    """

    changed = Signal()
    finished = Signal(object)
    failed = Signal(object)

    def __init__(self) -> None:
        self.plan: EvaluationPlan | None = None
        self.results: Results | None = None
        self._process: EvaluationProcess | None = None
        self._background = Background()
        self._background.failed.connect(self._on_failed)
        self._forget_progress()

    @property
    def is_going_on(self) -> bool:
        """Whether an evaluation is being carried out."""
        return self._process is not None or self._background.is_waiting_for()

    @property
    def seconds_left(self) -> float | None:
        """How long it will take at the present speed; None as long as that is not known."""
        measured = self.done - self._before
        if measured <= 0 or self.total <= self.done:
            return None
        return (time.monotonic() - self._began) / measured * (self.total - self.done)

    def start(self, plan: EvaluationPlan) -> None:
        """Begin to carry a plan out, or go on where it was cancelled."""
        self.plan, self.results = plan, None
        self._forget_progress()
        self.step = "Starting ..."
        try:
            plan.output.parent.mkdir(parents=True, exist_ok=True)
            plan.check_outputs()
            process = EvaluationProcess(plan)
        except OSError as error:
            sentence = f"{plan.output.parent} cannot be made ({error.strerror}): choose another folder."
            self._on_failed(InputError(sentence))
            return
        except InputError as error:
            self._on_failed(error)
            return
        process.told.connect(self._on_told)
        process.failed.connect(self._on_failed)
        process.ended.connect(partial(self._on_ended, process))
        self._process = process
        self.changed.emit()

    def cancel(self) -> None:
        """End it now; what was measured stays, and the same plan goes on from there."""
        self._end()
        self.changed.emit()

    def close(self) -> None:
        """End everything, and tell nothing. Touches no Qt."""
        self._end()

    def _end(self) -> None:
        self._background.forget(saves=True)
        self._release()
        self.step = ""

    def _release(self) -> None:
        """End the process. When it has said how it ended, all is written, and nobody need wait for it."""
        if self._process is not None:
            self._process.cancel()
        self._process = None

    def _forget_progress(self) -> None:
        self.step = ""
        self.done = self.total = self._before = 0
        self._began = time.monotonic()

    def _on_told(self, facts: dict[str, Any]) -> None:
        event = facts["event"]
        if event == "step":
            self.step = f"{facts['what']} ..."
        elif event == "rows":
            self.step = f"Measured {facts['what']}"
        elif event == "slices":
            self._count(facts["done"], facts["total"])
        elif event == "resumed":
            self._before = facts["slices"]
        elif event == "refused":
            self._release()
            self._on_failed(InputError(facts["sentence"]))
        elif event == "finished":
            self._release()
            self._read_results(facts["remarks"], facts["was_complete"])
        self.changed.emit()

    def _count(self, done: int, total: int) -> None:
        self.done, self.total = done, total
        if done <= self._before:
            # What was there already came at once, and says nothing about what is to come.
            self._began = time.monotonic()

    def _read_results(self, remarks: list[str], was_complete: bool) -> None:
        plan = self.plan
        if plan is not None:
            self._background.run(
                "results",
                lambda: Results.read(plan, remarks, was_complete),
                self._on_results,
                "Reading the table ...",
            )

    def _on_results(self, results: Results) -> None:
        self.results = results
        self.step = ""
        self.changed.emit()
        self.finished.emit(results)

    def _on_ended(self, process: EvaluationProcess) -> None:
        if self._process is process:
            self._process = None
            self.changed.emit()

    def _on_failed(self, error: Exception) -> None:
        self._process = None
        self.step = ""
        self.changed.emit()
        self.failed.emit(error)

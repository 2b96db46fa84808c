"""An evaluation in a process of its own: the viewer stays free, and Cancel works at once."""

import json
import logging
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from typing import IO, Any

from psygnal import Signal

from napari_mri_cae.errors import InputError
from napari_mri_cae.evaluation import EvaluationPlan
from napari_mri_cae.viewer.processes import start_process
from napari_mri_cae.viewer.workers import StepWorker

_log = logging.getLogger(__name__)


class EvaluationProcess:
    """Carries a plan out, and relays what `napari_mri_cae.evaluation.__main__` tells.

    Lives in the main thread, where its signals arrive. What was measured when it ends stays on disk.

    Parameters
    ----------
    plan : EvaluationPlan

    Attributes
    ----------
    told : psygnal.Signal(dict)
        An event.
    failed : psygnal.Signal(Exception)
        It could not be started, or has broken down.
    ended : psygnal.Signal
        It has ended of itself, by whatever way.
    """

    told = Signal(dict)
    failed = Signal(object)
    ended = Signal()

    def __init__(self, plan: EvaluationPlan) -> None:
        self._plan = plan
        self._is_cancelled = False
        self._process: subprocess.Popen[bytes] | None = None
        self._worker = StepWorker(self._follow)
        self._worker.yielded.connect(self._on_yielded)
        self._worker.errored.connect(self._on_errored)
        self._worker.finished.connect(self._on_finished)
        self._worker.start()

    def cancel(self) -> None:
        """End the process now; nothing is told any more. Touches no Qt."""
        self._is_cancelled = True
        if self._process is not None:
            self._process.kill()

    def _follow(self) -> Iterator[dict[str, Any]]:
        """Work in the worker's thread."""
        event = ""
        with tempfile.TemporaryFile() as errors, _start(errors) as process:
            self._process = process
            if self._is_cancelled:
                process.kill()
            for facts in _talk(process, self._plan):
                event = str(facts["event"])
                yield facts
            process.wait()
            errors.seek(0)
            words = errors.read().decode(errors="replace").strip()
        if not self._is_cancelled and event not in ("finished", "refused"):
            _log.error("the evaluation broke down:\n%s", words)
            last = words.rpartition("\n")[2] or f"status {process.returncode}"
            raise InputError(
                f"The evaluation ended unexpectedly ({last}): press Evaluate to go on from there."
            )

    def _on_yielded(self, facts: dict[str, Any]) -> None:
        if not self._is_cancelled:
            self.told.emit(facts)

    def _on_errored(self, error: Exception) -> None:
        if not self._is_cancelled:
            self.failed.emit(error)

    def _on_finished(self) -> None:
        if not self._is_cancelled:
            self.ended.emit()


def _start(errors: IO[bytes]) -> "subprocess.Popen[bytes]":
    """Start a process that waits for a plan."""
    return start_process(
        [sys.executable, "-m", "napari_mri_cae.evaluation"],
        "The evaluation",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
    )


def _talk(process: "subprocess.Popen[bytes]", plan: EvaluationPlan) -> Iterator[dict[str, Any]]:
    """Hand a process its plan, and yield what it tells until it ends."""
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(plan.model_dump_json().encode() + b"\n")
        process.stdin.flush()
    except OSError:
        # It has ended, and will say why. What it did not take has to go.
        with suppress(OSError):
            process.stdin.close()
    for line in process.stdout:
        try:
            facts = json.loads(line)
        except ValueError:
            # A library that prints past Python.
            _log.debug("the evaluation printed %r", line)
        else:
            yield facts

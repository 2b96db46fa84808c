"""Work that threads do in the background, one of a kind at a time."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from napari.qt.threading import FunctionWorker
from psygnal import Signal

Result = TypeVar("Result")

#: Of this kind every job is waited for, of any other only the one that was asked for last.
SAVE: Final = "save"


@dataclass(eq=False)
class _Job:
    kind: str
    what: str


class Background:
    """Runs functions in threads and hands their results over in the main thread, where it lives.

    Attributes
    ----------
    busy : psygnal.Signal(str)
        What is being done, in words; "" when nothing is any more.
    failed : psygnal.Signal(Exception)
        A job that was still waited for has ended with an error.
    """

    busy = Signal(str)
    failed = Signal(object)

    def __init__(self) -> None:
        self._jobs: list[_Job] = []
        self._running = 0
        self._changed = threading.Condition()

    def is_waiting_for(self, kind: str | None = None) -> bool:
        """Return whether a result is waited for, of one kind or of any."""
        return any(kind in (None, job.kind) for job in self._jobs)

    def run(
        self,
        kind: str,
        work: Callable[[], Result],
        then: Callable[[Result], None],
        what: str,
        *,
        otherwise: Callable[[], None] = lambda: None,
    ) -> None:
        """Run `work` in a thread.

        Parameters
        ----------
        kind : str
            A later job of the same kind overtakes this one, unless it is `SAVE`.
        work : callable
            In a thread; touches neither Qt nor layers.
        then : callable
            Gets the result, in the main thread, unless the job has been overtaken.
        what : str
            What it is doing, in words.
        otherwise : callable
            Called before `failed` tells of an error.
        """
        job = _Job(kind, what)
        if kind != SAVE:
            self._jobs = [other for other in self._jobs if other.kind != kind]
        self._jobs.append(job)

        def returned(result: Result) -> None:
            if self._take(job):
                then(result)

        def errored(error: Exception) -> None:
            if self._take(job):
                otherwise()
                self.failed.emit(error)

        def counted() -> Result:
            self._count(1)
            try:
                return work()
            finally:
                self._count(-1)

        worker: FunctionWorker[Result] = FunctionWorker(counted)
        worker.returned.connect(returned)
        worker.errored.connect(errored)
        self.tell()
        worker.start()

    def forget(self, *, saves: bool) -> None:
        """Wait for nothing any more, or for nothing but what is being written."""
        self._jobs = [] if saves else [job for job in self._jobs if job.kind == SAVE]

    def wait(self, seconds: float) -> None:
        """Wait until none of its functions is running, but not longer than this.

        Qt's pool knows only of everybody's together, and others' may go on for minutes.
        """
        with self._changed:
            self._changed.wait_for(lambda: not self._running, seconds)

    def _count(self, more: int) -> None:
        with self._changed:
            self._running += more
            self._changed.notify_all()

    def tell(self) -> None:
        """Say again what is being done."""
        self.busy.emit(self._jobs[-1].what if self._jobs else "")

    def _take(self, job: _Job) -> bool:
        """Strike a job off the list; return whether it was still on it."""
        if job not in self._jobs:
            return False
        self._jobs.remove(job)
        self.tell()
        return True

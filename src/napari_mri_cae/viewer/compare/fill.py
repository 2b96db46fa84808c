"""Fill a comparison in a worker thread."""

from collections.abc import Iterator

from psygnal import Signal

from napari_mri_cae.comparison import Comparison, FinishedSlices
from napari_mri_cae.viewer.workers import StepWorker

# While a slider moves, or is nudged, only the slice on screen is worth computing: the others wait for a quiet
# moment.
BACKGROUND_DELAY_S = 0.5


class Fill:
    """Runs a comparison in a worker thread for as long as there is something to compute.

    Lives in the main thread, where its signals arrive. A worker ends when nothing is left to do, and the
    next change starts another.

    Attributes
    ----------
    finished_slices : psygnal.Signal(FinishedSlices)
        A batch is in the arrays.
    idle : psygnal.Signal
        Nothing is running any more.
    failed : psygnal.Signal(Exception)
        The computation ended with an error.
    """

    finished_slices = Signal(FinishedSlices)
    idle = Signal()
    failed = Signal(object)

    def __init__(self, comparison: Comparison) -> None:
        self.comparison = comparison
        self.background = True
        self._worker: StepWorker | None = None
        self._stopped = False
        self._has_failed = False

    @property
    def is_running(self) -> bool:
        """Whether a worker is at work."""
        return self._worker is not None

    def ensure_running(self) -> None:
        """Start a worker, unless one is at work, nothing is to be done or the fill has been stopped."""
        self._has_failed = False
        self._continue()

    def pause(self) -> None:
        """Leave the slices out of focus alone; the batch in hand is finished first."""
        self.background = False
        self.comparison.cancel()

    def resume(self) -> None:
        """Go on with the slices out of focus."""
        self.background = True
        self.ensure_running()

    def stop(self) -> None:
        """End for good. Does not wait, and touches neither Qt nor layers."""
        self._stopped = True
        self.comparison.cancel()

    def _continue(self) -> None:
        if self._stopped or self._has_failed or self._worker is not None or not self._has_work():
            return
        worker = StepWorker(self._run)
        worker.yielded.connect(self._on_yielded)
        worker.errored.connect(self._on_errored)
        worker.finished.connect(self._on_finished)
        self._worker = worker
        worker.start()

    def _run(self) -> Iterator[FinishedSlices]:
        """Compute, in the worker's thread."""
        background = self.background
        for finished in self.comparison.run(background_delay=BACKGROUND_DELAY_S, only_focus=not background):
            yield finished
            # A cancel that came before `run` had begun.
            if self._stopped or self.background != background:
                return

    def _has_work(self) -> bool:
        comparison = self.comparison
        return not comparison.is_complete and (self.background or not comparison.done[comparison.focus])

    def _on_yielded(self, finished: FinishedSlices) -> None:
        if not self._stopped:
            self.finished_slices.emit(finished)

    def _on_errored(self, error: Exception) -> None:
        self._has_failed = True
        if not self._stopped:
            self.failed.emit(error)

    def _on_finished(self) -> None:
        self._worker = None
        # Something may have changed between the worker's last look and its end.
        self._continue()
        if self._worker is None and not self._stopped:
            self.idle.emit()

"""Follow a run in a worker thread, by its folder."""

import subprocess
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from psygnal import Signal

from napari_mri_cae.training import RunFolder, RunStatus
from napari_mri_cae.viewer.train.process import last_words
from napari_mri_cae.viewer.workers import StepWorker

_LOOK_S: Final = 0.25
_STARTS_WITHIN_S: Final = 5.0
_ENDS: Final = ("stopped", "failed", "finished")
PREVIEWS: Final = ("original", "corrupted", "reconstructed")


@dataclass(frozen=True)
class Preview:
    """What the network makes of one validation slice.

    Attributes
    ----------
    epoch : int
    slices : dict of str to array
        "original", "corrupted" and "reconstructed", each (H, W) float32.
    """

    epoch: int
    slices: dict[str, npt.NDArray[np.float32]]


@dataclass(frozen=True)
class News:
    """What has happened in a run since the last time.

    Attributes
    ----------
    status : RunStatus
    alive : bool
        Whether a process is at work on it.
    events : list of dict
    preview : Preview or None
        The latest, if there is a new one.
    failure : str
        Why it ended, if its process broke down without a word in the folder.
    """

    status: RunStatus
    alive: bool
    events: list[dict[str, Any]] = field(default_factory=list)
    preview: Preview | None = None
    failure: str = ""


class Follower:
    """Starts a run, unless it has been started, and tells what happens in it until it ends.

    Lives in the main thread, where its signals arrive.

    Parameters
    ----------
    run : RunFolder
    start : callable, optional
        Starts its process; left out for a run that is looked at, or that goes on elsewhere.

    Attributes
    ----------
    news : psygnal.Signal(News)
    failed : psygnal.Signal(Exception)
        The run could not be started, or not be followed any further.
    ended : psygnal.Signal
        Nobody follows it any more.
    """

    news = Signal(object)
    failed = Signal(object)
    ended = Signal()

    def __init__(self, run: RunFolder, start: Callable[[], "subprocess.Popen[bytes]"] | None = None) -> None:
        self._run = run
        self._start = start
        self._enough = threading.Event()
        self._off = threading.Event()
        self._starting = threading.Lock()
        self._idle = threading.Event()
        self._idle.set()
        self.process: subprocess.Popen[bytes] | None = None
        self._worker = StepWorker(self._follow)
        self._worker.yielded.connect(self._on_news)
        self._worker.errored.connect(self._on_errored)
        self._worker.finished.connect(self._on_finished)
        self._worker.start()

    def leave(self) -> None:
        """Follow no longer; the run goes on. Does not wait, and touches neither Qt nor layers."""
        self._enough.set()

    def call_off(self) -> "subprocess.Popen[bytes] | None":
        """Follow no longer, and start nothing any more; return the process that has been started, if any."""
        self._off.set()
        self.leave()
        # What is just being started has to be known; where that takes longer, its thread kills it.
        if self._starting.acquire(timeout=_STARTS_WITHIN_S):
            self._starting.release()
        return self.process

    def wait(self, seconds: float) -> None:
        """Wait until the thread has done its work, but not longer than this."""
        self._idle.wait(seconds)

    def _follow(self) -> Iterator[News]:
        """Work in the worker's thread."""
        self._idle.clear()
        try:
            # What is there before the start was left by an earlier process of the run.
            old = None if self._start is None else self._run.status
            self._begin()
            if not self._off.is_set():
                yield from self._look(old)
        finally:
            self._collect()
            self._idle.set()

    def _begin(self) -> None:
        with self._starting:
            if self._start is not None and not self._off.is_set():
                self.process = self._start()
        if self.process is not None and self._off.is_set():
            self.process.kill()

    def _look(self, old: RunStatus | None) -> Iterator[News]:
        """Tell what happens until the run ends; `old` is a status that tells nothing of its own process."""
        run, place, before = self._run, 0, None
        while True:
            status = run.status
            alive = status.alive
            if self.process is not None:
                # It has said that it ends; what it still does takes some seconds, and writes nothing.
                ends = status.state in _ENDS and status != old
                alive = self.process.poll() is None and not ends
            if not alive:
                # What was written before it ended is read after that.
                status = run.status
            failure = "" if alive else self._failure(status, old)
            if old is not None and status == old:
                status = self._status_without_word(old, failure, alive=alive)
            events, place = run.read_events(place)
            seen = (status.state, alive)
            if events or seen != before:
                before = seen
                yield News(status, alive, events, _newest_preview(run, events), failure)
            if not alive or self._enough.wait(_LOOK_S):
                return

    @staticmethod
    def _status_without_word(old: RunStatus, failure: str, *, alive: bool) -> RunStatus:
        """Return how far a run is whose process has said nothing yet, or has broken down without a word."""
        if alive:
            return RunStatus()
        return old.model_copy(update={"state": "failed", "message": failure}) if failure else old

    def _collect(self) -> None:
        """See to it that the process is collected when it has ended, or the system keeps its entry."""
        if self.process is not None:
            threading.Thread(target=self.process.wait, daemon=True).start()

    def _failure(self, status: RunStatus, old: RunStatus | None) -> str:
        has_ended = status.state in _ENDS and status != old
        if self.process is None or not self.process.returncode or has_ended:
            return ""
        # What the command complains of itself; who is killed says nothing.
        words = last_words(self._run.path) if self.process.returncode == 1 else ""
        return words or f"The training ended unexpectedly, with status {self.process.returncode}."

    def _on_news(self, news: News) -> None:
        if not self._enough.is_set():
            self.news.emit(news)

    def _on_errored(self, error: Exception) -> None:
        if not self._enough.is_set():
            self.failed.emit(error)

    def _on_finished(self) -> None:
        if not self._enough.is_set():
            self.ended.emit()


def _newest_preview(run: RunFolder, events: list[dict[str, Any]]) -> Preview | None:
    """Return the last preview that the events tell of and that can be read."""
    for event in reversed(events):
        if event.get("event") == "preview":
            preview = read_preview(run.path / str(event.get("path", "")), int(event.get("epoch", 0)))
            if preview is not None:
                return preview
    return None


def read_preview(path: Path, epoch: int) -> Preview | None:
    """Return a preview, or None if it cannot be read."""
    try:
        with np.load(path.with_suffix(".npz"), allow_pickle=False) as arrays:
            slices = {name: np.asarray(arrays[name], np.float32).squeeze() for name in PREVIEWS}
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        return None
    return Preview(epoch, slices) if all(one.ndim == 2 for one in slices.values()) else None

"""One viewer's run: started, followed, paused, stopped, opened again."""

import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from psygnal import Signal

from napari_mri_cae.errors import InputError
from napari_mri_cae.training import RunFolder, RunStatus, TrainingConfig
from napari_mri_cae.viewer.train.follower import Follower, News
from napari_mri_cae.viewer.train.process import prepare, start

_STOPS_WITHIN_S: Final = 5.0


class RunSession:
    """The run that the dock shows. Lives in the main thread, and knows no widget.

    Attributes
    ----------
    opened : psygnal.Signal(RunFolder)
        Another run is shown; or the same one, followed from its start again.
    news : psygnal.Signal(News)
        Something has happened in it.
    changed : psygnal.Signal
        What can be done with it has changed.
    ended : psygnal.Signal(RunStatus)
        A run that was seen going on does so no longer.
    failed : psygnal.Signal(Exception)
        Something could not be done, or the run broke down.
    """

    opened = Signal(object)
    news = Signal(object)
    changed = Signal()
    ended = Signal(object)
    failed = Signal(object)

    def __init__(self) -> None:
        self.run: RunFolder | None = None
        self.status = RunStatus()
        self.is_alive = False
        self.is_starting = False
        self._is_new = False
        self._follower: Follower | None = None

    @property
    def is_going_on(self) -> bool:
        """Whether a process is at work on the run, or about to be."""
        return self.is_alive or self.is_starting

    @property
    def is_own(self) -> bool:
        """Whether this viewer has started the process, or is about to."""
        return self.is_starting or (self._follower is not None and self._follower.process is not None)

    @property
    def can_resume(self) -> bool:
        """Whether the run can go on from its last checkpoint."""
        return (
            self.run is not None
            and not self.is_going_on
            and self.status.state != "finished"
            and self.run.last_checkpoint.exists()
        )

    @property
    def has_model(self) -> bool:
        """Whether the run has left a model."""
        return self.run is not None and self.run.model_path.exists()

    def start(self, config: TrainingConfig, folder: Path, device: str = "auto") -> None:
        """Begin a run."""
        run = RunFolder(folder)

        def begin() -> "subprocess.Popen[bytes]":
            prepare(run, config)
            return start(run, resume=False, device=device)

        self._follow(run, begin, is_new=True)

    def open(self, folder: Path) -> None:
        """Show a run that has ended, or that somebody else goes on with."""
        run = RunFolder(folder)
        if not run.is_run:
            self.failed.emit(InputError(f"{folder} is no run: choose a folder that a training has made."))
            return
        self._follow(run, None)

    def resume(self, device: str = "auto") -> None:
        """Go on with a run that has stopped, or has been paused."""
        if self.run is None:
            return
        if self.is_going_on:
            self._request("resume")
        elif self.can_resume:
            run = self.run
            self._follow(run, lambda: start(run, resume=True, device=device))

    def pause(self) -> None:
        """Ask the run to wait."""
        self._request("pause")

    def stop(self) -> None:
        """Ask the run to end; its best model so far stays."""
        self._request("stop")

    def leave(self, wait_s: float = 0.0) -> None:
        """Let the run go on by itself, and close it here; wait so long at most for the thread to end."""
        follower, self._follower = self._follower, None
        if follower is not None:
            follower.leave()
            follower.wait(wait_s)
        self.run, self.status = None, RunStatus()
        self.is_alive = self.is_starting = False
        self.changed.emit()

    def end(self) -> None:
        """Stop the run, see to it that its process has ended, and close it here."""
        run, process = self.run, None if self._follower is None else self._follower.call_off()
        # Before there is a process there may be no folder either.
        if process is not None or not self.is_starting:
            self.stop()
        self.leave()
        if process is None or run is None:
            return
        end = time.monotonic() + _STOPS_WITHIN_S
        while process.poll() is None and time.monotonic() < end and run.status.alive:
            time.sleep(0.05)
        # Once it says that it has stopped, all is written, and nobody need wait for the rest.
        process.kill()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOPS_WITHIN_S)

    def _request(self, what: str) -> None:
        if self.run is None or not self.is_going_on:
            return
        try:
            self.run.request(what)  # type: ignore[arg-type]
        except InputError as error:
            self.failed.emit(error)

    def _follow(
        self,
        run: RunFolder,
        begin: "Callable[[], subprocess.Popen[bytes]] | None",
        *,
        is_new: bool = False,
    ) -> None:
        if self._follower is not None:
            self._follower.leave()
        self.run, self.status, self._is_new = run, RunStatus(), is_new
        self.is_alive, self.is_starting = False, begin is not None
        self.opened.emit(run)
        follower = Follower(run, begin)
        self._follower = follower
        follower.news.connect(self._on_news)
        follower.failed.connect(self._on_failed)
        self.changed.emit()

    def _on_news(self, news: News) -> None:
        was_going_on = self.is_going_on
        self.status, self.is_alive = news.status, news.alive
        self.is_starting = self.is_starting and news.alive and news.status.state == "new"
        self.news.emit(news)
        self.changed.emit()
        if was_going_on and not self.is_going_on:
            failure = news.failure or (news.status.message if news.status.state == "failed" else "")
            if failure:
                self.failed.emit(InputError(failure))
            self.ended.emit(news.status)

    def _on_failed(self, error: Exception) -> None:
        run, follower = self.run, self._follower
        has_begun = not self.is_starting or (follower is not None and follower.process is not None)
        self.is_alive = self.is_starting = False
        if has_begun or run is None:
            self.changed.emit()
        elif self._is_new:
            # There is no run, or another one that has the folder.
            self.leave()
        else:
            self._follow(run, None)
        self.failed.emit(error)

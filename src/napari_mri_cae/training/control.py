"""How a run is paused and stopped from outside: by its folder, by Ctrl-C, by whoever ends processes."""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

from napari_mri_cae.training.run_folder import HEARTBEAT_S, RunFolder, RunStatus

_LOOK_S: Final = 0.2


class Stopped(Exception):
    """The run was asked to stop; the text says by whom."""


class Control:
    """Watches for requests in a thread of its own, and says in the folder that the run is alive.

    Parameters
    ----------
    folder
        Of the run.
    leads
        Whether this process writes the run folder: of several, one does.
    """

    def __init__(self, folder: RunFolder, *, leads: bool = True) -> None:
        self._folder = folder
        self._leads = leads
        self._status = RunStatus(state="running", pid=os.getpid(), host=socket.gethostname())
        self._ended = threading.Event()
        self._writing = threading.Lock()
        self._thread = threading.Thread(target=self._watch, name="run-control", daemon=True)
        self._handlers: dict[int, Any] = {}
        self.stop_reason = ""
        """Why to stop; empty as long as the run is to go on."""
        self.pause = False
        """Whether to wait."""

    def start(self, **facts: Any) -> None:
        """Begin to watch, with what is known about the run."""
        if self._leads:
            self._folder.request("resume")
            self.tell(**facts)
            self._thread.start()

    def tell(self, **facts: Any) -> None:
        """Write fields of the status."""
        if self._leads:
            with self._writing:
                self._status = self._status.model_copy(update=facts)
                self._folder.write_status(self._status)

    def close(self) -> None:
        """Stop watching, and give the signals back."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers = {}

    def catch_signals(self) -> None:
        """Take Ctrl-C and a request to terminate for a request to stop; the second Ctrl-C interrupts."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in (signal.SIGINT, signal.SIGTERM):
            before = signal.signal(number, self._signalled)
            self._handlers.setdefault(number, before)

    def check(self) -> None:
        """End what goes on if the run is to stop.

        Raises
        ------
        Stopped
            If so.
        """
        if self.stop_reason:
            raise Stopped(self.stop_reason)

    def wait_while_paused(self, on_change: Callable[[bool], None], agree: Callable[[bool], bool]) -> float:
        """Wait as long as the run is paused, and end it if it is to stop.

        Parameters
        ----------
        on_change
            Called with True when the wait begins, and with False when it ends.
        agree
            Returns whether any of the processes that train together says so, the same in each.

        Returns
        -------
        float
            How long it took, in seconds.

        Raises
        ------
        Stopped
            If the run is to stop.
        """
        began = time.monotonic()
        paused = False
        while True:
            if agree(bool(self.stop_reason)):
                raise Stopped(self.stop_reason or "another process of the run was asked to stop")
            wanted = agree(self.pause)
            if wanted != paused:
                paused = wanted
                on_change(paused)
            if not paused:
                return time.monotonic() - began
            time.sleep(_LOOK_S)

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        if self.stop_reason and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.stop_reason = f"it received {signal.Signals(number).name}"

    def _watch(self) -> None:
        told = time.monotonic()
        while not self._ended.wait(_LOOK_S):
            order = self._folder.requested()
            self.pause = order == "pause"
            if order == "stop" and not self.stop_reason:
                self.stop_reason = "it was asked to stop"
            if time.monotonic() - told >= HEARTBEAT_S:
                told = time.monotonic()
                try:
                    self.tell()
                except OSError:  # A full disk; whoever writes more than this says so.
                    continue

"""The viewer in a process of its own, so that whatever happens to a window can be told in a sentence."""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from napari_mri_cae.errors import InputError

_COMMAND: Final = (sys.executable, "-m", "napari_mri_cae.viewer.demo")
# A cold start of napari and torch on a slow disk takes most of a minute.
_OPENS_WITHIN_S: Final = 90.0
_ENDS_WITHIN_S: Final = 600.0


class WindowFailed(Exception):
    """No window could be opened; the message says why."""


def open_window(settings: dict[str, Any], environment: dict[str, str]) -> dict[str, Any] | None:
    """Open napari with the Compare dock, and wait for it to end.

    Parameters
    ----------
    settings : dict
        What `napari_mri_cae.viewer.demo` takes.
    environment : dict of str to str
        Of the process, with the display to use.

    Returns
    -------
    dict or None
        The comparison's report where a screenshot was asked for.

    Raises
    ------
    WindowFailed
        If no window opened: there are libraries missing, the display does not answer, it took too long.
    InputError
        If the window has something to complain of, or ended unexpectedly after the user had it.
    """
    if settings["screenshot"]:
        # A picture is the same for everybody, and taking it leaves the user's settings alone.
        environment = {**environment, "NAPARI_CONFIG": ""}
    with tempfile.TemporaryDirectory(prefix="mri-cae-") as folder:
        state = Path(folder, "state.json")
        log = Path(folder, "log.txt")
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*_COMMAND, json.dumps(settings), str(state)],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                # Who sees the window may see its log too.
                stderr=output if settings["screenshot"] else None,
            )
            try:
                told = _wait(process, state, waits_for_user=not settings["screenshot"])
            finally:
                _end(process)
        if "error" in told:
            raise InputError(told["error"])
        if not told or (settings["screenshot"] and "report" not in told):
            raise WindowFailed(_reason(process.returncode, log))
        if process.returncode:
            raise InputError(f"napari ended unexpectedly, with status {process.returncode}.")
        return told.get("report")


def _wait(process: "subprocess.Popen[bytes]", state: Path, *, waits_for_user: bool) -> dict[str, Any]:
    """Return the last that the process told; nothing if it never got as far as a window."""
    started = time.monotonic()
    while process.poll() is None:
        limit = _ENDS_WITHIN_S if state.exists() else _OPENS_WITHIN_S
        if waits_for_user and state.exists():
            process.wait()
        elif time.monotonic() - started > limit:
            break
        time.sleep(0.05)
    told: dict[str, Any] = json.loads(state.read_text(encoding="utf-8")) if state.exists() else {}
    return told


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _reason(status: int, log: Path) -> str:
    """Return why there was no window, from the last line that says so."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    words = [line.strip() for line in lines if line.strip()]
    telling = [line for line in words if "rror" in line or "ould not" in line]
    said = f" ({telling[-1][:200]})" if telling else ""
    return f"napari ended with status {status}{said}."

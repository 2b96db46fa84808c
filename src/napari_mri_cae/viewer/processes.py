"""Processes that compute beside the viewer, which comes first."""

import os
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from napari_mri_cae.errors import InputError

# On a machine with few cores the viewer would stutter beside a process of the same priority.
_NICENESS: Final = 10


def start_process(command: Sequence[str], what: str, **options: Any) -> "subprocess.Popen[bytes]":
    """Start a process at a lower priority than the viewer's, in a session of its own.

    Parameters
    ----------
    command : sequence of str
    what : str
        What it does, as a sentence begins: "The training".
    **options
        Of `subprocess.Popen`.

    Raises
    ------
    InputError
        If it cannot be started.
    """
    if os.name == "nt":
        flags = subprocess.BELOW_NORMAL_PRIORITY_CLASS | subprocess.CREATE_NEW_PROCESS_GROUP  # type: ignore[attr-defined,unused-ignore]
        options["creationflags"] = flags
    else:
        options["start_new_session"] = True
    try:
        process = subprocess.Popen(command, **options)
    except OSError as error:
        raise InputError(f"{what} cannot be started: {error.strerror or error}.") from error
    if os.name != "nt":
        _step_back(process.pid)
    return process


def _step_back(pid: int) -> None:
    """Let a process, and all that it will start, leave the processor to the viewer."""
    # It may have ended already.
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, os.getpriority(os.PRIO_PROCESS, 0) + _NICENESS)
    # Desktop Linux shares the processor between sessions first, and this one has a session of its own.
    with suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(str(_NICENESS), encoding="ascii")

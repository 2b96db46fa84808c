"""Whether there is a screen to open a window on, and one to borrow where there is none."""

import os
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

_SCREEN: Final = "1600x1000x24"
_PATIENCE_S: Final = 20.0


def has_display(environment: Mapping[str, str] = os.environ, platform: str = sys.platform) -> bool:
    """Return whether a window that shows images can open.

    Qt's offscreen and minimal platforms have no OpenGL, so they count as no display.
    """
    if environment.get("QT_QPA_PLATFORM", "").partition(":")[0] in {"offscreen", "minimal", "vnc"}:
        return False
    if platform.startswith(("darwin", "win", "cygwin")):
        return True
    return bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))


@contextmanager
def virtual_display() -> Iterator[dict[str, str] | None]:
    """Run Xvfb, an X server without a screen, on a free display.

    Yields
    ------
    dict of str to str or None
        The environment for a process that is to use it; None where it cannot be had.
    """
    program = shutil.which("Xvfb")
    if program is None:
        yield None
        return
    reading, writing = os.pipe()
    server = subprocess.Popen(
        [program, "-displayfd", str(writing), "-screen", "0", _SCREEN, "-nolisten", "tcp"],
        pass_fds=(writing,),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        os.close(writing)
        number = _read_line(reading)
        os.close(reading)
        yield _environment(number) if number else None
    finally:
        server.terminate()
        try:
            server.wait(5)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _read_line(descriptor: int) -> str:
    """Return the line that Xvfb writes when it is ready; nothing if it ends or takes too long."""
    line = b""
    while not line.endswith(b"\n"):
        ready, _, _ = select.select([descriptor], [], [], _PATIENCE_S)
        part = os.read(descriptor, 16) if ready else b""
        if not part:
            return ""
        line += part
    return line.decode().strip()


def _environment(number: str) -> dict[str, str]:
    environment = {name: value for name, value in os.environ.items() if name != "WAYLAND_DISPLAY"}
    return {
        **environment,
        "DISPLAY": f":{number}",
        "QT_QPA_PLATFORM": "xcb",
        # Xvfb has no graphics card; Mesa draws on the processor.
        "LIBGL_ALWAYS_SOFTWARE": "1",
    }

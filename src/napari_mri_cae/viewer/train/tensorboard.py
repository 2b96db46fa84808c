"""Look at a run with TensorBoard, in the browser."""

import re
import subprocess
import sys
import tempfile
import threading
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from napari_mri_cae.errors import InputError

# Other addresses that it prints lead to advice.
_ADDRESS: Final = re.compile(rb"TensorBoard \S+ at (https?://\S+)")
_ANSWERS_WITHIN_S: Final = 60.0
# Its end is that of its standard input, which the system closes with whoever started it, however that ends.
_SERVER: Final = """
import os, sys, threading
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
from tensorboard.main import run_main
run_main()
"""


class TensorBoard:
    """TensorBoard's server for one folder, in a process of its own that ends with the dock."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: Path | None = None
        self._address = ""
        self._serving = threading.Lock()
        self._closings = 0

    def serve(self, folder: Path) -> str:
        """Return the address at which a folder can be looked at, once it answers. Not for the main thread.

        Raises
        ------
        InputError
            If TensorBoard is not installed or does not start, or the run has left nothing for it.
        """
        if find_spec("tensorboard") is None:
            raise InputError("TensorBoard is not installed: install it with 'pip install tensorboard'.")
        if not folder.is_dir():
            raise InputError(
                f"{folder.parent.name} has left nothing for TensorBoard: it was not installed where it ran."
            )
        closings = self._closings
        with self._serving:
            if self._process is None or self._process.poll() is not None or self._folder != folder:
                self._end()
                self._address = self._start(folder, closings)
            return self._address

    def close(self) -> None:
        """End the server. Does not wait for one that is being started: it ends by itself."""
        self._closings += 1
        self._end()

    def _start(self, folder: Path, closings: int) -> str:
        """Return the address of a new server, unless there is a closing more than when it was asked for."""
        self._folder = folder
        command = [sys.executable, "-c", _SERVER, "--logdir", str(folder), "--port", "0"]
        # Windows deletes no file that another process writes.
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
            words = Path(place) / "words.txt"
            try:
                with words.open("wb") as output:
                    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=output)
            except OSError as error:
                raise InputError(f"TensorBoard cannot be started: {error.strerror or error}.") from error
            self._process = process
            if self._closings != closings:
                self._end()
            address = _address(process, words)
        if not address:
            self._end()
            raise InputError(f"TensorBoard did not start: try 'tensorboard --logdir {folder}'.")
        return address

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(2)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _address(process: "subprocess.Popen[bytes]", words: Path) -> str:
    """Return the address that a server prints when it is ready; "" if it ends before, or never is."""
    end = time.monotonic() + _ANSWERS_WITHIN_S
    while time.monotonic() < end and process.poll() is None:
        found = _ADDRESS.search(words.read_bytes())
        if found:
            return found[1].decode()
        time.sleep(0.1)
    return ""

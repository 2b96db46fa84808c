"""Look at a run with TensorBoard, in the browser."""

import re
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from napari_mri_cae.errors import InputError

_ADDRESS: Final = re.compile(rb"https?://\S+")
_ANSWERS_WITHIN_S: Final = 60.0


class TensorBoard:
    """TensorBoard's server for one folder, in a process of its own that ends with the dock."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: Path | None = None
        self._address = ""

    def serve(self, folder: Path) -> str:
        """Return the address at which a folder can be looked at, once it answers. Not for the main thread.

        Raises
        ------
        InputError
            If TensorBoard is not installed or does not start.
        """
        if find_spec("tensorboard") is None:
            raise InputError("TensorBoard is not installed: install it with 'pip install tensorboard'.")
        if self._process is not None and self._process.poll() is None and self._folder == folder:
            return self._address
        self.close()
        self._folder = folder
        command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder), "--port", "0"]
        log = folder / ".tensorboard.txt"
        try:
            with log.open("wb") as output:
                self._process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=output, stderr=output
                )
        except OSError as error:
            raise InputError(f"TensorBoard cannot be started: {error.strerror or error}.") from error
        end = time.monotonic() + _ANSWERS_WITHIN_S
        try:
            while time.monotonic() < end and self._process.poll() is None:
                found = _ADDRESS.search(log.read_bytes())
                if found:
                    self._address = found[0].decode()
                    return self._address
                time.sleep(0.1)
        finally:
            log.unlink(missing_ok=True)
        self.close()
        raise InputError(f"TensorBoard did not start: try 'tensorboard --logdir {folder}'.")

    def close(self) -> None:
        """End the server."""
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                process.wait(2)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

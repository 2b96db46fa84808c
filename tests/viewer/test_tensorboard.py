"""TensorBoard's server: it shows a run, and ends with the dock."""

import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from napari_mri_cae.errors import InputError
from napari_mri_cae.training.board import Board
from napari_mri_cae.viewer.train.tensorboard import TensorBoard

pytest.importorskip("tensorboard")

# Whoever starts a server and is then killed, without a word.
KILLED = """
import os, signal, sys
from pathlib import Path
from napari_mri_cae.viewer.train.tensorboard import TensorBoard
board = TensorBoard()
print(board.serve(Path(sys.argv[1])), board._process.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    board = Board(tmp_path / "run" / "tensorboard")
    board.add({"loss/training": 0.5}, 1)
    board.close()
    return tmp_path / "run" / "tensorboard"


def test_a_run_is_served_until_it_is_closed(folder: Path) -> None:
    board = TensorBoard()
    address = board.serve(folder)
    with urllib.request.urlopen(f"{address}data/logdir", timeout=30) as answer:
        assert str(folder) in answer.read().decode()
    process = board._process
    assert process is not None
    assert board.serve(folder) == address
    board.close()
    assert process.poll() is not None
    with pytest.raises(OSError, match=r"refused|reset"):
        urllib.request.urlopen(address, timeout=5)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such signal")
def test_it_ends_with_whoever_is_killed(folder: Path) -> None:
    from napari_mri_cae.training.run_folder import is_alive

    said = subprocess.run([sys.executable, "-c", KILLED, str(folder)], capture_output=True, text=True)
    address, pid = said.stdout.split()
    assert address.startswith("http://localhost")
    end = time.monotonic() + 20
    while is_alive(int(pid)) and time.monotonic() < end:
        time.sleep(0.05)
    assert not is_alive(int(pid))


def test_a_run_without_anything_for_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="run has left nothing for TensorBoard"):
        TensorBoard().serve(tmp_path / "run" / "tensorboard")

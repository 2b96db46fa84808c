"""TensorBoard's server: it shows a run, and ends with the dock."""

import subprocess
import sys
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from napari_mri_cae.errors import InputError
from napari_mri_cae.training.board import Board
from napari_mri_cae.viewer.train import tensorboard
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


def test_who_asks_while_it_is_being_started_gets_the_same_address(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = "import time; time.sleep(0.5); print('TensorBoard 2 at http://localhost:6 (x)', flush=True)"
    monkeypatch.setattr(tensorboard, "_SERVER", f"{server}; time.sleep(60)")
    board = TensorBoard()
    with ThreadPoolExecutor() as threads:
        first = threads.submit(board.serve, folder)
        while board._process is None:
            time.sleep(0.01)
        second = threads.submit(board.serve, folder)
    assert first.result() == second.result() == "http://localhost:6"
    board.close()


def test_one_that_is_being_started_when_it_is_closed_does_not_stay(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[subprocess.Popen[bytes]] = []
    popen, gate = subprocess.Popen, threading.Event()

    def start(*args: Any, **kwargs: Any) -> Any:
        begun.append(popen(*args, **kwargs))
        assert gate.wait(20)
        return begun[0]

    monkeypatch.setattr(subprocess, "Popen", start)
    board = TensorBoard()
    with ThreadPoolExecutor() as threads:
        answer = threads.submit(board.serve, folder)
        while not begun:
            time.sleep(0.01)
        board.close()
        gate.set()
        with pytest.raises(InputError, match="did not start"):
            answer.result(20)
    assert begun[0].poll() is not None


def test_a_run_without_anything_for_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="run has left nothing for TensorBoard"):
        TensorBoard().serve(tmp_path / "run" / "tensorboard")

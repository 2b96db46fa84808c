"""The Train dock: what is trained on, a real run from beginning to end, and runs that end otherwise."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import yaml
from napari.components import ViewerModel
from napari.qt.threading import FunctionWorker
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QTimer, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QApplication, QFileDialog, QMessageBox, QWidget

from napari_mri_cae.comparison.noteworthy import typicality
from napari_mri_cae.errors import InputError
from napari_mri_cae.models import list_models, load_model
from napari_mri_cae.training import RunFolder, TrainingConfig
from napari_mri_cae.training.run_folder import RunStatus, is_alive
from napari_mri_cae.viewer.compare import open_docks
from napari_mri_cae.viewer.plots import plot_colors
from napari_mri_cae.viewer.train import TrainDock, dock, follower, process, session
from napari_mri_cae.viewer.train.follower import PREVIEWS, Preview
from napari_mri_cae.viewer.train.plots import Curves
from napari_mri_cae.viewer.train.preview_layers import PreviewLayers
from napari_mri_cae.viewer.train.state import FIRST_RECIPE, TrainState
from napari_mri_cae.viewer.widgets import NOTHING, in_hours

PATIENCE_S = 120
RECIPE = {
    "name": "tiny",
    "planes": ["axial"],
    "sampling": {"kind": "patches", "size": 16},
    "batch_size": 2,
    "augmentation": {"steps": [{"kind": "gaussian-noise", "sigma": [0.0, 0.1]}]},
    "architecture": "skip-unet",
    "architecture_parameters": {"channels": 4, "levels": 1},
    "multiple_of": 2,
    "epochs": 3,
    "steps_per_epoch": 4,
    "validation": {"sigmas": [0.0, 0.05], "slices_per_plane": 1},
    "precision": "32-true",
    "threads": 1,
}


class Hands:
    """A dock, and what a user does with it."""

    def __init__(self, dock: TrainDock, qtbot: Any, sentences: list[str]) -> None:
        self.dock = dock
        self.qtbot = qtbot
        self.sentences = sentences

    @property
    def state(self) -> str:
        return self.dock.session.status.state

    def until(self, condition: Callable[[], Any]) -> None:
        self.qtbot.waitUntil(lambda: bool(condition()), timeout=PATIENCE_S * 1000)

    def until_looked(self) -> None:
        self.until(lambda: not self.dock.overview_box.is_busy)

    def click(self, button: QWidget) -> None:
        # What the run says on disk may be a moment ahead of the dock.
        self.until(button.isEnabled)
        self.qtbot.mouseClick(button, Qt.MouseButton.LeftButton)

    def drop(self, *paths: Path) -> None:
        data = QMimeData()
        data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
        where = (Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
        enter, drop = QDragEnterEvent(QPoint(30, 30), *where), QDropEvent(QPointF(30, 30), *where)
        QApplication.sendEvent(self.dock, enter)
        assert enter.isAccepted()
        QApplication.sendEvent(self.dock, drop)

    def answer(self, words: str) -> None:
        """Press a button of the question that will be asked."""

        def press() -> None:
            box = QApplication.activeModalWidget()
            if not isinstance(box, QMessageBox):
                QTimer.singleShot(50, press)
                return
            (button,) = [one for one in box.buttons() if one.text().replace("&", "") == words]
            button.click()

        QTimer.singleShot(50, press)


@pytest.fixture
def folder(tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A BIDS folder of four subjects."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "user-data"))
    place = tmp_path / "volumes"
    for number in range(1, 5):
        voxels = np.zeros((24, 24, 20), np.int16)
        voxels[4:20, 4:20, 4:16] = rng.integers(200, 1000, (16, 16, 12))
        path = place / f"sub-{number}" / "anat" / f"sub-{number}_T1w.nii.gz"
        path.parent.mkdir(parents=True)
        nib.save(nib.Nifti1Image(voxels, np.diag([-1, 1, 1, 1])), path)
    rows = "".join(f"sub-{number}\t{'MF'[number % 2]}\n" for number in range(1, 5))
    (place / "participants.tsv").write_text(f"participant_id\tsex\n{rows}")
    (place / "dataset_description.json").write_text('{"Name": "tiny", "BIDSVersion": "1.9.0"}')
    return place


@pytest.fixture
def recipe(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes a recipe of seconds."""

    def write(**changes: Any) -> Path:
        path = tmp_path / "tiny.yaml"
        path.write_text(yaml.safe_dump({**RECIPE, **changes}))
        return path

    return write


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """Every training that is started; none outlives the test."""
    from napari_mri_cae.viewer import processes

    begun: list[subprocess.Popen[bytes]] = []
    start = subprocess.Popen

    def remember(*args: Any, **kwargs: Any) -> Any:
        begun.append(start(*args, **kwargs))
        return begun[-1]

    monkeypatch.setattr(subprocess, "Popen", remember)
    # On a machine that is busy otherwise a test should not wait for all of that.
    monkeypatch.setattr(processes, "_NICENESS", 1)
    yield begun
    for one in begun:
        if one.poll() is None:
            one.kill()
        one.wait(PATIENCE_S)


@pytest.fixture
def alone(
    qtbot: Any, sentences: list[str], no_threads_left: None, folder: Path, processes: list[Any]
) -> Callable[[], Hands]:
    """A function that shows the dock alone."""

    def make() -> Hands:
        dock = TrainDock(ViewerModel())
        qtbot.addWidget(dock, before_close_func=lambda dock: dock.stop())
        dock.resize(380, 900)
        dock.show()
        return Hands(dock, qtbot, sentences)

    return make


def test_it_says_what_will_be_trained_on(alone: Callable[[], Hands], folder: Path, recipe: Any) -> None:
    hands = alone()
    dock, box = hands.dock, hands.dock.overview_box
    assert not dock.run_box.train_button.isEnabled()
    assert dock.run_box.hint.text() == "Choose a data folder first."
    hands.drop(recipe(split={"validation": 0.25, "test": 0.25}))
    hands.drop(folder)
    hands.until_looked()
    assert box.counts.rows == [
        ("Training", "2", "2", "40"),
        ("Validation", "1", "1", "20"),
        ("Test", "1", "1", "20"),
    ]
    assert box.split_table.rows[0][0] == "sex f"
    assert len(box.shown.examples) == 5
    assert box.strip.height() > 60
    assert dock.run_box.train_button.isEnabled()
    assert dock.run_box.name.text() == "tiny-volumes"
    assert dock.run_box.run_folder.name.startswith("tiny-volumes-")
    # Settings that change what is trained on are looked at again, others not.
    dock.data_box.epochs.setValue(9)
    assert not box.is_busy
    dock.data_box.settings.set_open(True)
    by = dock.data_box.form.section("split").open().leaves["by"].widget
    by.value = "slice"
    assert box.is_busy
    hands.until_looked()
    assert "neighbouring slices look alike" in box.warnings.text()
    assert dock.state.config.epochs == 9
    # What is wrong in the form keeps the run from starting.
    dock.data_box.form.widget("batch_size").value = "0"
    assert not dock.run_box.train_button.isEnabled()
    assert "batch_size: must be at least 1" in dock.run_box.hint.text()
    dock.data_box.form.widget("batch_size").value = "2"
    assert dock.run_box.train_button.isEnabled()
    dock.run_box.name.clear()
    hands.qtbot.keyClicks(dock.run_box.name, "two words")
    assert dock.state.config.name == "two"
    assert dock.run_box.name_message.text()
    # It would be trained as "two".
    assert not dock.run_box.train_button.isEnabled()
    dock.data_box.epochs.setValue(8)
    assert dock.run_box.name.text() == "two words"
    hands.qtbot.keyClicks(dock.run_box.name, "\b" * len(" words"))
    assert dock.run_box.train_button.isEnabled()


def test_a_look_that_is_cancelled_leaves_nothing_of_the_folder_before(
    alone: Callable[[], Hands], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "sub-1" / "anat" / "sub-1_T1w.nii.gz").write_bytes(b"no volume")
    hands = alone()
    box, button = hands.dock.overview_box, hands.dock.run_box.train_button
    hands.dock.open_folder(folder)
    hands.until_looked()
    assert box.counts.rows
    assert not button.isEnabled()
    # The package has a function of the same name.
    module = sys.modules["napari_mri_cae.training.data.overview"]
    look = module.overview

    def slowly(config: Any, on_progress: Any, **options: Any) -> Any:
        while True:
            on_progress(1, 9, "reading volumes")
            time.sleep(0.01)

    monkeypatch.setattr(module, "overview", slowly)
    (tmp_path / "other").mkdir()
    hands.dock.open_folder(tmp_path / "other")
    hands.until(box.cancel_button.isVisible)
    hands.click(box.cancel_button)
    assert box.note.text().startswith("The data were not looked at")
    assert box.counts.rows == []
    assert not any(part.isVisibleTo(box) for part in (box.counts, box.rule, box.warnings, box.skip))
    assert button.isEnabled()
    monkeypatch.setattr(module, "overview", look)
    # There is nothing in that folder; now there is.
    hands.click(box.again_button)
    hands.until(lambda: "other" in box.note.text())
    shutil.copytree(folder, tmp_path / "other", dirs_exist_ok=True)
    hands.click(box.again_button)
    hands.until_looked()
    assert box.counts.rows
    assert not box.again_button.isVisible()
    hands.dock.open_folder(folder)
    hands.until_looked()
    assert box.counts.rows


def test_volumes_that_cannot_be_read_are_named_and_left_out_only_if_agreed(
    alone: Callable[[], Hands], folder: Path
) -> None:
    broken = folder / "sub-5" / "anat" / "sub-5_T1w.nii.gz"
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b"no volume")
    hands = alone()
    dock = hands.dock
    dock.open_folder(folder)
    hands.until_looked()
    assert "sub-5_T1w.nii.gz" in dock.overview_box.warnings.text()
    assert not dock.run_box.train_button.isEnabled()
    dock.overview_box.skip.click()
    assert dock.state.config.unreadable == "skip"
    assert dock.run_box.train_button.isEnabled()
    assert not dock.overview_box.is_busy


def test_what_cannot_be_opened_is_said(alone: Callable[[], Hands], folder: Path, tmp_path: Path) -> None:
    hands = alone()
    (tmp_path / "empty").mkdir()
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("name: x\nepochs: -1\n")
    for paths, words in (
        ((tmp_path / "empty", folder), "one folder"),
        ((next(folder.rglob("*.nii.gz")),), "is a file"),
        ((wrong,), "epochs: must be at least 1"),
    ):
        hands.drop(*paths)
        assert words in hands.sentences.pop()
        assert words in hands.dock.message.text()
    hands.dock.open_run(tmp_path / "empty")
    assert "is no run" in hands.sentences.pop()
    # A folder without volumes says so in its place.
    hands.drop(tmp_path / "empty")
    hands.until_looked()
    assert str(tmp_path / "empty") in hands.dock.overview_box.note.text()
    assert not hands.dock.run_box.train_button.isEnabled()
    assert hands.sentences == []


def test_from_a_folder_to_compare(
    make_napari_viewer: Any,
    qtbot: Any,
    sentences: list[str],
    no_threads_left: None,
    folder: Path,
    recipe: Any,
    processes: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1000, 900)
    _, dock = viewer.window.add_plugin_dock_widget("napari-mri-cae", "Train")
    hands = Hands(dock, qtbot, sentences)
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *args: str(folder))
    hands.click(dock.data_box.choose_button)
    dock.data_box.open_configuration(recipe())
    assert dock.state.data_folder == folder
    hands.until_looked()
    hands.click(dock.run_box.train_button)
    hands.until(lambda: dock.previews.layers)
    layers = dict(dock.previews.layers)
    hands.until(lambda: not dock.session.is_going_on)
    box = dock.progress_box
    assert hands.state == "finished"
    assert [len(box.curves.series[name]) for name in ("training", "validation")] == [3, 3]
    assert {name for name in box.curves.series if name.startswith("psnr/")} == {
        "psnr/volumes/sigma=0",
        "psnr/volumes/sigma=0.05",
    }
    assert box.numbers["epoch"].text() == "3 of 3"
    assert box.numbers["batch"].text() == "4 of 4"
    assert box.bar.value() == box.bar.maximum() == 12 or box._soon.isActive()
    assert dock.previews.layers == layers
    box.curves.log.click()
    hands.until(lambda: "tiny-volumes" in [card.name for card in list_models()])
    hands.until(lambda: "is kept as tiny-volumes" in dock.message.text())
    run = dock.session.run
    assert run.config() == dock.state.config.model_copy(update={"root": run.config().root})

    hands.click(box.compare_button)
    hands.until(lambda: open_docks(viewer) and open_docks(viewer)[0].comparison is not None)
    (compare,) = open_docks(viewer)
    assert compare.wait_until_done(PATIENCE_S)
    assert compare.comparison.model.card.name == "tiny-volumes"
    assert compare.comparison.model.card.training.recipe
    assert compare.comparison.plane == "axial"
    assert compare.model_box.model.currentText() == "tiny-volumes"
    held_out = compare.comparison.volume.name.removesuffix("_T1w")
    assert held_out in compare.comparison.model.card.training.data[0].validation_subjects
    # The card tells what is usual after the noise that Compare begins with.
    assert typicality(compare.comparison).reason == ""
    assert dock.visibleRegion().isEmpty()
    assert sentences == []


def test_pause_detach_find_again_crash_and_resume(
    alone: Callable[[], Hands], folder: Path, recipe: Any, processes: list[Any]
) -> None:
    hands = alone()
    dock, box = hands.dock, hands.dock.progress_box
    dock.open_folder(folder)
    dock.data_box.open_configuration(recipe(epochs=100_000))
    hands.until_looked()
    hands.click(dock.run_box.train_button)
    hands.until(lambda: len(box.curves.series.get("validation", ())) > 1)
    assert os.getpriority(os.PRIO_PROCESS, processes[0].pid) > os.getpriority(os.PRIO_PROCESS, 0)
    assert not dock.run_box.train_button.isEnabled()
    hands.click(box.pause_button)
    hands.until(lambda: hands.state == "paused")
    assert box.pause_button.text() == "Resume"
    hands.until(lambda: box.state.text() == "Paused")
    seen = dock.session.run.metrics()
    time.sleep(0.3)
    assert dock.session.run.metrics() == seen
    hands.click(box.pause_button)
    hands.until(lambda: len(dock.session.run.metrics()) > len(seen))

    # Closing is taken back, then the run is let go.
    hands.answer("Cancel")
    assert not dock.guard.ask()
    assert dock.session.is_going_on
    run = dock.session.run
    hands.answer("Keep running")
    assert dock.guard.ask()
    assert not dock.session.is_going_on
    assert processes[0].poll() is None
    dock.stop()

    # Another viewer finds it, and what was drawn before.
    other = alone()
    other.dock.open_run(run.path)
    other.until(lambda: other.state == "running")
    assert "started elsewhere" in other.dock.progress_box.state.text()
    assert len(other.dock.progress_box.curves.series["validation"]) >= 2
    processes[0].send_signal(signal.SIGKILL)
    processes[0].wait(PATIENCE_S)
    other.until(lambda: not other.dock.session.is_going_on)
    assert "Ended unexpectedly" in other.dock.progress_box.state.text()

    # It goes on from its last epoch, and ends when it is asked to.
    before = len(run.metrics())
    other.click(other.dock.progress_box.pause_button)
    other.until(lambda: len(run.metrics()) > before)
    assert run.metrics()[before]["epoch"] == before + 1
    began = time.monotonic()
    other.click(other.dock.progress_box.stop_button)
    other.until(lambda: not other.dock.session.is_going_on)
    assert time.monotonic() - began < 15
    assert other.state == "stopped"
    assert load_model(run.model_path).card.training.steps
    other.until(lambda: "is kept as" in other.dock.message.text())

    # A crash is a sentence; the viewer goes on. Closing with Stop leaves no process.
    other.click(other.dock.progress_box.pause_button)
    other.until(lambda: other.dock.session.is_alive and other.state == "running")
    processes[-1].send_signal(signal.SIGKILL)
    other.until(lambda: not other.dock.session.is_going_on)
    assert "status -9" in other.sentences.pop()
    other.click(other.dock.progress_box.pause_button)
    other.until(lambda: other.dock.session.is_alive and other.state == "running")
    other.answer("Stop")
    assert other.dock.guard.ask()
    assert all(not is_alive(one.pid) for one in processes)
    assert other.sentences == []


def test_a_run_that_cannot_begin_says_why(
    alone: Callable[[], Hands], folder: Path, recipe: Any, tmp_path: Path
) -> None:
    hands = alone()
    dock = hands.dock
    dock.open_folder(folder)
    dock.data_box.open_configuration(recipe(start_from="no-such-model"))
    dock.state.run_folder = tmp_path / "run"
    hands.click(dock.run_box.train_button)
    hands.until(lambda: not dock.session.is_going_on)
    hands.until(lambda: hands.sentences)
    assert "no-such-model" in hands.sentences.pop()
    assert "no-such-model" in dock.progress_box.state.text()
    # The folder is taken now.
    dock.state.run_folder = tmp_path / "run"
    hands.click(dock.run_box.train_button)
    hands.until(lambda: hands.sentences)
    assert "holds a run already" in hands.sentences.pop()
    # There is nothing to show, and it is corrected where it was chosen.
    assert dock.session.run is None
    assert not dock.progress_box.isVisible()
    assert dock.new_run.is_open
    assert "holds a run already" in dock.message.text()


@pytest.mark.parametrize("patience_s", [5.0, 0.05])
def test_a_run_that_is_just_being_started_is_in_hand(
    alone: Callable[[], Hands],
    folder: Path,
    recipe: Any,
    tmp_path: Path,
    processes: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    patience_s: float,
) -> None:
    reached, gate = threading.Event(), threading.Event()

    def start(*args: Any, **kwargs: Any) -> Any:
        reached.set()
        assert gate.wait(PATIENCE_S)
        return _sleeper()

    monkeypatch.setattr(session, "start", start)
    monkeypatch.setattr(follower, "_STARTS_WITHIN_S", patience_s)
    hands = alone()
    dock = hands.dock
    dock.open_folder(folder)
    dock.data_box.open_configuration(recipe())
    hands.click(dock.run_box.train_button)
    hands.until(reached.is_set)
    assert not dock.run_box.train_button.isEnabled()
    dock.open_run(tmp_path)
    assert "A run is going on here" in hands.sentences.pop()
    if patience_s > 1:
        threading.Timer(0.2, gate.set).start()
    hands.answer("Stop")
    assert dock.guard.ask()
    gate.set()
    hands.until(lambda: processes)
    (one,) = processes
    assert one.wait(PATIENCE_S) == -signal.SIGKILL
    assert hands.sentences == []


def test_a_run_that_goes_on_is_starting_until_its_own_process_says_more(
    alone: Callable[[], Hands], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunFolder(tmp_path / "run")
    run.checkpoints.mkdir(parents=True)
    run.last_checkpoint.write_bytes(b"")
    run.add_event("start", {"steps": 12, "epochs": 3})
    run.write_status(RunStatus(state="stopped", message="it was asked to stop", pid=1, host="here", step=4))
    hands = alone()
    box, session_ = hands.dock.progress_box, hands.dock.session
    hands.dock.open_run(run.path)
    hands.until(lambda: hands.state == "stopped")
    monkeypatch.setattr(session, "start", lambda *args, **kwargs: _sleeper())
    hands.click(box.pause_button)
    hands.until(lambda: session_.is_alive)
    assert (session_.is_starting, box.state.text()) == (True, "Starting")
    # It would be lost: the process begins by taking back what was asked for before.
    assert not box.stop_button.isEnabled()
    run.write_status(RunStatus(state="running", pid=1, host="here"))
    hands.until(lambda: hands.state == "running")
    assert box.stop_button.isEnabled()
    session_.end()

    run.write_status(RunStatus(state="stopped", message="it was asked to stop", pid=1, host="here"))
    (run.path / process.OUTPUT).write_text("mri-cae: the settings are wrong: correct them.\n")
    fails = [sys.executable, "-c", "raise SystemExit(1)"]
    monkeypatch.setattr(session, "start", lambda *args, **kwargs: subprocess.Popen(fails))
    hands.dock.open_run(run.path)
    hands.until(lambda: hands.state == "stopped")
    hands.click(box.pause_button)
    hands.until(lambda: hands.sentences)
    assert hands.sentences.pop() == "the settings are wrong: correct them."
    assert box.state.text() == "Failed: the settings are wrong: correct them."


def _sleeper() -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])


@pytest.mark.parametrize(
    ("visible", "device", "given"),
    [
        (None, "cuda:1", "1"),
        ("2,3", "cuda:0", "2"),
        ("2, GPU-5a", "cuda:1", "GPU-5a"),
        ("2,3", "auto", "2,3"),
        ("2,3", "cpu", ""),
    ],
)
def test_a_run_has_the_card_that_was_chosen(visible: str | None, device: str, given: str) -> None:
    own = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    assert process._environment(own, device)["CUDA_VISIBLE_DEVICES"] == given


def test_closing_waits_for_its_own_threads_only(alone: Callable[[], Hands], tmp_path: Path) -> None:
    gate, ends = threading.Event(), []
    others = FunctionWorker(gate.wait, PATIENCE_S / 8)
    others.start()
    hands = alone()
    run = RunFolder(tmp_path)
    run.add_event("start", {})
    run.write_status(RunStatus(state="running", pid=os.getpid(), host=socket.gethostname()))
    hands.dock.open_run(run.path)
    hands.until(lambda: hands.dock.session.is_alive and others.is_running)
    follower_ = hands.dock.session._follower
    hands.dock.background.run("test", lambda: (time.sleep(0.3), ends.append("own")), print, "Working")
    hands.until(lambda: hands.dock.background._running)
    began = time.monotonic()
    hands.dock.stop()
    assert time.monotonic() - began < 5
    assert ends == ["own"]
    assert follower_._idle.is_set()
    assert others.is_running
    gate.set()


def test_tensorboard_is_started_once(
    alone: Callable[[], Hands], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, opened = threading.Event(), []
    run = RunFolder(tmp_path)
    run.add_event("start", {})
    hands = alone()
    hands.dock.open_run(run.path)
    button = hands.dock.progress_box.board_button
    monkeypatch.setattr(hands.dock._board, "serve", lambda folder: gate.wait(PATIENCE_S) and "address")
    monkeypatch.setattr(dock, "_browse", opened.append)
    hands.until(button.isVisible)
    hands.click(button)
    assert not button.isEnabled()
    assert button.text() == "Starting ..."
    gate.set()
    hands.until(lambda: opened)
    assert opened == ["address"]
    assert button.isEnabled()
    assert button.text() == "TensorBoard"


def test_closing_asks_what_becomes_of_a_run(
    make_napari_viewer: Any, qtbot: Any, sentences: list[str]
) -> None:
    viewer = make_napari_viewer(show=True)
    widget, dock = viewer.window.add_plugin_dock_widget("napari-mri-cae", "Train")
    hands = Hands(dock, qtbot, sentences)
    chosen: list[str] = []
    going_on = [True]
    dock.guard._is_needed = lambda: going_on[0]
    dock.guard._on_stop = lambda: (chosen.append("stop"), going_on.clear(), going_on.append(False))
    dock.guard._on_keep = lambda: chosen.append("keep")
    hands.until(dock.isVisible)
    window = dock.window()
    # The whole window, and the dock's own button, which only hides it.
    hands.answer("Cancel")
    assert not window.close()
    assert window.isVisible()
    hands.answer("Cancel")
    hands.click(widget.title.hide_button)
    assert widget.isVisible()
    hands.answer("Keep running")
    hands.click(widget.title.hide_button)
    assert not widget.isVisible()
    assert chosen == ["keep"]
    # The button that removes the dock cannot be taken back.
    widget.show()
    hands.answer("Stop")
    hands.click(widget.title.close_button)
    hands.until(lambda: chosen == ["keep", "stop"])
    assert "Train (napari-mri-cae)" not in viewer.window.dock_widgets


def test_previews_change_in_place_and_can_be_deleted() -> None:
    def preview(value: float, width: int = 6) -> Preview:
        return Preview(1, {name: np.full((5, width), value, np.float32) for name in PREVIEWS})

    viewer = ViewerModel()
    previews = PreviewLayers(viewer)
    previews.show(preview(0.25))
    layers = list(viewer.layers)
    arrays = [layer.data for layer in layers]
    assert [layer.name for layer in layers] == [f"Preview: {name}" for name in PREVIEWS]
    # Beside each other, in the order of the names, and in the units that volumes have.
    assert [layer.translate[1] for layer in layers] == [0, 10, 20]
    assert all(str(unit) == "millimeter" for layer in layers for unit in layer.units)
    layers[0].name = "mine"
    previews.show(preview(0.75))
    assert list(viewer.layers) == layers
    assert all(
        layer.data is array and (array == 0.75).all() for layer, array in zip(layers, arrays, strict=True)
    )
    viewer.layers.remove(layers[1])
    previews.show(preview(0.5))
    assert list(viewer.layers) == [layers[0], layers[2]]
    previews.show(preview(0.5, width=8))
    assert [layer.data.shape for layer in viewer.layers] == [(5, 8)] * 3
    previews.close()
    assert not viewer.layers


def test_a_run_of_yesterday(alone: Callable[[], Hands], tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "yesterday")
    run.path.mkdir()
    TrainingConfig.model_validate(RECIPE).save(run.config_path)
    run.add_event("start", {"step": 0, "steps": 12, "epochs": 3, "epoch": 0})
    run.add_event("step", {"step": 2, "loss": 0.5, "slices_per_second": 120.4, "seconds_left": 4000})
    row = {"epoch": 1, "step": 4, "training_loss": 0.4, "validation_loss": None, "psnr": 31.5}
    run.add_event("validation", row)
    run.add_event("preview", {"epoch": 1, "path": "previews/gone.npz", "sheet": "previews/gone.png"})
    run.write_status(RunStatus(state="stopped", message="it was asked to stop", epoch=1, epochs=3, step=4))
    hands = alone()
    hands.drop(run.path)
    box = hands.dock.progress_box
    hands.until(lambda: box.curves.series)
    assert box.curves.series == {"batch": [(0.5, 0.5)], "training": [(1.0, 0.4)], "psnr": [(1.0, 31.5)]}
    assert box.state.text() == "Stopped: it was asked to stop"
    assert [box.numbers[name].text() for name in ("epoch", "batch", "left", "speed", "psnr")] == [
        "1 of 3",
        "4 of 4",
        NOTHING,
        "120",
        "31.50",
    ]
    assert not any(button.isEnabled() for button in (box.pause_button, box.stop_button, box.compare_button))
    hands.until(lambda: box.bar.maximum() == 12)
    hands.click(box.close_button)
    assert not box.isVisible()
    assert hands.dock.session.run is None


def test_legends_name_every_curve_in_its_colour(qtbot: Any) -> None:
    viewer = ViewerModel()
    curves = Curves(plot_colors(viewer))
    qtbot.addWidget(curves)
    row = {
        f"psnr/{data}/sigma={sigma}": 30.0
        for data in ("ixi", "oasis")
        for sigma in ("0", "0.03", "0.1", "0.2")
    }
    curves.add_batch(0.5, 0.2)
    curves.add_epoch({"epoch": 1, "training_loss": 0.2, "validation_loss": 0.3, **row})
    curves.draw()

    def pens() -> list[tuple[str, Qt.PenStyle]]:
        pens = [item.opts["pen"] for item in curves.psnr.getPlotItem().listDataItems()]
        return [(pen.color().name(), pen.style()) for pen in pens]

    assert len(set(pens())) == 8
    text = curves.legends[curves.psnr].text()
    assert "oasis\N{NO-BREAK SPACE}0.03" in text
    assert all(color in text for color, _ in pens())
    assert "batch" not in curves.legends[curves.loss].text()
    before = pens()
    viewer.theme = "light"
    curves.set_colors(plot_colors(viewer))
    assert pens() != before
    assert all(color in curves.legends[curves.psnr].text() for color, _ in pens())
    curves.clear()
    assert curves.legends[curves.psnr].text() == ""


def test_a_schedule_stretches_with_the_epochs() -> None:
    state = TrainState()
    before = state.config
    state.choose_epochs(2)
    assert state.config.epochs == 2
    assert state.config.schedule.decay_steps == round(before.schedule.decay_steps * 2 / before.epochs)
    assert state.config.schedule.warmup_steps == before.schedule.warmup_steps == 100
    state.choose_epochs(before.epochs)
    assert abs(state.config.schedule.decay_steps - before.schedule.decay_steps) < before.epochs


@pytest.mark.parametrize(
    ("recipe", "folder", "name"),
    [
        ("my recipe", "volumes", "my-recipe-volumes"),
        ("_mine", "zwei Köpfe", "mine-zwei-K-pfe"),
        ("模型", "データ", "model"),
    ],
)
def test_a_configuration_may_be_called_anything(recipe: str, folder: str, name: str) -> None:
    state = TrainState()
    state.choose_folder(Path("some"))
    state.choose_recipe(recipe, TrainState().config)
    state.choose_folder(Path(folder))
    assert (state.recipe, state.config.name) == (recipe, name)


def test_a_configuration_that_is_refused_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    state = TrainState()
    state.choose_folder(Path("some"))
    before = state.config
    monkeypatch.setattr("napari_mri_cae.viewer.train.state.model_name", lambda *_: "no name")
    with pytest.raises(InputError):
        state.choose_recipe("other", TrainState().config)
    assert (state.recipe, state.config) == (FIRST_RECIPE, before)


def test_durations() -> None:
    assert [in_hours(seconds) for seconds in (4.2, 89, 300, 5400, 90_000)] == [
        "4 s",
        "89 s",
        "5 min",
        "1 h 30 min",
        "25 h 00 min",
    ]

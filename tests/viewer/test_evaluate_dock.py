"""The Evaluate dock: choices, a real evaluation, one that is cancelled, and from a slice to Compare."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QTimer, QUrl
from qtpy.QtGui import QDesktopServices, QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QApplication, QCheckBox, QMessageBox, QWidget

from napari_mri_cae.corruptions import GaussianNoise
from napari_mri_cae.evaluation import Condition, EvaluationPlan, carry_out, read_table
from napari_mri_cae.models import DEFAULT_MODEL
from napari_mri_cae.viewer import processes
from napari_mri_cae.viewer.compare import CompareDock
from napari_mri_cae.viewer.evaluate import EvaluateDock, comparing
from napari_mri_cae.viewer.evaluate.comparing import show_slice
from napari_mri_cae.viewer.evaluate.corruptions_box import read_strengths
from napari_mri_cae.viewer.layers import role_of

PATIENCE_S = 120


class Hands:
    """The dock, and what a user does with it."""

    def __init__(self, dock: EvaluateDock, qtbot: Any, sentences: list[str]) -> None:
        self.dock = dock
        self.qtbot = qtbot
        self.sentences = sentences

    def until(self, condition: Callable[[], Any]) -> None:
        self.qtbot.waitUntil(lambda: bool(condition()), timeout=PATIENCE_S * 1000)

    def click(self, widget: QWidget) -> None:
        assert widget.isEnabled()
        # A check box takes clicks on its square and its words only.
        place = QPoint(6, widget.height() // 2) if isinstance(widget, QCheckBox) else widget.rect().center()
        self.qtbot.mouseClick(widget, Qt.MouseButton.LeftButton, pos=place)

    def type(self, kind: str, text: str) -> None:
        """Type the strengths of a corruption."""
        line = self.dock.corruptions_box.rows[kind].line
        line.selectAll()
        self.qtbot.keyClicks(line, text)

    def type_many(self) -> None:
        """Paste strengths that it takes minutes to measure."""
        line = self.dock.corruptions_box.rows["gaussian-noise"].line
        line.selectAll()
        QApplication.clipboard().setText(", ".join(f"{number / 1000:g}" for number in range(1, 100)))
        line.paste()

    def drop(self, *paths: Path) -> None:
        data = QMimeData()
        data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
        where = (Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
        enter, drop = QDragEnterEvent(QPoint(30, 30), *where), QDropEvent(QPointF(30, 30), *where)
        QApplication.sendEvent(self.dock, enter)
        assert enter.isAccepted()
        QApplication.sendEvent(self.dock, drop)
        self.until(lambda: not self.dock.background.is_waiting_for())

    def evaluate(self) -> None:
        self.click(self.dock.run_box.evaluate_button)
        assert self.dock.progress_box.isVisible()
        assert not self.dock.run_box.evaluate_button.isEnabled()


@pytest.fixture
def study(tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A BIDS folder of two subjects."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "user-data"))
    # On a machine that is busy otherwise a test should not wait for all of that.
    monkeypatch.setattr(processes, "_NICENESS", 0)
    place = tmp_path / "study"
    for number in (1, 2):
        voxels = np.zeros((48, 48, 16), np.int16)
        voxels[8:40, 8:40, 3:13] = rng.integers(200, 1000, (32, 32, 10))
        path = place / f"sub-{number}" / "anat" / f"sub-{number}_T1w.nii.gz"
        path.parent.mkdir(parents=True)
        nib.save(nib.Nifti1Image(voxels, np.diag([-1, 1, 1, 1])), path)
    return place


@pytest.fixture
def alone(
    qtbot: Any, sentences: list[str], no_threads_left: None, study: Path, tiny_model: Path
) -> Iterator[Hands]:
    """The dock alone, with the tiny model as the only one that is chosen."""
    dock = EvaluateDock(ViewerModel())
    qtbot.addWidget(dock, before_close_func=lambda dock: dock.stop())
    dock.resize(380, 1000)
    dock.show()
    hands = Hands(dock, qtbot, sentences)
    hands.drop(tiny_model)
    hands.click(dock.models_box.models[DEFAULT_MODEL])
    assert dock.state.models == (str(tiny_model),)
    yield hands
    dock.stop()


def test_from_volumes_to_the_report(
    alone: Hands, study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dock, state = alone.dock, alone.dock.state
    opened: list[str] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url.toLocalFile()))
    button, hint = dock.run_box.evaluate_button, dock.run_box.hint
    assert (button.isEnabled(), hint.text()) == (False, "Add a volume first.")
    broken = tmp_path / "broken.nii.gz"
    broken.write_bytes(b"no volume")
    alone.drop(broken)
    assert len(alone.sentences) == 1
    assert "broken.nii.gz" in alone.sentences[0]
    alone.drop(study)
    assert [path.name for path in state.volumes] == ["sub-1_T1w.nii.gz", "sub-2_T1w.nii.gz"]
    assert dock.volumes_box.count.text() == "2 volumes of 2 subjects"
    assert button.isEnabled()
    # What cannot be is refused where it stands, at once.
    row = dock.corruptions_box.rows["gaussian-noise"]
    alone.type("gaussian-noise", "0.05, 2")
    assert row.message.text() == "'2' will not do: give a number, 0 to 1."
    assert not button.isEnabled()
    alone.type("gaussian-noise", "0.05 0.1")
    alone.type("blank-out", "8")
    alone.click(dock.corruptions_box.clean)
    assert state.strengths == {"gaussian-noise": (0.05, 0.1), "blank-out": (8,)}
    alone.click(dock.run_box.planes["axial"])
    assert hint.text() == "Choose a plane."
    alone.click(dock.run_box.planes["coronal"])
    dock.run_box.form.widget("every").value = "0"
    assert "every: must be at least 1" in hint.text()
    dock.run_box.form.widget("every").value = "4"
    state.output = tmp_path / "table.tsv"

    alone.evaluate()
    alone.until(lambda: dock.results_box.isVisible())
    assert not dock.session.is_going_on
    results = dock.session.results
    assert results is not None
    assert not results.was_complete
    # The very numbers of the same evaluation without a window.
    elsewhere = results.plan.model_copy(update={"output": tmp_path / "other.tsv", "report": None})
    assert elsewhere.settings.planes == ("coronal",)
    np.testing.assert_equal(carry_out(elsewhere).rows, read_table(tmp_path / "table.tsv"))
    text = dock.results_box.table.text()
    assert text.count("<b>") == 2 * 4
    best = max(
        one.mean["psnr"]
        for one in results.summaries
        if (one.corruption, one.region) == ("Gaussian noise (sigma 0.1)", "whole slice")
    )
    assert f"<b>{best:.2f}</b>" in text
    assert "data range 1" in dock.results_box.about.text()
    assert "whole slice" in dock.results_box.about.text()
    alone.click(dock.results_box.report_button)
    alone.click(dock.results_box.folder_button)
    assert opened == [str(tmp_path / "table.html"), str(tmp_path)]


def test_cancelled_broken_down_and_gone_on(alone: Hands, study: Path) -> None:
    dock, session = alone.dock, alone.dock.session
    alone.drop(study)
    alone.click(dock.models_box.methods["nlm"])
    alone.type_many()

    def part() -> int:
        (file,) = dock.run_box.output.parent.glob("*.part")
        return len({row.job for row in read_table(file)})

    alone.evaluate()
    alone.until(lambda: "sub-1_T1w, axial, Gaussian noise" in session.step)
    assert 0 < session.done < session.total
    child = session._process._process
    began = time.monotonic()
    alone.click(dock.progress_box.cancel_button)
    child.wait(10)
    assert time.monotonic() - began < 10
    assert not dock.progress_box.isVisible()
    assert "Press Evaluate to go on from there" in dock.message.text()
    measured = part()
    assert measured > 0

    output = dock.run_box.output
    alone.evaluate()
    alone.until(lambda: session.done > measured and session.step.startswith("Measured"))
    assert session.plan is not None
    assert session.plan.output == output
    assert session.seconds_left is not None
    assert alone.sentences == []
    # Something outside ends it.
    os.kill(session._process._process.pid, signal.SIGKILL)
    alone.until(lambda: alone.sentences)
    assert "ended unexpectedly" in alone.sentences[0]
    assert not session.is_going_on
    assert dock.run_box.evaluate_button.isEnabled()
    assert part() > measured

    # Something else gets a folder of its own; what cannot be is said in a sentence.
    alone.sentences.clear()
    alone.click(dock.models_box.methods["nlm"])
    assert dock.run_box.output != output
    for file in study.rglob("*.nii.gz"):
        file.unlink()
    alone.evaluate()
    alone.until(lambda: alone.sentences)
    assert len(alone.sentences) == 1
    assert "sub-1_T1w.nii.gz" in alone.sentences[0]
    assert "sub-1_T1w.nii.gz" in dock.message.text()


def test_from_a_layer_to_compare_at_the_worst_slice(
    make_napari_viewer: Any,
    qtbot: Any,
    sentences: list[str],
    no_threads_left: None,
    study: Path,
    tiny_model: Path,
) -> None:
    viewer = make_napari_viewer(show=True)
    volume = study / "sub-2" / "anat" / "sub-2_T1w.nii.gz"
    viewer.open(volume, plugin="napari-mri-cae")
    widget, dock = viewer.window.add_plugin_dock_widget("napari-mri-cae", "Evaluate")
    hands = Hands(dock, qtbot, sentences)
    hands.until(lambda: dock.state.volumes == (volume,))
    dock.state.models, dock.state.baselines = (str(tiny_model),), ()
    hands.type("gaussian-noise", "0.1")
    hands.evaluate()
    hands.until(lambda: dock.session.results is not None)
    dock.results_box.worst_fold.set_open(True)
    worst = dock.results_box.worst
    hands.until(worst.isVisible)
    row = dock.session.results.worst[0].row
    place = worst.visualItemRect(worst.item(0)).center()
    qtbot.mouseClick(worst.viewport(), Qt.MouseButton.LeftButton, pos=place)

    def compare() -> CompareDock:
        (found,) = [one for one in viewer.window.dock_widgets.values() if isinstance(one, CompareDock)]
        return found

    hands.until(lambda: compare().comparison is not None and compare().wait_until_done(PATIENCE_S))
    assert compare().session.current_slice() == row.slice
    # The layer that was there already.
    assert [layer.metadata["file"] for layer in viewer.layers if role_of(layer) == "source"] == [str(volume)]
    assert compare().comparison.metrics["psnr_reconstructed"][row.slice] == pytest.approx(row.psnr, abs=1e-3)

    # The window does not close under an evaluation without a question; the dock may be hidden.
    stopped: list[bool] = []
    dock.guard._is_needed = lambda: not stopped
    dock.guard._on_stop = lambda: stopped.append(True)
    asked: list[str] = []

    def answer(words: str) -> None:
        def press() -> None:
            box = QApplication.activeModalWidget()
            if not isinstance(box, QMessageBox):
                QTimer.singleShot(50, press)
                return
            asked.append(box.text())
            (button,) = [one for one in box.buttons() if one.text().replace("&", "") == words]
            button.click()

        QTimer.singleShot(50, press)

    hands.click(widget.title.hide_button)
    assert not widget.isVisible()
    answer("Cancel")
    assert not widget.window().close()
    answer("Stop")
    assert dock.guard.ask()
    assert (asked, stopped) == (["An evaluation is going on."] * 2, [True])
    assert sentences == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0.03, 0.05,0.1", (0.03, 0.05, 0.1)), ("0.1 0.1; .2", (0.1, 0.2)), (" 1e-2 ", (0.01,))],
)
def test_strengths(text: str, expected: tuple[float, ...]) -> None:
    from napari_mri_cae.corruptions import GaussianNoise

    assert read_strengths(GaussianNoise, text) == expected


def test_a_worst_slice_of_a_series_is_of_the_frame_that_was_measured(
    open_window: Any, write_volume: Any, voxels: np.ndarray, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = open_window(model=tiny_model, alone=True)
    monkeypatch.setattr(comparing, "bring_up", lambda _viewer: window.dock)
    path = write_volume("run.nii.gz", np.stack([voxels, voxels // 2, voxels // 3, voxels // 4], axis=-1))
    chain = (GaussianNoise(sigma=0.1),)
    plan = EvaluationPlan(
        volumes=(path,),
        models=(str(tiny_model),),
        conditions=(chain,),
        frame=3,
        output=path.with_suffix(".tsv"),
    )
    results = SimpleNamespace(plan=plan, file_of=lambda _row: path)
    for index in (7, 2):
        row = SimpleNamespace(
            slice=index, plane="axial", corruption=Condition(chain).label, model=str(tiny_model)
        )
        show_slice(window.viewer, results, row)
        window.until(lambda index=index: window.session.current_slice() == index)
        window.until(lambda: window.viewer.dims.current_step[0] == 3 and not window.session.is_busy)
        assert window.until_done().original[index].mean() > 0
    assert sum(role_of(layer) == "source" for layer in window.viewer.layers) == 1
    # What the user opens next stays where it opens.
    window.session.close()
    window.drop(write_volume("other.nii.gz"))
    window.until_compared("other")
    assert window.session.current_slice() == 6


def test_volumes_are_added_to_those_that_are_still_sought(
    open_window: Any, study: Path, write_volume: Any, qtbot: Any
) -> None:
    viewer = open_window(alone=True).viewer
    dock = EvaluateDock(viewer)
    qtbot.addWidget(dock)
    single = write_volume("single.nii.gz")
    dock.volumes_box.add([study])
    dock.volumes_box.add([single])
    qtbot.waitUntil(lambda: not dock.background.is_waiting_for(), timeout=PATIENCE_S * 1000)
    assert len(dock.state.volumes) == 3
    dock.show()
    volumes = dock.volumes_box.list
    volumes.setCurrentRow(1)
    (delete,) = volumes.actions()
    for _ in range(2):
        delete.trigger()
        assert len(dock.state.volumes) == 2

"""The Evaluate dock."""

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari.utils.notifications import show_info
from qtpy.QtCore import QEvent, QThreadPool, QTimer
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_mri_cae.evaluation import EvaluationPlan, Row
from napari_mri_cae.viewer.background import Background
from napari_mri_cae.viewer.close_guard import CloseGuard, Question
from napari_mri_cae.viewer.compare.model_box import MODEL_SUFFIXES
from napari_mri_cae.viewer.dock import Dock
from napari_mri_cae.viewer.evaluate.comparing import show_slice
from napari_mri_cae.viewer.evaluate.corruptions_box import CorruptionsBox
from napari_mri_cae.viewer.evaluate.models_box import ModelsBox
from napari_mri_cae.viewer.evaluate.progress_box import ProgressBox
from napari_mri_cae.viewer.evaluate.results import Results
from napari_mri_cae.viewer.evaluate.results_box import ResultsBox
from napari_mri_cae.viewer.evaluate.run_box import RunBox
from napari_mri_cae.viewer.evaluate.session import EvaluationSession
from napari_mri_cae.viewer.evaluate.state import EvaluateState
from napari_mri_cae.viewer.evaluate.volumes_box import VolumesBox
from napari_mri_cae.viewer.forms import Fold
from napari_mri_cae.viewer.widgets import heading

if TYPE_CHECKING:
    import napari.viewer

_LONGEST_WAIT_MS = 2000
_QUESTION = Question(
    "An evaluation is going on.",
    "Stop it? What is measured is kept, and the same evaluation goes on from there.",
)


class EvaluateDock(Dock):
    """Models and classical methods measured on corrupted slices of many volumes.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        napari passes it when the dock is opened from the Plugins menu.

    Attributes
    ----------
    state : EvaluateState
        What the user has chosen.
    session : EvaluationSession
        The evaluation that goes on, or has ended.
    """

    def __init__(self, viewer: "napari.viewer.Viewer", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._started = False
        self.state = EvaluateState()
        self.session = EvaluationSession()
        self.background = Background()
        self.setMinimumWidth(300)

        self.progress_box = ProgressBox(self.session, self._cancel)
        self.results_box = ResultsBox(self.session, self._show_slice)
        self.volumes_box = VolumesBox(viewer, self.state, self.background, self._on_failed)
        self.models_box = ModelsBox(self.state, self._on_failed)
        self.corruptions_box = CorruptionsBox(self.state, self._show_obstacle)
        self.run_box = RunBox(self.state, self._obstacle, self._evaluate)
        self.choices = Fold(
            "What is evaluated", self._make_choices, tooltip="Volumes, models, corruptions, slices"
        )
        self.choices.set_open(True)
        self._set_parts((self.message, self.progress_box, self.results_box, self.choices))

        self.guard = CloseGuard(self, _QUESTION, lambda: self.session.is_going_on, self.session.cancel)
        self.session.changed.connect(self._show_obstacle)
        self.session.finished.connect(self._on_finished)
        self.session.failed.connect(self._on_broken)
        self.background.failed.connect(self._on_failed)
        # When the window goes, Qt deletes this widget without asking: nothing must outlive it.
        self.destroyed.connect(partial(_stop, self.session, self.background))

    def showEvent(self, event: QShowEvent | None) -> None:
        """Begin to watch the window that the dock is in, with the volume that is there."""
        super().showEvent(event)
        self.guard.watch()
        self.models_box.show_state()
        if not self._started:
            self._started = True
            QTimer.singleShot(0, self._begin)

    def event(self, event: QEvent | None) -> bool:
        """End what goes on when the dock lets go of the widget, and before that is deleted."""
        kind = None if event is None else event.type()
        if kind == QEvent.Type.ParentChange and self.parent() is None:
            if self.session.is_going_on and self.session.plan is not None:
                show_info(
                    "The evaluation was stopped. With the same choices and the same table, "
                    f"{self.session.plan.output}, it goes on from there."
                )
            self.stop()
        elif kind == QEvent.Type.DeferredDelete:
            self.stop()
        return super().event(event)

    def stop(self) -> None:
        """End the evaluation and all threads; what is measured is kept."""
        _stop(self.session, self.background)

    def _open_dropped(self, paths: list[Path]) -> None:
        """Add volumes, folders of them, and models."""
        models = [path for path in paths if path.suffix.lower() in MODEL_SUFFIXES]
        for path in models:
            self.models_box.open_model(path)
        volumes = [path for path in paths if path not in models]
        if volumes:
            self.volumes_box.add(volumes)

    def _make_choices(self) -> QWidget:
        content = QWidget()
        layout = QVBoxLayout(content)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        for title, box in (
            ("Volumes", self.volumes_box),
            ("Models and classical methods", self.models_box),
            ("Corruptions and strengths", self.corruptions_box),
            ("Slices", self.run_box),
        ):
            layout.addWidget(heading(title))
            layout.addWidget(box)
        return content

    def _begin(self) -> None:
        """Begin with the volume that is in the viewer, if it has a file."""
        self.run_box.device.list_devices(self._on_failed)
        layer = self.volumes_box.likely_layer()
        if layer is not None and not self.state.volumes and (layer.metadata.get("file") or layer.source.path):
            self.volumes_box.add_layer(layer)

    def _obstacle(self) -> str:
        """Return what keeps an evaluation from being started, in a sentence; "" if nothing does."""
        if self.session.is_going_on:
            return "An evaluation is going on."
        if self.corruptions_box.error:
            return self.corruptions_box.error
        return self.state.obstacle

    def _show_obstacle(self) -> None:
        self.run_box.show_state()

    def _evaluate(self, plan: EvaluationPlan) -> None:
        self._say("")
        self.choices.set_open(False)
        self.session.start(plan)
        self._scroll_area.ensureVisible(0, 0)

    def _cancel(self) -> None:
        done, total = self.session.done, self.session.total
        self.session.cancel()
        self.choices.set_open(True)
        after = f" after {done} of {total} slices" if total else ""
        self._say(f"Cancelled{after}. Press Evaluate to go on from there.")

    def _on_finished(self, results: Results) -> None:
        self._say("It had been measured already, and the table is as it was." if results.was_complete else "")

    def _on_broken(self, error: Exception) -> None:
        self.choices.set_open(True)
        self._on_failed(error)

    def _show_slice(self, results: Results, row: Row) -> None:
        show_slice(self._viewer, results, row)


def _stop(session: EvaluationSession, background: Background) -> None:
    """End all threads and processes; needs no widget."""
    session.close()
    background.forget(saves=True)
    pool = QThreadPool.globalInstance()
    if pool is not None and not sys.is_finalizing():
        pool.waitForDone(_LONGEST_WAIT_MS)

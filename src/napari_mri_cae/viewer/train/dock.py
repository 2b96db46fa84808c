"""The Train dock."""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QTimer, QUrl
from qtpy.QtGui import QDesktopServices, QShowEvent
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_mri_cae.errors import InputError
from napari_mri_cae.models import Card
from napari_mri_cae.training import RunFolder, RunStatus
from napari_mri_cae.viewer.background import Background
from napari_mri_cae.viewer.close_guard import CloseGuard, Question
from napari_mri_cae.viewer.compare import open_docks
from napari_mri_cae.viewer.dock import Dock
from napari_mri_cae.viewer.forms import Fold
from napari_mri_cae.viewer.plots import plot_colors
from napari_mri_cae.viewer.train.comparing import choose, compare, held_out_volume, remember
from napari_mri_cae.viewer.train.data_box import DataBox
from napari_mri_cae.viewer.train.follower import News
from napari_mri_cae.viewer.train.overview_box import OverviewBox
from napari_mri_cae.viewer.train.preview_layers import PreviewLayers
from napari_mri_cae.viewer.train.progress_box import ProgressBox
from napari_mri_cae.viewer.train.run_box import RunBox
from napari_mri_cae.viewer.train.session import RunSession
from napari_mri_cae.viewer.train.state import TrainState, runs_folder
from napari_mri_cae.viewer.train.tensorboard import TensorBoard
from napari_mri_cae.viewer.widgets import heading

if TYPE_CHECKING:
    import napari.viewer

_LONGEST_WAIT_S = 1.0
_QUESTION = Question(
    "A training is going on.",
    "Stop it, which keeps its best model, or let it go on by itself? It can be opened again with "
    '"Open a run ...".',
)


class TrainDock(Dock):
    """From a folder of volumes to a model, watched live.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        napari passes it when the dock is opened from the Plugins menu.

    Attributes
    ----------
    state : TrainState
        What the user has chosen for the next run.
    session : RunSession
        The run that is shown.
    """

    def __init__(self, viewer: "napari.viewer.Viewer", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._started = False
        self._is_closing = False
        self.state = TrainState()
        self.session = RunSession()
        self.background = Background()
        self.previews = PreviewLayers(viewer)
        self._board = TensorBoard()
        self.setMinimumWidth(300)

        self.open_button = QPushButton("Open a run ...")
        self.open_button.setToolTip("Open a run that has ended, or that goes on elsewhere, by its folder")
        self.open_button.clicked.connect(self._ask_run)
        self.progress_box = ProgressBox(
            self.session, self._compare, self._open_board, lambda: self.state.device, plot_colors(viewer)
        )
        self.data_box = DataBox(self.state, self._on_failed)
        self.overview_box = OverviewBox(self.state, self.background)
        self.run_box = RunBox(self.state, self._obstacle, self._train)
        self.overview_box.changed.connect(self.run_box.show_state)
        self.new_run = Fold("New run", self._make_new_run, tooltip="Data, recipe and settings of a new run")
        self.new_run.set_open(True)

        top = QHBoxLayout()
        top.addStretch(1)
        top.addWidget(self.open_button)
        self._set_parts((top, self.message, self.progress_box, self.new_run))

        self.guard = CloseGuard(
            self, _QUESTION, lambda: self._is_in_hand, self.session.end, self.session.leave
        )
        self.session.opened.connect(self._on_opened)
        self.session.news.connect(self._on_news)
        self.session.changed.connect(self.run_box.show_state)
        self.session.ended.connect(self._on_ended)
        self.session.failed.connect(self._on_run_failed)
        self.background.busy.connect(self._on_busy)
        self.background.failed.connect(self._on_failed)
        # Only a window has a theme that is worth following; its model has one as well.
        viewer.events.theme.connect(self._on_theme)
        # When the window goes, Qt deletes this widget without asking: no thread must outlive it.
        self.destroyed.connect(partial(_stop, self.session, self.background, self.overview_box, self._board))

    def open_run(self, folder: str | Path) -> None:
        """Show a run: one that has ended, or that goes on elsewhere."""
        if self._is_in_hand:
            self._on_failed(InputError("A run is going on here: stop it before you open another."))
            return
        self.session.open(Path(folder))

    def open_folder(self, folder: str | Path) -> None:
        """Train on the volumes of a folder."""
        self.data_box.open_folder(Path(folder))

    def _open_dropped(self, paths: list[Path]) -> None:
        """Open a folder of volumes, a run's folder, or a configuration."""
        if len(paths) != 1:
            self._on_failed(InputError("Drop one folder at a time, or one configuration."))
        elif paths[0].suffix.lower() in (".yaml", ".yml"):
            self.data_box.open_configuration(paths[0])
        elif not paths[0].is_dir():
            self._on_failed(InputError(f"{paths[0].name} is a file: drop the folder that it is in."))
        elif RunFolder(paths[0]).is_run:
            self.open_run(paths[0])
        else:
            self.open_folder(paths[0])

    def showEvent(self, event: QShowEvent | None) -> None:
        """Begin to watch the window that the dock is in."""
        super().showEvent(event)
        self.guard.watch()
        if not self._started:
            self._started = True
            QTimer.singleShot(0, lambda: self.run_box.device.list_devices(self._on_failed))

    def event(self, event: QEvent | None) -> bool:
        """Ask when the dock lets go of the widget; end the threads before it is deleted."""
        kind = None if event is None else event.type()
        if kind == QEvent.Type.ParentChange:
            if self.parent() is None and not self._is_closing:
                self._is_closing = True
                # The dock has gone already, and only the run can still be decided on.
                self.guard.ask(can_cancel=False)
                self.stop()
            elif self.parent() is not None:
                self._is_closing = False
        elif kind == QEvent.Type.DeferredDelete:
            self.stop()
        return super().event(event)

    def stop(self) -> None:
        """Follow nothing any more, and end all threads; a run goes on."""
        self.previews.close()
        _stop(self.session, self.background, self.overview_box, self._board)

    @property
    def _is_in_hand(self) -> bool:
        """Whether a run goes on that this viewer has started."""
        return self.session.is_going_on and self.session.is_own

    def _make_new_run(self) -> QWidget:
        content = QWidget()
        layout = QVBoxLayout(content)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(self.data_box)
        layout.addWidget(heading("What will be trained on"))
        layout.addWidget(self.overview_box)
        layout.addWidget(heading("Run"))
        layout.addWidget(self.run_box)
        return content

    def _obstacle(self) -> str:
        """Return what keeps a run from being started, in a sentence; "" if nothing does."""
        if self._is_in_hand:
            return "A run is going on."
        if self.state.data_folder is None:
            return "Choose a data folder first."
        if self.data_box.errors:
            return f"Correct the settings first: {self.data_box.errors[0]}."
        return self.overview_box.obstacle

    def _train(self, folder: Path) -> None:
        self._say("")
        self.overview_box.cancel()
        self.session.start(self.state.config, folder, self.state.device)

    def _ask_run(self) -> None:
        folder = runs_folder()
        name = QFileDialog.getExistingDirectory(
            self, "Open a run's folder", str(folder) if folder.is_dir() else ""
        )
        if name:
            self.open_run(name)

    def _open_board(self) -> None:
        run = self.session.run
        if run is not None:
            self.background.run(
                "board",
                partial(self._board.serve, run.tensorboard),
                _browse,
                "Starting TensorBoard ...",
            )

    def _compare(self) -> None:
        run = self.session.run
        if run is not None:

            def show(card: Card) -> None:
                compare(self._viewer, card, held_out_volume(run))

            self._remember(run, show)

    def _remember(self, run: RunFolder, then: Callable[[Card], None]) -> None:
        self.background.run("remember", partial(remember, run), then, "Keeping the model ...")

    def _on_opened(self, run: RunFolder) -> None:
        self._say("")
        self.previews.close()
        self.new_run.set_open(False)
        self._scroll_area.ensureVisible(0, 0)

    def _on_news(self, news: News) -> None:
        if news.preview is not None:
            self.previews.show(news.preview)
        for event in news.events:
            if event.get("event") == "warning":
                self._say(str(event.get("message") or event.get("sentence") or ""))

    def _on_ended(self, status: RunStatus) -> None:
        run = self.session.run
        if run is not None and status.state in ("finished", "stopped") and self.session.has_model:
            self._remember(run, self._choose_in_compare)

    def _choose_in_compare(self, card: Card) -> None:
        for dock in open_docks(self._viewer):
            choose(dock, card)
        self._say(f"The model is kept as {card.name}, and is in Compare's list.")

    def _on_run_failed(self, error: Exception) -> None:
        if self.session.run is None:
            # It could not begin, and can be corrected here.
            self.new_run.set_open(True)
        self._on_failed(error)

    def _on_busy(self, what: str) -> None:
        self.progress_box.show_board(is_starting=self.background.is_waiting_for("board"))

    def _on_theme(self, event: object = None) -> None:
        self.progress_box.curves.set_colors(plot_colors(self._viewer))


def _browse(address: str) -> None:
    QDesktopServices.openUrl(QUrl(address))


def _stop(session: RunSession, background: Background, overview: OverviewBox, board: TensorBoard) -> None:
    """End all threads and servers; needs no widget."""
    background.forget(saves=True)
    OverviewBox.cancel(overview)
    board.close()
    wait_s = 0.0 if sys.is_finalizing() else _LONGEST_WAIT_S
    # Ours end in a moment; those of other docks share Qt's pool, and may go on for minutes.
    session.leave(wait_s)
    background.wait(wait_s)

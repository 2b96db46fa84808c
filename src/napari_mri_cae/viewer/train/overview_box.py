"""What will be trained on: subjects, volumes and slices of each part, and a few of the slices."""

import threading
from typing import TYPE_CHECKING, Any, Final

from psygnal import Signal
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QCheckBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_mri_cae.errors import InputError
from napari_mri_cae.training import TrainingConfig
from napari_mri_cae.viewer.background import Background
from napari_mri_cae.viewer.forms import Fold
from napari_mri_cae.viewer.train.state import TrainState
from napari_mri_cae.viewer.train.strip import ExampleStrip

if TYPE_CHECKING:
    from napari_mri_cae.training.data.overview import DataOverview

# Settings that decide what is trained on; the others leave the overview as it is.
_RELEVANT: Final = (
    "data",
    "root",
    "split",
    "planes",
    "slices",
    "intensity",
    "sampling",
    "augmentation",
    "noise_drawn",
    "multiple_of",
    "seed",
)
_QUIET_MS: Final = 500
_LOOK_MS: Final = 200
_EXAMPLES: Final = 5
_LISTED: Final = 5
_EMPTY: Final = "Choose a folder, and you will see here what is in it."
_LOOKING: Final = "Looking at the data ..."
_NOT_LOOKED: Final = "The data were not looked at: the run will read them when it begins."


class Look:
    """One look at the data, which can be called off from another thread."""

    def __init__(self, config: TrainingConfig) -> None:
        self._config = config
        self._off = threading.Event()
        self.progress = (0, 0, "")

    def call_off(self) -> None:
        """End the work at its next step."""
        self._off.set()

    def __call__(self) -> "DataOverview":
        """Look, in a worker's thread."""
        from napari_mri_cae.training.data.overview import overview
        from napari_mri_cae.training.network import check_network

        check_network(self._config)
        # What cannot be read is shown, and the user decides; nothing is skipped without them.
        return overview(
            self._config.with_values({"unreadable": "skip"}), self._on_progress, examples=_EXAMPLES
        )

    def _on_progress(self, done: int, total: int, what: str) -> None:
        self.progress = (done, total, what)
        if self._off.is_set():
            raise _CalledOff


class _CalledOff(Exception):
    pass


class OverviewBox(QWidget):
    """Counts, warnings and example slices; computed in the background when the settings have come to rest.

    Parameters
    ----------
    state : TrainState
    background : Background

    Attributes
    ----------
    changed : psygnal.Signal
        Something is known that was not, or the user has agreed to skip volumes.
    shown : DataOverview or None
        What is shown; None while it is not known.
    """

    changed = Signal()

    def __init__(self, state: TrainState, background: Background, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._state = state
        self._background = background
        self._look: Look | None = None
        self._asked: tuple[Any, ...] = ()
        self._error = ""
        self.shown: DataOverview | None = None

        self.note = QLabel(_EMPTY)
        self.note.setWordWrap(True)
        self.note.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.bar = QProgressBar()
        self.bar.setFormat("%v of %m")
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setToolTip("Look no further; the run will read the data itself")
        self.cancel_button.clicked.connect(self._forget)
        self.again_button = QPushButton("Look at the data")
        self.again_button.setToolTip("Count and check what the run will read, and show examples")
        self.again_button.clicked.connect(self._begin)
        self._busy = QWidget()
        busy = QHBoxLayout(self._busy)
        busy.setContentsMargins(0, 0, 0, 0)
        busy.addWidget(self.bar, stretch=1)
        busy.addWidget(self.cancel_button)
        self._busy.hide()
        self.counts = _Table()
        self.rule = QLabel()
        self.rule.setWordWrap(True)
        self.split = Fold("Balance of the split", self._make_split)
        self.split_table = _Table()
        self.warnings = QLabel()
        self.warnings.setWordWrap(True)
        self.warnings.hide()
        self.skip = QCheckBox("Train without them")
        self.skip.setToolTip("Leave out the volumes that cannot be read; the run lists them in its data.json")
        self.skip.toggled.connect(self._on_skip)
        self.skip.hide()
        self.strip = ExampleStrip()
        self.strip.setToolTip("Slices to learn from: clean, with the outline of the brain, and corrupted")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for widget in (
            self.note,
            self._busy,
            self.again_button,
            self.counts,
            self.rule,
            self.split,
            self.warnings,
            self.skip,
            self.strip,
        ):
            layout.addWidget(widget)

        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(_QUIET_MS)
        self._soon.timeout.connect(self._begin)
        self._clock = QTimer(self)
        self._clock.setInterval(_LOOK_MS)
        self._clock.timeout.connect(self._show_progress)
        state.events.config.connect(self._on_config)
        self._show()
        self._on_config()

    @property
    def obstacle(self) -> str:
        """What is wrong with the data, in a sentence; "" as long as nothing is known to be."""
        if self._error:
            return "The data cannot be trained on as they are: see above."
        if self.shown is not None and self.shown.unreadable and self._state.config.unreadable != "skip":
            return "Some volumes cannot be read: take them out, or agree to train without them."
        return ""

    @property
    def is_busy(self) -> bool:
        """Whether the data are being looked at, or will be in a moment."""
        return self._look is not None or self._soon.isActive()

    def cancel(self) -> None:
        """Look no further. Touches no widget."""
        if self._look is not None:
            self._look.call_off()

    def _forget(self) -> None:
        """Look no further, and show nothing: what was found before belongs to other settings."""
        self.cancel()
        self._soon.stop()
        self._look, self._error, self.shown = None, "", None
        self._show()
        self.changed.emit()

    def _on_config(self, *_: Any) -> None:
        config = self._state.config
        self.skip.blockSignals(True)
        self.skip.setChecked(config.unreadable == "skip")
        self.skip.blockSignals(False)
        asked = tuple(getattr(config, name) for name in _RELEVANT)
        if asked == self._asked:
            return
        self._asked = asked
        if config.data:
            self.cancel()
            self._soon.start()
        else:
            self._forget()

    def _begin(self) -> None:
        self.cancel()
        look = Look(self._state.config)
        self._look, self._error = look, ""
        self._background.run(
            "overview",
            lambda: self._quietly(look),
            lambda found: self._on_found(look, found),
            _LOOKING,
            otherwise=lambda: self._on_found(look, None),
        )
        self._clock.start()
        self._show()

    @staticmethod
    def _quietly(look: Look) -> "DataOverview | str | None":
        """Look, and return what is wrong with the data instead of raising it: it is shown in their place."""
        try:
            return look()
        except InputError as error:
            return str(error)
        except _CalledOff:
            return None

    def _on_found(self, look: Look, found: "DataOverview | str | None") -> None:
        if look is not self._look:
            return
        self._look = None
        self._error = found if isinstance(found, str) else ""
        self.shown = None if isinstance(found, str) else found
        self._show()
        self.changed.emit()

    def _on_skip(self, skip: bool) -> None:
        self._state.config = self._state.config.with_values({"unreadable": "skip" if skip else "refuse"})
        self.changed.emit()

    def _show_progress(self) -> None:
        look = self._look
        if look is None:
            self._clock.stop()
            return
        done, total, what = look.progress
        # Without an end the bar would be painted again and again.
        self.bar.setRange(0, max(total, 1))
        self.bar.setValue(done)
        self.bar.setTextVisible(bool(total))
        self.note.setText(f"{what[:1].upper()}{what[1:]} ..." if what else _LOOKING)

    def _show(self) -> None:
        shown, is_busy = self.shown, self._look is not None
        self._busy.setVisible(is_busy)
        # After a cancel, or when what was wrong may have been mended.
        waits = not is_busy and not self._soon.isActive()
        self.again_button.setVisible(waits and shown is None and bool(self._state.config.data))
        if is_busy:
            self._show_progress()
        else:
            self.note.setText(self._words())
        self.note.setVisible(bool(self.note.text()))
        parts = [] if shown is None else list(shown.parts.items())
        self.counts.show_rows(
            ("", "Subjects", "Volumes", "Slices"),
            [
                (part.capitalize(), f"{count.subjects}", f"{count.volumes}", f"{count.slices:,}")
                for part, count in parts
                if count.volumes or part != "test"
            ],
        )
        self.rule.setVisible(shown is not None)
        if shown is not None:
            kept, total = shown.kept
            self.rule.setText(f"{kept:,} of {total:,} slices are used: {shown.rule}.")
            self.rule.setToolTip(_per_volume(shown))
        self._show_split()
        self._show_warnings()
        self.strip.show_examples(() if shown is None else shown.examples)
        # Shown before, but no longer what the settings say.
        for widget in (self.counts, self.rule, self.split, self.strip):
            widget.setEnabled(not is_busy)

    def _words(self) -> str:
        """Return what is said where nothing is known, or what is wrong."""
        if self._error or self.shown is not None:
            return self._error
        if not self._state.config.data:
            return _EMPTY
        return _LOOKING if self._soon.isActive() else _NOT_LOOKED

    def _show_split(self) -> None:
        rows = () if self.shown is None else self.shown.split
        self.split.setVisible(bool(rows))
        self.split_table.show_rows(
            ("", "Training", "Validation", "Test"),
            [
                (f"{row.column} {row.value}", *(f"{row.subjects.get(part, 0)}" for part in row.subjects))
                for row in rows
            ],
        )

    def _make_split(self) -> QWidget:
        return self.split_table

    def _show_warnings(self) -> None:
        shown = self.shown
        unreadable = () if shown is None else shown.unreadable
        sentences = [] if shown is None else [one for one in shown.warnings if "Left out: " not in one]
        sentences += [one.reason for one in unreadable[:_LISTED]]
        if len(unreadable) > _LISTED:
            sentences.append(f"{len(unreadable) - _LISTED} more cannot be read.")
        self.warnings.setText("\n".join(f"⚠ {sentence}" for sentence in sentences))
        self.warnings.setToolTip("\n".join(str(one.path) for one in unreadable))
        self.warnings.setVisible(bool(sentences))
        self.skip.setVisible(bool(unreadable))


class _Table(QWidget):
    """A few rows of words and numbers."""

    def __init__(self) -> None:
        super().__init__()
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(8)
        self._grid.setVerticalSpacing(1)
        self.rows: list[tuple[str, ...]] = []

    def show_rows(self, head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
        """Show other rows; nothing if there are none."""
        self.setVisible(bool(rows))
        if rows == self.rows:
            return
        self.rows = rows
        while (item := self._grid.takeAt(0)) is not None:
            label = item.widget()
            if label is not None:
                label.deleteLater()
        for row, words in enumerate((head, *rows)):
            for column, word in enumerate(words):
                label = QLabel(word)
                if column:
                    label.setAlignment(Qt.AlignmentFlag.AlignRight)
                self._grid.addWidget(label, row, column)


def _per_volume(shown: "DataOverview") -> str:
    """Return how many slices of each volume are kept, for the first volumes."""
    lines = []
    for volume in shown.volumes[: 4 * _LISTED]:
        kept = ", ".join(f"{plane} {some} of {total}" for plane, (some, total) in volume.kept.items())
        lines.append(f"{volume.source.subject}: {kept}")
    more = len(shown.volumes) - len(lines)
    return "\n".join([*lines, f"... and {more} more"] if more > 0 else lines)

"""Choose which models are measured, and which classical methods beside them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_mri_cae.errors import InputError
from napari_mri_cae.evaluation import baseline_kinds
from napari_mri_cae.evaluation.table import IDENTITY
from napari_mri_cae.models import Card, list_models, read_card
from napari_mri_cae.models.file import SUFFIX
from napari_mri_cae.viewer.compare.model_box import MODEL_FILTER, MODEL_SUFFIXES, describe_card
from napari_mri_cae.viewer.evaluate.state import EvaluateState

_METHOD_COLUMNS: Final = 2


class ModelsBox(QWidget):
    """A check box for each model and each classical method.

    Parameters
    ----------
    state : EvaluateState
    on_failed : callable
        Called with an `InputError` when a file is no model.

    Attributes
    ----------
    models : dict of str to QCheckBox
        By name, or by file.
    methods : dict of str to QCheckBox
        By kind of baseline.
    """

    def __init__(
        self, state: EvaluateState, on_failed: Callable[[Exception], None], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._state = state
        self._on_failed = on_failed
        self.models: dict[str, QCheckBox] = {}
        self._listed = QVBoxLayout()
        self._listed.setSpacing(2)
        self.open_button = QPushButton("Open ...")
        self.open_button.setToolTip(f"Measure a model file too: {', '.join(MODEL_SUFFIXES)}")
        self.open_button.clicked.connect(self._ask)
        self.methods: dict[str, QCheckBox] = {}
        grid = QGridLayout()
        grid.setVerticalSpacing(2)
        for place, kind in enumerate(kind for kind in baseline_kinds() if kind != IDENTITY):
            self.methods[kind] = self._method(kind)
            grid.addWidget(self.methods[kind], *divmod(place, _METHOD_COLUMNS))
        models = QHBoxLayout()
        models.addLayout(self._listed, stretch=1)
        models.addWidget(self.open_button, alignment=Qt.AlignmentFlag.AlignTop)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(models)
        layout.addLayout(grid)
        for event in (state.events.models, state.events.baselines):
            event.connect(self.show_state)
        self.show_state()

    def show_state(self, *_: Any) -> None:
        """List the shipped models, the user's own and files that were opened, and check what is chosen."""
        known = {card.name: card for card in list_models()}
        for name in (*known, *self._state.models):
            if name not in self.models:
                self.models[name] = self._model(name, known.get(name))
                self._listed.addWidget(self.models[name])
        for boxes, chosen in ((self.models, self._state.models), (self.methods, self._state.baselines)):
            for name, box in boxes.items():
                box.blockSignals(True)
                box.setChecked(name in chosen)
                box.blockSignals(False)

    def open_model(self, path: Path) -> None:
        """Measure a model file too, if it is one."""
        if path.suffix.lower() == SUFFIX:
            try:
                read_card(path)
            except InputError as error:
                self._on_failed(error)
                return
        self._state.models = tuple(dict.fromkeys((*self._state.models, str(path))))

    def _ask(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Open a model", "", MODEL_FILTER)
        if name:
            self.open_model(Path(name))

    def _model(self, name: str, card: Card | None) -> QCheckBox:
        box = QCheckBox(Path(name).name if card is None else name)
        box.setToolTip(name if card is None else describe_card(card))
        # A long name must not make the dock wider.
        box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        box.toggled.connect(self._on_models)
        return box

    def _method(self, kind: str) -> QCheckBox:
        method = baseline_kinds()[kind]
        box = QCheckBox(method.label)
        told = "is told how strong the noise is" if method.told_noise else "knows nothing of the noise"
        box.setToolTip(f"Measure this method too: it {told}")
        try:
            method().check()
        except InputError as error:
            box.setEnabled(False)
            box.setToolTip(str(error))
        box.toggled.connect(self._on_methods)
        return box

    def _on_models(self) -> None:
        self._state.models = _checked(self.models)

    def _on_methods(self) -> None:
        self._state.baselines = _checked(self.methods)


def _checked(boxes: dict[str, QCheckBox]) -> tuple[str, ...]:
    return tuple(name for name, box in boxes.items() if box.isChecked())

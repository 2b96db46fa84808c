"""What about the volume does not look like what the models were trained on."""

from typing import Any

from qtpy.QtWidgets import QLabel, QWidget

from napari_mri_cae.models import unfamiliar
from napari_mri_cae.viewer.compare.session import ComparisonSession
from napari_mri_cae.viewer.compare.state import CompareState


class UnfamiliarNote(QLabel):
    """Plain sentences, a paragraph each; hidden while there are none.

    Parameters
    ----------
    session : ComparisonSession
    state : CompareState
    """

    def __init__(
        self, session: ComparisonSession, state: CompareState, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._session = session
        self.setWordWrap(True)
        self.setToolTip(
            "The model may do worse here than its card says: look at the residual with this in mind"
        )
        for signal in (session.opened, session.closed, session.models_changed, state.events.plane):
            signal.connect(self.show_sentences)
        self.show_sentences()

    def show_sentences(self, *_: Any) -> None:
        """Compare the volume with the models' cards, and say what is found."""
        comparison = self._session.comparison
        sentences = []
        if comparison is not None:
            models = [comparison.model]
            if comparison.second_model is not None:
                models.append(comparison.second_model)
            for model in models:
                name = f"{model.card.name}: " if len(models) > 1 else ""
                found = unfamiliar(comparison.volume, comparison.plane, model.card)
                sentences += [f"⚠ {name}{sentence}" for sentence in found]
        self.setText("\n".join(sentences))
        self.setVisible(bool(sentences))

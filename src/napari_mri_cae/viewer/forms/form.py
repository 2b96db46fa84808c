"""A form for a settings model, in which the model judges every value."""

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_mri_cae.training.config.base import wording
from napari_mri_cae.viewer.forms.fold import Fold
from napari_mri_cae.viewer.forms.nested import ModelEditor, Section

Place = tuple[str | int, ...]
Settings = TypeVar("Settings", bound=BaseModel)


class SettingsForm(Generic[Settings]):
    """A form for a settings model.

    Each field becomes a row: its title is the label, its description the tooltip, its bounds the range. A
    field that has settings of its own becomes a fold. The model validates what the form holds, and nothing
    else does: a value that it refuses is marked where it stands, with the reason.

    Parameters
    ----------
    model : type of pydantic.BaseModel
    initial : pydantic.BaseModel, optional
        What the form shows first; the model's defaults if left out.
    fields : tuple of str, optional
        The fields to show, all of them if left out. The others keep their initial values.
    groups : mapping of str to tuple of str, optional
        Titles of folds with the fields that each holds, instead of `fields`.
    on_change : callable, optional
        Called after every change by the user that leaves a valid form, with the form's settings.
    on_judged : callable, optional
        Called after every change by the user, whatever the model says.
    """

    def __init__(
        self,
        model: type[Settings],
        initial: Settings | None = None,
        *,
        fields: tuple[str, ...] | None = None,
        groups: Mapping[str, tuple[str, ...]] | None = None,
        on_change: Callable[[Settings], None] | None = None,
        on_judged: Callable[[], None] | None = None,
    ) -> None:
        self._model = model
        self._settings = initial or model()
        self._on_change = on_change
        self._on_judged = on_judged
        self._errors: dict[Place, str] = {}
        self._groups = dict(groups or {"": tuple(model.model_fields) if fields is None else fields})
        self._editors: dict[str, ModelEditor] = {}
        self.folds: dict[str, Fold] = {}
        self.native = QWidget()
        layout = QVBoxLayout(self.native)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        for title in self._groups:
            if title:
                fold = Fold(title, lambda title=title: self._make(title))  # type: ignore[misc]
                self.folds[title] = fold
                layout.addWidget(fold)
            else:
                layout.addWidget(self._make(title))

    @property
    def settings(self) -> Settings:
        """What the form holds; of a field that is marked as wrong, the last valid value."""
        return self._settings

    @settings.setter
    def settings(self, settings: Settings) -> None:
        self._settings = settings
        self._errors = {}
        value = settings.model_dump()
        for editor in self._editors.values():
            editor.value = value
            editor.unmark()

    @property
    def errors(self) -> tuple[str, ...]:
        """What is wrong in the form, each with the name of its field."""
        return tuple(
            f"{'.'.join(map(str, place))}: {message}" if place else message
            for place, message in self._errors.items()
        )

    def widget(self, field: str) -> Any:
        """Return the magicgui widget of a plain field, unfolding it if need be."""
        return self._editor_of(field).leaves[field].widget

    def section(self, field: str) -> Section:
        """Return the section of a field with settings of its own, unfolding the group that it is in."""
        return self._editor_of(field).sections[field]

    def show_field(self, field: str, is_shown: bool) -> None:
        """Show or hide a field's row."""
        self._editor_of(field).show_field(field, is_shown)

    def _editor_of(self, field: str) -> ModelEditor:
        for title, fields in self._groups.items():
            if field in fields:
                if title:
                    self.folds[title].set_open(True)
                return self._editors[title]
        raise KeyError(field)

    def _make(self, title: str) -> QWidget:
        editor = ModelEditor(
            self._model, self._settings.model_dump(), self._changed, fields=self._groups[title]
        )
        self._editors[title] = editor
        return editor.native

    def _changed(self) -> None:
        """Take over what the user has changed, as far as it is valid."""
        before = self._settings.model_dump()
        values = dict(before)
        for title, editor in self._editors.items():
            values |= {name: value for name, value in editor.value.items() if name in self._groups[title]}
        settings, self._errors = self._judge(values)
        self._mark()
        # A number that is being typed may not be valid yet; the other fields go on working.
        fields = {place[0] for place in self._errors if place}
        if settings is None and fields:
            kept = {name: before[name] for name in fields if name in before}
            settings, _ = self._judge({**values, **kept})
        if settings is not None and settings != self._settings:
            self._settings = settings
            if self._on_change is not None:
                self._on_change(settings)
        if self._on_judged is not None:
            self._on_judged()

    def _judge(self, values: dict[str, Any]) -> tuple[Settings | None, dict[Place, str]]:
        """Return the settings, or what is wrong and where."""
        try:
            return self._model.model_validate(values), {}
        except ValidationError as error:
            return None, dict(map(self._complaint, error.errors()))

    def _complaint(self, error: ErrorDetails) -> tuple[Place, str]:
        """Return where something is wrong, and what."""
        # The value stands in the field.
        place, sentence = error["loc"], wording(error).partition(", and is ")[0]
        name, colon, rest = sentence.partition(": ")
        if not place and colon and name.partition(".")[0] in self._model.model_fields:
            return tuple(name.split(".")), rest
        return place, sentence

    def _mark(self) -> None:
        """Show what is wrong where it is."""
        for editor in self._editors.values():
            editor.unmark()
        for place, message in self._errors.items():
            if place and any(place[0] in fields for fields in self._groups.values()):
                self._editor_of(str(place[0])).mark(place, message)
            else:
                for editor in self._editors.values():
                    editor.mark((), message)

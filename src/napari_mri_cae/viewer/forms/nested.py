"""Editors of settings inside settings: a model, one of several, a model or nothing, a list of models."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QLabel,
    QMenu,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_mri_cae.viewer.forms.fold import Fold
from napari_mri_cae.viewer.forms.kinds import Kind, in_words, kind_of, tag_of, tag_value
from napari_mri_cae.viewer.forms.leaves import WRONG_COLOR, Leaf

Place = Sequence[str | int]


class Editor(Protocol):
    """Shows a value and takes what the user does to it."""

    @property
    def native(self) -> QWidget:
        """The widget."""

    @property
    def value(self) -> Any:
        """What the user wants: plain values, for the model to judge."""

    @property
    def summary(self) -> str:
        """The value in a word or two, for the heading that it is folded under."""

    def mark(self, place: Place, message: str) -> None:
        """Show what is wrong at a place in the value."""

    def unmark(self) -> None:
        """Show everything as right."""


class ModelEditor:
    """One row for each plain field of a settings model, one fold for each that has settings of its own.

    Parameters
    ----------
    model : type of pydantic.BaseModel
    value : dict
        What it shows first; a field that is missing shows its default.
    on_change : callable
        Called after every change by the user.
    fields : tuple of str, optional
        The fields to show, all of them if left out. The others keep their values.
    """

    def __init__(
        self,
        model: type[BaseModel],
        value: dict[str, Any],
        on_change: Callable[[], None],
        *,
        fields: tuple[str, ...] | None = None,
    ) -> None:
        self._value = dict(value)
        self.leaves: dict[str, Leaf] = {}
        self.sections: dict[str, Section] = {}
        self.native = QWidget()
        self._form = QFormLayout(self.native)
        self._form.setContentsMargins(0, 0, 0, 0)
        self._form.setVerticalSpacing(3)
        self._form.setHorizontalSpacing(6)
        self._form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        self._form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self._form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
        for name in model.model_fields if fields is None else fields:
            field = model.model_fields[name]
            start = value[name] if name in value else _default(field)
            if kind_of(field.annotation).models:
                section = Section(name, field, start, on_change)
                self.sections[name] = section
                self._form.addRow(section.fold)
            else:
                leaf = Leaf(name, field, on_change)
                leaf.value = start
                self.leaves[name] = leaf
                # A check box has its name beside it.
                label = QLabel("" if leaf.is_check_box else field.title or in_words(name))
                label.setToolTip(field.description or "")
                self._form.addRow(label, leaf.native)
        self.message = _message()
        self._form.addRow(self.message)

    @property
    def value(self) -> dict[str, Any]:
        """The values of all fields, also of those that are not shown."""
        plain = {name: leaf.value for name, leaf in self.leaves.items()}
        return {**self._value, **plain, **{name: section.value for name, section in self.sections.items()}}

    @value.setter
    def value(self, value: dict[str, Any]) -> None:
        self._value = dict(value)
        for name, leaf in self.leaves.items():
            leaf.value = value[name]
        for name, section in self.sections.items():
            section.value = value[name]

    @property
    def summary(self) -> str:
        """Nothing: a model's fields speak for themselves."""
        return ""

    def show_field(self, name: str, is_shown: bool) -> None:
        """Show or hide a field's row."""
        native = self.leaves[name].native if name in self.leaves else self.sections[name].fold
        label = self._form.labelForField(native)
        native.setVisible(is_shown)
        if label is not None:
            label.setVisible(is_shown)

    def mark(self, place: Place, message: str) -> None:
        """Show what is wrong with a field, or with the fields together."""
        if place and place[0] in self.leaves:
            leaf = self.leaves[str(place[0])]
            leaf.mark("enter a value" if leaf.is_missing else message)
        elif place and place[0] in self.sections:
            self.sections[str(place[0])].mark(place[1:], message)
        else:
            self.message.setText(message)
            self.message.show()

    def unmark(self) -> None:
        """Show every field as right."""
        self.message.hide()
        for leaf in self.leaves.values():
            leaf.mark("")
        for section in self.sections.values():
            section.unmark()


class UnionEditor:
    """A picker of the kind of settings, and below it the settings of that kind."""

    def __init__(self, kind: Kind, value: Any, on_change: Callable[[], None]) -> None:
        self._models = {tag_value(model, tag_of(kind.models)): model for model in kind.models}
        self._tag = tag_of(kind.models)
        self._on_change = on_change
        # What the user has entered for a kind is there again when they come back to it.
        self._values: dict[str, dict[str, Any]] = {}
        self.picker = QComboBox()
        self.picker.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        if kind.is_optional:
            self.picker.addItem("None", None)
        for word, model in self._models.items():
            self.picker.addItem(in_words(word), word)
            self.picker.setItemData(self.picker.count() - 1, _first_line(model), Qt.ItemDataRole.ToolTipRole)
        self.picker.currentIndexChanged.connect(self._on_picked)
        self.native = QWidget()
        self._layout = QVBoxLayout(self.native)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(3)
        self._layout.addWidget(self.picker)
        self.message = _message()
        self._layout.addWidget(self.message)
        self.editor: ModelEditor | None = None
        self.value = value

    @property
    def value(self) -> Any:
        """The chosen kind's settings, or None."""
        word = self.picker.currentData()
        if word is None:
            return None
        values = {} if self.editor is None else self.editor.value
        return {self._tag: word, **values}

    @value.setter
    def value(self, value: Any) -> None:
        word = None if value is None else str(value[self._tag])
        if word is not None:
            self._values[word] = dict(value)
        self.picker.blockSignals(True)
        self.picker.setCurrentIndex(max(self.picker.findData(word), 0))
        self.picker.blockSignals(False)
        self._show()

    @property
    def summary(self) -> str:
        """The chosen kind."""
        return self.picker.currentText().lower()

    def mark(self, place: Place, message: str) -> None:
        """Show what is wrong with a field of the chosen kind."""
        own = place[1:] if place and place[0] == self.picker.currentData() else place
        if self.editor is not None:
            self.editor.mark(own, message)
        else:
            self.message.setText(message)
            self.message.show()

    def unmark(self) -> None:
        """Show everything as right."""
        self.message.hide()
        if self.editor is not None:
            self.editor.unmark()

    def _on_picked(self) -> None:
        if self.editor is not None:
            self._values[self._shown] = self.editor.value
        self._show()
        self._on_change()

    def _show(self) -> None:
        """Show the fields of the chosen kind."""
        if self.editor is not None:
            self._layout.removeWidget(self.editor.native)
            self.editor.native.hide()
            self.editor.native.deleteLater()
            self.editor = None
        word = self.picker.currentData()
        if word is None:
            return
        self._shown: str = word
        model = self._models[word]
        fields = tuple(name for name in model.model_fields if name != self._tag)
        start = {name: item for name, item in self._values.get(word, {}).items() if name != self._tag}
        self.editor = ModelEditor(model, start, self._on_change, fields=fields)
        self._layout.addWidget(self.editor.native)
        self.editor.native.setVisible(bool(fields))


class OptionalEditor:
    """A check box, and while it is ticked the settings of a model."""

    def __init__(self, kind: Kind, value: Any, on_change: Callable[[], None]) -> None:
        (self._model,) = kind.models
        self.check = QCheckBox("On")
        self.check.toggled.connect(self._on_toggled)
        self._on_change = on_change
        self.native = QWidget()
        self._layout = QVBoxLayout(self.native)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(3)
        self._layout.addWidget(self.check)
        self.editor: ModelEditor | None = None
        self.value = value

    @property
    def value(self) -> Any:
        """The settings, or None."""
        return self.editor.value if self.editor is not None and self.check.isChecked() else None

    @value.setter
    def value(self, value: Any) -> None:
        self.check.blockSignals(True)
        self.check.setChecked(value is not None)
        self.check.blockSignals(False)
        self._show(value)

    @property
    def summary(self) -> str:
        """Whether it is on."""
        return "on" if self.check.isChecked() else "off"

    def mark(self, place: Place, message: str) -> None:
        """Show what is wrong with a field."""
        if self.editor is not None:
            self.editor.mark(place, message)

    def unmark(self) -> None:
        """Show everything as right."""
        if self.editor is not None:
            self.editor.unmark()

    def _on_toggled(self) -> None:
        self._show(None)
        self._on_change()

    def _show(self, value: Any) -> None:
        if self.check.isChecked() and self.editor is None:
            self.editor = ModelEditor(self._model, value or {}, self._on_change)
            self._layout.addWidget(self.editor.native)
        elif self.editor is not None and value is not None:
            self.editor.value = value
        if self.editor is not None:
            self.editor.native.setVisible(self.check.isChecked())


class ListEditor:
    """A fold for each item, each with a button that removes it, and a button that adds one."""

    def __init__(self, kind: Kind, value: Any, on_change: Callable[[], None]) -> None:
        self._kind = Kind((), (), kind.models, is_optional=False, is_sequence=False)
        self._on_change = on_change
        self._items: list[Section] = []
        self.native = QWidget()
        self._layout = QVBoxLayout(self.native)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(3)
        self.message = _message()
        self._layout.addWidget(self.message)
        self.add_button = QPushButton("Add")
        if len(kind.models) > 1:
            menu = QMenu(self.add_button)
            tag = tag_of(kind.models)
            for model in kind.models:
                word = tag_value(model, tag)
                menu.addAction(in_words(word), lambda word=word: self._add_new({tag: word}))
            self.add_button.setMenu(menu)
        else:
            self.add_button.clicked.connect(lambda: self._add_new({}))
        self._layout.addWidget(self.add_button, alignment=Qt.AlignmentFlag.AlignRight)
        self.value = value

    @property
    def value(self) -> list[Any]:
        """The items' values, in order."""
        return [item.value for item in self._items]

    @value.setter
    def value(self, value: Any) -> None:
        for item in self._items:
            self._discard(item)
        self._items = []
        for one in value:
            self._add(one)
        self._number()

    @property
    def items(self) -> "tuple[Section, ...]":
        """The items' sections, in order."""
        return tuple(self._items)

    @property
    def summary(self) -> str:
        """How many there are."""
        return str(len(self._items))

    def mark(self, place: Place, message: str) -> None:
        """Show what is wrong with an item, or with all of them."""
        if place and isinstance(place[0], int) and place[0] < len(self._items):
            self._items[place[0]].mark(place[1:], message)
        else:
            self.message.setText(message)
            self.message.show()

    def unmark(self) -> None:
        """Show everything as right."""
        self.message.hide()
        for item in self._items:
            item.unmark()

    def _add(self, value: Any) -> "Section":
        section = Section("", FieldInfo(), value, self._changed, kind=self._kind)
        remove = QToolButton()
        remove.setText("✕")
        remove.setAutoRaise(True)
        remove.setToolTip("Remove this one")
        remove.clicked.connect(lambda: self._remove(section))
        section.fold.add_to_head(remove)
        self._items.append(section)
        self._layout.insertWidget(self._layout.count() - 2, section.fold)
        return section

    def _add_new(self, value: dict[str, Any]) -> None:
        section = self._add(value)
        self._number()
        section.fold.set_open(True)
        self._on_change()

    def _remove(self, section: "Section") -> None:
        self._items.remove(section)
        self._discard(section)
        self._number()
        self._on_change()

    def _discard(self, section: "Section") -> None:
        self._layout.removeWidget(section.fold)
        section.fold.hide()
        section.fold.deleteLater()

    def _changed(self) -> None:
        self._number()
        self._on_change()

    def _number(self) -> None:
        for number, item in enumerate(self._items, start=1):
            item.set_name(str(number))


class Section:
    """A fold with the editor of a field that has settings of its own, made when it is first opened.

    Parameters
    ----------
    name : str
    field : pydantic.fields.FieldInfo
    value
        What it shows first: plain values.
    on_change : callable
    kind : Kind, optional
        What the value can be, read from the field if left out.
    """

    def __init__(
        self,
        name: str,
        field: FieldInfo,
        value: Any,
        on_change: Callable[[], None],
        *,
        kind: Kind | None = None,
    ) -> None:
        self._kind = kind or kind_of(field.annotation)
        self._value = value
        self._on_change = on_change
        self._name = field.title or in_words(name)
        self.editor: Any = None
        self.fold = Fold(self._name, self._make, tooltip=field.description or "")
        self._show_title()

    @property
    def value(self) -> Any:
        """What the user wants, or what it was made with."""
        return self._value if self.editor is None else self.editor.value

    @value.setter
    def value(self, value: Any) -> None:
        self._value = value
        if self.editor is not None:
            self.editor.value = value
        self._show_title()

    def open(self) -> Any:
        """Unfold it and return its editor."""
        self.fold.set_open(True)
        return self.editor

    def set_name(self, name: str) -> None:
        """Show another name in the heading."""
        self._name = name
        self._show_title()

    def mark(self, place: Place, message: str) -> None:
        """Unfold and show what is wrong."""
        self.open().mark(place, message)

    def unmark(self) -> None:
        """Show everything as right."""
        if self.editor is not None:
            self.editor.unmark()

    def _make(self) -> QWidget:
        self.editor = _editor(self._kind, self._value, self._changed)
        native: QWidget = self.editor.native
        return native

    def _changed(self) -> None:
        self._show_title()
        self._on_change()

    def _show_title(self) -> None:
        summary = _summary(self._kind, self._value) if self.editor is None else self.editor.summary
        self.fold.set_title(f"{self._name}: {summary}" if summary else self._name)


def _editor(kind: Kind, value: Any, on_change: Callable[[], None]) -> Any:
    """Return the editor that suits a value that has settings of its own."""
    if kind.is_sequence:
        return ListEditor(kind, value, on_change)
    if len(kind.models) > 1:
        return UnionEditor(kind, value, on_change)
    if kind.is_optional:
        return OptionalEditor(kind, value, on_change)
    return ModelEditor(kind.models[0], value or {}, on_change)


def _summary(kind: Kind, value: Any) -> str:
    """Return what an editor's `summary` would be, without making one."""
    if kind.is_sequence:
        return str(len(value))
    if len(kind.models) > 1:
        return "none" if value is None else in_words(str(value[tag_of(kind.models)])).lower()
    if kind.is_optional:
        return "off" if value is None else "on"
    return ""


def _default(field: FieldInfo) -> Any:
    """Return a field's default as plain values; something empty where it has none."""
    if field.is_required():
        kind = kind_of(field.annotation)
        return [] if kind.is_sequence else ({} if kind.models else _EMPTY.get(kind.plain, ""))
    default = field.get_default(call_default_factory=True)
    if isinstance(default, BaseModel):
        return default.model_dump()
    if isinstance(default, tuple):
        return [item.model_dump() if isinstance(item, BaseModel) else item for item in default]
    return default


_EMPTY: dict[tuple[type, ...], Any] = {(bool,): False, (dict,): {}}


def _first_line(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip().split("\n")[0]


def _message() -> QLabel:
    label = QLabel()
    label.setWordWrap(True)
    label.setStyleSheet(f"color: {WRONG_COLOR};")
    label.hide()
    return label

"""One magicgui widget for a field that is a number, a text, a word of several, or a few of these."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import yaml
from magicgui.widgets import CheckBox, ComboBox, Container, FloatSlider, LineEdit, Slider
from pydantic.fields import FieldInfo
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_mri_cae.viewer.forms.kinds import Kind, bound, in_words, kind_of

WRONG_COLOR: Final = "#d9534f"
_PLAIN: Final = (bool, int, float, str, dict, Path)


class Leaf:
    """A field's widget, with room for what is wrong with its value below it.

    Parameters
    ----------
    name : str
    field : pydantic.fields.FieldInfo
    on_change : callable
        Called after every change by the user.

    Attributes
    ----------
    widget : magicgui.widgets.Widget
    native : qtpy.QtWidgets.QWidget
        The widget and the sentence below it.
    """

    def __init__(self, name: str, field: FieldInfo, on_change: Callable[[], None]) -> None:
        self._field = field
        self._kind = kind_of(field.annotation)
        if any(one not in _PLAIN for one in self._kind.plain) or not (self._kind.plain or self._kind.choices):
            raise TypeError(f"no widget for the field {name}: {field.annotation}")
        self._on_change = on_change
        self._value: Any = None
        self.widget = _widget(name, field, self._kind)
        # A narrow dock squeezes the sliders, not what stands beside them.
        self.widget.native.setMinimumWidth(60)
        self.message = QLabel()
        self.message.setWordWrap(True)
        self.message.setStyleSheet(f"color: {WRONG_COLOR};")
        self.message.hide()
        self.native = QWidget()
        layout = QVBoxLayout(self.native)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.widget.native)
        layout.addWidget(self.message)
        self.widget.changed.connect(self._changed)

    @property
    def value(self) -> Any:
        """What the user wants, for the model to judge; exactly what was set until they change it."""
        return self._value

    @value.setter
    def value(self, value: Any) -> None:
        self._value = value
        with self.widget.changed.blocked():
            _set_value(self.widget, value)

    @property
    def is_check_box(self) -> bool:
        """Whether the widget says its own name."""
        return isinstance(self.widget, CheckBox)

    @property
    def is_missing(self) -> bool:
        """Whether a line is empty that must not be."""
        return isinstance(self.widget, LineEdit) and not self._kind.is_optional and not self.widget.value

    def mark(self, message: str) -> None:
        """Show the field as wrong, with the reason, or as right again."""
        if message == self.message.text():
            return
        native = self.widget.native
        native.setToolTip(message or self._field.description or "")
        native.setStyleSheet(f"border: 1px solid {WRONG_COLOR};" if message else "")
        self.message.setText(message)
        self.message.setVisible(bool(message))

    def _changed(self) -> None:
        self._value = _value(self.widget, self._kind)
        self._on_change()


class _SeveralChoices(Container[CheckBox]):
    """A check box for each of several words."""

    def __init__(self, *, name: str, label: str, tooltip: str | None, choices: tuple[str, ...]) -> None:
        boxes = [CheckBox(name=word, text=in_words(word)) for word in choices]
        super().__init__(
            widgets=boxes, name=name, label=label, tooltip=tooltip, labels=False, layout="vertical"
        )
        self.margins = (0, 0, 0, 0)


def _widget(name: str, field: FieldInfo, kind: Kind) -> Any:
    """Return the widget that suits a field."""
    low, high = bound(field, "ge", None), bound(field, "le", None)
    extra: dict[str, Any] = dict(field.json_schema_extra) if isinstance(field.json_schema_extra, dict) else {}
    common: dict[str, Any] = {
        "name": name,
        "label": field.title or in_words(name),
        "tooltip": field.description,
    }
    if (kind.choices and not kind.plain) or "choices" in extra:
        if kind.is_sequence:
            return _SeveralChoices(choices=kind.choices, **common)
        words: list[tuple[str, str | None]] = [(in_words(word), word) for word in kind.choices]
        # Names are no words.
        words += [(name, name) for name in extra.get("choices", ())]
        widget = ComboBox(
            choices=[("None", None), *words] if kind.is_optional else words,
            nullable=kind.is_optional,
            **common,
        )
        # A wheel that scrolls the dock must not change what it passes over.
        widget.native.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        return widget
    if kind.plain == (bool,):
        return CheckBox(**common)
    is_bounded = None not in (low, high) and not (kind.is_sequence or kind.is_optional or kind.choices)
    if kind.plain == (float,) and is_bounded:
        # A slider covers the useful part of the range; from Python all of it can be set.
        top = extra.get("slider_maximum", high)
        return FloatSlider(min=low, max=top, step=extra.get("step", 0.001), **common)
    if kind.plain == (int,) and is_bounded:
        return Slider(min=low, max=extra.get("slider_maximum", high), **common)
    line = LineEdit(**common)
    open_text = extra.get("open_text", "auto" if kind.plain == (int,) else "none")
    if kind.is_optional:
        line.native.setPlaceholderText(str(open_text))
    return line


def _value(widget: Any, kind: Kind) -> Any:
    """Return what a widget holds; of a line, words that the model turns into what it needs."""
    if isinstance(widget, _SeveralChoices):
        return [box.name for box in widget if box.value]
    if not isinstance(widget, LineEdit):
        return widget.value
    text = widget.value.strip()
    if kind.is_optional and not text:
        return None
    if kind.is_sequence:
        return [item.strip() for item in text.split(",") if item.strip()]
    if kind.plain == (dict,):
        try:
            return yaml.safe_load(f"{{{text}}}")
        except yaml.YAMLError:
            return text
    return text


def _set_value(widget: Any, value: Any) -> None:
    if isinstance(widget, _SeveralChoices):
        for box in widget:
            box.value = box.name in value
    elif isinstance(widget, LineEdit):
        widget.value = _text(value)
    else:
        if isinstance(widget, (FloatSlider, Slider)) and value > widget.max:
            widget.max = value
        elif isinstance(widget, ComboBox) and value not in widget.choices:
            widget.set_choice(value, value)
        widget.value = value


def _text(value: Any) -> str:
    """Return a value as the user would type it."""
    if value is None:
        return ""
    if isinstance(value, (tuple, list)):
        return ", ".join(map(_text, value))
    if isinstance(value, dict):
        return yaml.safe_dump(value, default_flow_style=True, width=10_000, sort_keys=False).strip()[1:-1]
    if isinstance(value, float):
        short = f"{value:g}"
        return short if float(short) == value else repr(value)
    return str(value)

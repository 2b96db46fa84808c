"""Forms made from settings models: one magicgui row per field."""

from collections.abc import Callable
from functools import partial
from types import NoneType
from typing import Any, Generic, TypeVar, get_args

from magicgui.widgets import CheckBox, Container, FloatSlider, LineEdit, Slider
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

Settings = TypeVar("Settings", bound=BaseModel)


class SettingsForm(Generic[Settings]):
    """A form for a settings model.

    Each field becomes a row: its title is the label, its description the tooltip, its bounds the range. The
    model validates what the form holds, and nothing else does.

    Parameters
    ----------
    model : type of pydantic.BaseModel
    initial : pydantic.BaseModel, optional
        What the form shows first; the model's defaults if left out.
    fields : tuple of str, optional
        The fields to show, all of them if left out. The others keep their initial values.
    on_change : callable, optional
        Called after every change by the user, with the form's settings.
    """

    def __init__(
        self,
        model: type[Settings],
        initial: Settings | None = None,
        *,
        fields: tuple[str, ...] | None = None,
        on_change: Callable[[Settings], None] | None = None,
    ) -> None:
        self._model = model
        self._settings = initial or model()
        names = fields or tuple(model.model_fields)
        self._widgets = {name: _widget(name, model.model_fields[name]) for name in names}
        self.container = Container(widgets=list(self._widgets.values()), labels=True)
        self.container.margins = (0, 0, 0, 0)
        # A narrow dock squeezes the sliders, not what stands beside them.
        for widget in self._widgets.values():
            widget.native.setMinimumWidth(60)
        self.settings = self._settings
        self._on_change = on_change
        for name, widget in self._widgets.items():
            widget.changed.connect(partial(self._changed, name))

    @property
    def settings(self) -> Settings:
        """What the form holds; of a field that is marked as wrong, the last valid value."""
        return self._settings

    @settings.setter
    def settings(self, settings: Settings) -> None:
        self._settings = settings
        for name, widget in self._widgets.items():
            with widget.changed.blocked():
                _set_value(widget, getattr(settings, name))
            self._mark(name, "")

    def widget(self, field: str) -> Any:
        """Return the magicgui widget of a field."""
        return self._widgets[field]

    def _changed(self, field: str) -> None:
        """Take over the field that the user has changed, if it is valid."""
        values = {**self._settings.model_dump(), field: _value(self._widgets[field])}
        try:
            settings = self._model(**values)
        except ValidationError as error:
            # A number that is being typed may not be valid yet; say so where it is.
            self._mark(field, error.errors()[0]["msg"])
            return
        self._mark(field, "")
        self._settings = settings
        if self._on_change is not None:
            self._on_change(settings)

    def _mark(self, field: str, message: str) -> None:
        """Show a field as wrong, with the reason as its tooltip, or as right again."""
        native = self._widgets[field].native
        native.setToolTip(message or self._model.model_fields[field].description or "")
        native.setStyleSheet("border: 1px solid #d9534f;" if message else "")


def _widget(name: str, field: FieldInfo) -> Any:
    """Return the widget that suits a field."""
    kinds = set(get_args(field.annotation)) or {field.annotation}
    low, high = _bound(field, "ge", 0), _bound(field, "le", None)
    extra: dict[str, Any] = dict(field.json_schema_extra) if isinstance(field.json_schema_extra, dict) else {}
    common: dict[str, Any] = {"name": name, "label": field.title or name, "tooltip": field.description}
    if kinds == {bool}:
        return CheckBox(text="", **common)
    if kinds == {float}:
        # A slider covers the useful part of the range; from Python all of it can be set.
        top = extra.get("slider_maximum", high)
        return FloatSlider(min=low, max=top, step=extra.get("step", 0.001), **common)
    if kinds == {int} and high is not None:
        return Slider(min=low, max=extra.get("slider_maximum", high), **common)
    if kinds == {int, NoneType}:
        line = LineEdit(**common)
        line.native.setPlaceholderText(str(extra.get("open_text", "auto")))
        return line
    raise TypeError(f"no widget for the field {name}: {field.annotation}")


def _bound(field: FieldInfo, name: str, default: Any) -> Any:
    return next((getattr(item, name) for item in field.metadata if hasattr(item, name)), default)


def _value(widget: Any) -> Any:
    # An empty line leaves the number open; the model turns digits into a number.
    return (widget.value or None) if isinstance(widget, LineEdit) else widget.value


def _set_value(widget: Any, value: Any) -> None:
    if isinstance(widget, LineEdit):
        widget.value = "" if value is None else str(value)
        return
    if isinstance(widget, (FloatSlider, Slider)) and value > widget.max:
        widget.max = value
    widget.value = value

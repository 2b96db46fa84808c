"""A form shows a settings model, takes what a user does to it, and lets the model judge."""

import pytest
from magicgui.widgets import CheckBox, FloatSlider, LineEdit, Slider
from pydantic import BaseModel

from napari_mri_cae.corruptions import BlankOut, Corruption, GaussianBlur, GaussianNoise, corruption_kinds
from napari_mri_cae.viewer.forms import SettingsForm


@pytest.fixture
def make_form(qtbot):
    """A function that makes a form, shows it and gathers what it tells."""

    def make(settings: BaseModel, **kwargs):
        told: list[BaseModel] = []
        form = SettingsForm(type(settings), settings, on_change=told.append, **kwargs)
        qtbot.addWidget(form.native)
        form.native.resize(400, 300)
        form.native.show()
        return form, told

    return make


@pytest.mark.parametrize("kind", corruption_kinds().values(), ids=lambda kind: kind.kind)
def test_a_row_for_every_parameter(make_form, kind: type[Corruption]) -> None:
    form, told = make_form(kind())
    assert form.settings == kind()
    for name, field in kind.model_fields.items():
        widget = form.widget(name)
        assert widget.label == field.title
        assert widget.tooltip == field.description
        expected = {bool: CheckBox, float: FloatSlider, int: Slider}.get(field.annotation, LineEdit)
        assert type(widget) is expected
    assert told == []


def test_what_python_has_set_stays_exact(make_form) -> None:
    # Beyond the slider's end and between its steps.
    blur = GaussianBlur(sigma=17.123456)
    form, told = make_form(blur)
    assert form.settings == blur
    assert form.widget("sigma").value == pytest.approx(17.123456, abs=0.05)
    form.settings = GaussianBlur(sigma=0.3, kernel_size=7)
    assert form.widget("kernel_size").value == "7"
    assert told == []
    form, told = make_form(GaussianNoise(sigma=0.0312345))
    form.widget("clip").native.click()
    assert told == [GaussianNoise(sigma=0.0312345, clip=True)]


def test_what_is_typed_wrong_is_marked_and_left_out(make_form, qtbot) -> None:
    form, told = make_form(GaussianBlur(sigma=1.0))
    widget, field = form.widget("kernel_size"), form.widget("kernel_size").native
    for wrong, reason in (("4", "odd"), ("x", "whole number"), ("-3", "at least"), ("999", "at most")):
        field.clear()
        told.clear()
        qtbot.keyClicks(field, wrong)
        assert "border" in field.styleSheet(), wrong
        assert reason in field.toolTip()
        assert form.settings.kernel_size != wrong
        assert all(settings.kernel_size in (9, 99) for settings in told)
        # The other fields go on working.
        form.widget("sigma").value = 2.0 if form.settings.sigma == 1 else 1.0
        assert told[-1] == form.settings
        assert field.text() == wrong
    field.clear()
    assert form.settings.kernel_size is None
    assert field.styleSheet() == ""
    assert field.toolTip() == widget.tooltip
    qtbot.keyClicks(field, "5")
    assert told[-1].kernel_size == 5
    # Setting the form takes away what is wrong in it.
    qtbot.keyClicks(field, "0")
    assert "border" in field.styleSheet()
    form.settings = GaussianBlur()
    assert field.text() == ""
    assert field.styleSheet() == ""


def test_open_fields_say_what_open_means(make_form) -> None:
    form, _ = make_form(BlankOut())
    assert form.widget("row").native.placeholderText() == "random"
    assert form.widget("size").max == 128
    form.settings = BlankOut(size=700, row=3)
    assert form.widget("size").max == form.widget("size").value == 700
    assert form.widget("row").value == "3"


def test_only_some_fields(make_form) -> None:
    form, told = make_form(GaussianNoise(sigma=0.02, clip=True), fields=("sigma",))
    form.widget("sigma").value = 0.1
    assert told == [GaussianNoise(sigma=0.1, clip=True)]
    with pytest.raises(KeyError):
        form.widget("clip")


def test_a_field_without_a_widget_is_refused(qtbot) -> None:
    class Odd(BaseModel):
        words: complex = 1j

    with pytest.raises(TypeError, match="words"):
        SettingsForm(Odd)

"""Every setting of a training can be changed in the form, and arrives in the configuration and its file."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from magicgui.widgets import CheckBox, ComboBox, FloatSlider, LineEdit, Slider
from pydantic import BaseModel
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_mri_cae.models.architectures import ARCHITECTURES, IMPORTED
from napari_mri_cae.training import TrainingConfig
from napari_mri_cae.viewer.forms import SettingsForm
from napari_mri_cae.viewer.forms.kinds import kind_of, tag_of, tag_value
from napari_mri_cae.viewer.forms.leaves import Leaf
from napari_mri_cae.viewer.forms.nested import ListEditor, ModelEditor, OptionalEditor, UnionEditor
from napari_mri_cae.viewer.train.data_box import GROUPS, DataBox
from napari_mri_cae.viewer.train.state import TrainState

BASE = TrainingConfig.model_validate(
    {
        "name": "base",
        "steps_per_epoch": 100,
        "data": [{"folder": "some"}],
        "sampling": {"kind": "slices"},
        "augmentation": {
            "steps": [
                {"kind": "gaussian-noise", "sigma": [0, 0.1]},
                {"kind": "one-of", "steps": [{"kind": "gaussian-blur", "sigma": [0, 1]}]},
            ]
        },
        "early_stopping": {},
    }
)
# What is typed into a line until the model takes something that is new.
WORDS = {
    float: ("0.5", "0.25", "1.5"),
    int: ("3", "8", "64"),
    str: ("some-words", "two, words"),
    Path: ("some/where",),
    dict: ("channels: 8, levels: 1",),
}


def places(model: type[BaseModel], before: tuple[Any, ...] = (), depth: int = 0) -> Iterator[tuple[Any, ...]]:
    """Return the place of every plain field: names, positions in lists, and kinds where there are several."""
    for name, field in model.model_fields.items():
        kind = kind_of(field.annotation)
        inside: tuple[Any, ...] = (*before, name, 0) if kind.is_sequence and kind.models else (*before, name)
        if not kind.models:
            yield from () if _is_tag(model, name) else [inside]
        elif len(kind.models) == 1:
            yield from places(kind.models[0], inside, depth + 1)
        elif depth < 2:
            tag = tag_of(kind.models)
            for variant in kind.models:
                yield from places(variant, (*inside, {tag: tag_value(variant, tag)}), depth + 1)


def _is_tag(model: type[BaseModel], name: str) -> bool:
    return name in ("kind", "rule") and len(get_args(model.model_fields[name].annotation)) == 1


PLACES = list(places(TrainingConfig))


@pytest.fixture(scope="module")
def form(qapp) -> SettingsForm[TrainingConfig]:
    return SettingsForm(TrainingConfig, BASE, groups=GROUPS)


@pytest.fixture(autouse=True)
def _begin_anew(form: SettingsForm[TrainingConfig]) -> None:
    form.settings = BASE


def test_the_folds_hold_every_setting_once() -> None:
    fields = [name for names in GROUPS.values() for name in names]
    assert sorted(fields) == sorted(TrainingConfig.model_fields)
    assert len(PLACES) > 90


def words_of(place: tuple[Any, ...]) -> str:
    return ".".join(str(next(iter(step.values())) if isinstance(step, dict) else step) for step in place)


@pytest.mark.parametrize("place", PLACES, ids=words_of)
def test_what_is_entered_arrives(
    form: SettingsForm[TrainingConfig], place: tuple[Any, ...], tmp_path: Path
) -> None:
    leaf = find(form, place)
    for value in entries(leaf):
        before = form.settings
        change(leaf.widget, value)
        if form.settings != before and not form.errors:
            break
    else:
        pytest.fail(f"nothing was taken: {form.errors}")
    got = at(form.settings, place)
    assert as_typed(got) == as_typed(value)
    form.settings.save(tmp_path / "config.yaml")
    assert at(TrainingConfig.load(tmp_path / "config.yaml"), place) == got


def find(form: SettingsForm[TrainingConfig], place: tuple[Any, ...]) -> Any:
    """Unfold everything on the way to a field, choosing kinds as it is done by hand."""
    name, *rest = place
    if not rest:
        form.widget(name)
        return form._editor_of(name).leaves[name]
    editor = form.section(name).open()
    for step in rest:
        if isinstance(editor, OptionalEditor):
            editor = editor.editor
        if isinstance(step, dict):
            assert isinstance(editor, UnionEditor)
            (word,) = step.values()
            editor.picker.setCurrentIndex(editor.picker.findData(word))
            fill(editor.editor)
            editor = editor.editor
        elif isinstance(step, int):
            assert isinstance(editor, ListEditor)
            editor = editor.items[step].open()
        elif step in editor.leaves:
            return editor.leaves[step]
        else:
            editor = editor.sections[step].open()
    raise KeyError(place)


def fill(editor: ModelEditor) -> None:
    """Enter what a kind of settings cannot do without."""
    for leaf in editor.leaves.values():
        if leaf.is_missing:
            for value in ("0, 0", "0.5, 0.9", "1, 2") if leaf._kind.is_sequence else ("7",):
                change(leaf.widget, value)
                if not leaf.message.text():
                    break
    for section in editor.sections.values():
        inner = section.open()
        if isinstance(inner, ListEditor) and not inner.items:
            inner.add_button.menu().actions()[0].trigger()
            fill(inner.items[0].open().editor)


def entries(leaf: Leaf) -> tuple[Any, ...]:
    """Return what a user may enter."""
    widget = leaf.widget
    if isinstance(widget, CheckBox):
        return (not widget.value,)
    if isinstance(widget, ComboBox):
        return tuple(choice for choice in widget.choices if choice not in (None, widget.value))
    if isinstance(widget, (Slider, FloatSlider)):
        return tuple(type(widget.value)(widget.max / part) for part in (4, 2))
    if isinstance(widget, LineEdit):
        pairs = ("0.25, 0.75", "2, 3", "8, 8") if leaf._kind.is_sequence else ()
        return (*pairs, *(word for plain in leaf._kind.plain for word in WORDS[plain]))
    return ([widget[0].name],)


def change(widget: Any, value: Any) -> None:
    """Enter a value with the keys, or with a click."""
    if isinstance(widget, LineEdit):
        widget.native.clear()
        QTest.keyClicks(widget.native, value)
    elif isinstance(widget, (CheckBox, ComboBox, Slider, FloatSlider)):
        widget.value = value
    else:
        for box in widget:
            box.value = box.name in value


def at(settings: TrainingConfig, place: tuple[Any, ...]) -> Any:
    value: Any = settings
    for step in place:
        if isinstance(step, dict):
            assert {name: getattr(value, name) for name in step} == step
        else:
            value = value[step] if isinstance(step, int) else getattr(value, step)
    return value


def as_typed(value: Any) -> Any:
    """Return a value in the words in which it is entered."""
    if isinstance(value, bool):
        return value
    if isinstance(value, (int, float)):
        return f"{value:g}"
    if isinstance(value, (tuple, list)):
        return ", ".join(map(str, map(as_typed, value)))
    if isinstance(value, dict):
        return ", ".join(f"{name}: {item}" for name, item in value.items())
    return value if isinstance(value, str) else str(value)


def test_what_is_wrong_is_said_where_it_is(form: SettingsForm[TrainingConfig]) -> None:
    leaf = find(form, ("optimizer", "learning_rate"))
    change(leaf.widget, "-1")
    assert form.errors == ("optimizer.learning_rate: must be greater than 0",)
    assert leaf.message.text() == "must be greater than 0"
    assert "border" in leaf.widget.native.styleSheet()
    assert form.settings == BASE
    # The rest of the form goes on working.
    change(form.widget("seed"), "5")
    assert form.settings.seed == 5
    assert form.settings.optimizer == BASE.optimizer
    change(leaf.widget, "1e-4")
    assert form.errors == ()
    assert leaf.message.text() == ""
    assert form.settings.optimizer.learning_rate == 1e-4


def test_what_does_not_go_together_is_said_at_the_field_that_it_names(
    form: SettingsForm[TrainingConfig],
) -> None:
    change(form.widget("steps_per_epoch"), "")
    assert form.errors == ()
    form.section("sampling").open().picker.setCurrentIndex(0)
    leaf = find(form, ("steps_per_epoch",))
    assert leaf.message.text().startswith("patches have no end")
    change(leaf.widget, "10")
    assert form.errors == ()
    assert form.settings.sampling.kind == "patches"


def test_items_come_and_go(form: SettingsForm[TrainingConfig], qtbot) -> None:
    steps = form.section("augmentation").open().sections["steps"].open()
    titles = [action.text() for action in steps.add_button.menu().actions()]
    assert {"Gaussian noise", "Blank out", "One of"} <= set(titles)
    steps.add_button.menu().actions()[titles.index("Pixel dropout")].trigger()
    # What it cannot do without is asked for.
    new = steps.items[-1].editor.editor
    assert new.leaves["rate"].message.text() == "enter a value"
    assert len(form.settings.augmentation.steps) == 2
    change(new.leaves["rate"].widget, "0, 0.04")
    assert form.settings.augmentation.steps[2].model_dump()["rate"] == (0, 0.04)
    assert [item.fold.button.text() for item in steps.items] == [
        "1: gaussian noise",
        "2: one of",
        "3: pixel dropout",
    ]
    qtbot.mouseClick(steps.items[0].fold._head.itemAt(1).widget(), Qt.MouseButton.LeftButton)
    assert [step.kind for step in form.settings.augmentation.steps] == ["one-of", "pixel-dropout"]


def test_a_kind_keeps_what_was_entered_for_it(form: SettingsForm[TrainingConfig]) -> None:
    editor = form.section("schedule").open()
    for word, typed in (("plateau", "9"), ("constant", None), ("plateau", None)):
        editor.picker.setCurrentIndex(editor.picker.findData(word))
        if typed:
            change(editor.editor.leaves["patience"].widget, typed)
    assert form.settings.schedule.model_dump()["patience"] == 9
    assert form.section("schedule").fold.button.text() == "Schedule: plateau"


def test_early_stopping_is_switched(form: SettingsForm[TrainingConfig]) -> None:
    editor = form.section("early_stopping").open()
    editor.check.click()
    assert form.settings.early_stopping is None
    assert form.section("early_stopping").fold.button.text() == "Early stopping: off"
    editor.check.click()
    assert form.settings.early_stopping is not None


def test_another_architecture_is_chosen_from_a_list_and_begins_with_its_own_parameters(qtbot) -> None:
    state = TrainState()
    box = DataBox(state, pytest.fail)
    qtbot.addWidget(box)
    box.settings.set_open(True)
    assert box.form is not None
    picker = box.form.widget("architecture")
    assert picker.choices == ARCHITECTURES
    assert picker.value == state.config.architecture == "residual-unet"
    assert state.config.architecture_parameters
    picker.value = "datacamp2018"
    assert state.config.architecture == "datacamp2018"
    assert state.config.architecture_parameters == {}
    assert box.form.widget("architecture_parameters").value == ""
    picker.value = "skip-unet"
    change(box.form.widget("architecture_parameters"), "channels: 8")
    assert state.config.architecture_parameters == {"channels": 8}
    # An imported network has an architecture of its own.
    state.config = state.config.model_copy(update={"architecture": IMPORTED})
    assert picker.value == IMPORTED


def test_who_has_chosen_a_recipe_can_type_the_epochs(qtbot) -> None:
    state = TrainState()
    box = DataBox(state, pytest.fail)
    qtbot.addWidget(box)
    box.show()
    box.recipe.setFocus()
    box.recipe.setCurrentIndex(box.recipe.findData("datacamp2018"))
    box.recipe.activated.emit(box.recipe.currentIndex())
    assert box.window().focusWidget() is box.epochs
    QTest.keyClicks(box.epochs.lineEdit(), "7")
    QTest.keyClick(box.epochs.lineEdit(), Qt.Key.Key_Return)
    assert (state.recipe, state.config.epochs) == ("datacamp2018", 7)

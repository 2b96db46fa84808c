"""The list of corruptions: what is done in it by hand arrives in the comparison."""

import numpy as np
import pytest
from magicgui.widgets import LineEdit
from qtpy.QtCore import Qt

from napari_mri_cae.corruptions import (
    BiasField,
    BlankOut,
    Blobs,
    Downsampling,
    GaussianBlur,
    GaussianNoise,
    Ghosting,
    GibbsRinging,
    Motion,
    PixelDropout,
    RicianNoise,
    Spikes,
    corruption_kinds,
)
from napari_mri_cae.viewer.compare.corruption_box import CorruptionBox
from napari_mri_cae.viewer.compare.state import ChainItem, CompareState


@pytest.fixture
def box(qtbot) -> CorruptionBox:
    box = CorruptionBox(CompareState())
    qtbot.addWidget(box)
    box.show()
    return box


def offered(box: CorruptionBox) -> list[str]:
    """What the menu says, headings in brackets."""
    return [
        action.text().strip() if action.isEnabled() else f"[{action.text()}]"
        for action in box.add_button.menu().actions()
        if action.isVisible()
    ]


def add(box: CorruptionBox, label: str) -> None:
    """Choose an entry of the menu."""
    next(action for action in box.add_button.menu().actions() if action.text().strip() == label).trigger()


def kinds(state: CompareState) -> list[str]:
    return [item.corruption.kind for item in state.chain]


def test_every_field_of_every_form_arrives(box: CorruptionBox, qtbot) -> None:
    state = box._state
    for kind in corruption_kinds().values():
        if kind.kind not in kinds(state):
            add(box, kind.label)
        row = box.row(kind)
        position = box.rows.index(row)
        for name in kind.model_fields:
            widget = row.form.widget(name)
            before = getattr(state.chain[position].corruption, name)
            if isinstance(widget, LineEdit):
                qtbot.keyClicks(widget.native, "7")
                expected = 7
            elif isinstance(before, bool):
                widget.native.click()
                expected = not before
            else:
                widget.value = expected = type(before)(widget.max / 2)
            item = state.chain[position]
            assert getattr(item.corruption, name) == pytest.approx(expected), (kind, name)
            assert item.enabled
            assert row.check.isChecked()
    assert [item.corruption for item in state.chain] == [
        GaussianNoise(sigma=0.125, clip=True),
        RicianNoise(sigma=0.125, clip=True),
        PixelDropout(rate=0.25, rescale=True),
        GaussianBlur(sigma=2.5, kernel_size=7),
        BlankOut(size=64, row=7, column=7, value=0.5),
        Blobs(number=10, radius=20, contrast=0.5, softness=0.5),
        Motion(degrees=7.5, pixels=7, movements=4, horizontal=True),
        Ghosting(intensity=0.5, ghosts=8, restore=0.1, horizontal=True),
        Spikes(intensity=1.0, number=8),
        GibbsRinging(kept=0.5),
        BiasField(coefficient=0.5, order=2),
        Downsampling(factor=5, horizontal=True),
    ]


def test_order_and_options(box: CorruptionBox, qtbot) -> None:
    state = box._state
    before = kinds(state)
    first, second = box.rows[:2]
    assert not first.earlier.isEnabled()
    assert not box.rows[-1].later.isEnabled()
    qtbot.mouseClick(second.earlier, Qt.MouseButton.LeftButton)
    assert kinds(state) == [before[1], before[0], *before[2:]]
    assert box.rows[:2] == [second, first]
    assert (second.number.text(), first.number.text()) == ("1", "2")
    assert second.y() < first.y() or box.layout().indexOf(second) < box.layout().indexOf(first)
    for _ in range(4):
        qtbot.mouseClick(second.later, Qt.MouseButton.LeftButton)
    assert kinds(state)[-1] == before[1]
    assert not second.later.isEnabled()

    clip = first.form.widget("clip")
    assert first.form.widget("sigma").visible
    assert not clip.visible
    qtbot.mouseClick(first.more, Qt.MouseButton.LeftButton)
    assert clip.visible
    qtbot.mouseClick(first.more, Qt.MouseButton.LeftButton)
    assert not clip.visible


def test_artefacts_come_and_go(box: CorruptionBox, qtbot) -> None:
    state = box._state
    before = state.chain
    assert offered(box) == [
        *("[Anomalies]", "Blobs"),
        *("[MRI artefacts]", "Motion", "Ghosting", "Spikes", "Gibbs ringing", "Bias field", "Downsampling"),
    ]
    assert all(row.remove.isHidden() for row in box.rows)
    add(box, "Spikes")
    assert state.chain == (*before, ChainItem(Spikes(), enabled=True))
    assert box.rows[-1].check.isChecked()
    assert box.rows[-1].number.text() == "6"
    assert "Spikes" not in offered(box)
    add(box, "Blobs")
    assert "[Anomalies]" not in offered(box)
    blobs = box.row(Blobs)
    qtbot.mouseClick(blobs.earlier, Qt.MouseButton.LeftButton)
    assert kinds(state)[-2:] == ["blobs", "spikes"]
    qtbot.mouseClick(box.row(Spikes).remove, Qt.MouseButton.LeftButton)
    assert state.chain == (*before, ChainItem(Blobs(), enabled=True))
    assert box.rows[-1] is blobs
    assert not blobs.later.isEnabled()
    assert "Spikes" in offered(box)
    # From elsewhere, too.
    state.chain = (ChainItem(Motion(degrees=3)), *before)
    assert [row.item for row in box.rows] == [*state.chain]
    assert box.row(Motion).form.settings == Motion(degrees=3)
    for label in ("Blobs", "Ghosting", "Spikes", "Gibbs ringing", "Bias field", "Downsampling"):
        add(box, label)
    assert offered(box) == []
    assert not box.add_button.isEnabled()


def test_a_wrong_number_disturbs_nothing_else(box: CorruptionBox, qtbot) -> None:
    state = box._state
    row = box.row(GaussianBlur)
    position = box.rows.index(row)
    qtbot.mouseClick(row.more, Qt.MouseButton.LeftButton)
    field = row.form.widget("kernel_size").native
    qtbot.keyClicks(field, "4")
    assert "border" in field.styleSheet()
    assert state.chain[position] == ChainItem(GaussianBlur(sigma=1.0), enabled=False)
    row.check.click()
    assert state.chain[position] == ChainItem(GaussianBlur(sigma=1.0), enabled=True)
    row.form.widget("sigma").value = 2.0
    assert state.chain[position] == ChainItem(GaussianBlur(sigma=2.0), enabled=True)
    assert field.text() == "4"
    state.replace_corruption(position, ChainItem(GaussianBlur(sigma=0.5, kernel_size=3)))
    assert field.text() == "3"
    assert field.styleSheet() == ""
    assert not row.check.isChecked()


def test_the_hand_on_a_slider_moves_the_comparison(alone) -> None:
    window, box = alone, alone.dock.corruption_box
    comparison = window.comparison
    window.scroll_to(5)
    noise = box.row(GaussianNoise)
    before, drawn = window.cell("slice", "psnr", "corrupted"), window.on_screen("corrupted").copy()
    slider = noise.form.widget("sigma")
    window.drag(slider.native, 0.8)
    sigma = slider.value
    assert sigma == pytest.approx(0.2, abs=0.03)
    window.until(lambda: comparison.corruptions == (GaussianNoise(sigma=sigma),))
    assert noise.form.settings == GaussianNoise(sigma=sigma)
    window.until(lambda: comparison.done[5] and window.cell("slice", "psnr", "corrupted") != before)
    window.until_done()
    assert not np.array_equal(window.on_screen("corrupted"), drawn)
    for role in window.panels:
        np.testing.assert_array_equal(window.on_screen(role), getattr(comparison, role)[5])
    row = comparison.metrics[5]
    assert window.cell("slice", "psnr", "corrupted") == f"{row['psnr_corrupted']:.2f}"
    noise_level = np.std(comparison.corrupted - comparison.original)
    assert noise_level == pytest.approx(sigma, rel=0.1)

    # Off: nothing is done to the volume. Dropout on, and moved before the noise.
    window.check(noise.check)
    assert comparison.corruptions == ()
    window.until_done()
    np.testing.assert_array_equal(comparison.corrupted, comparison.original)
    assert window.cell("slice", "psnr", "corrupted") == "∞"
    window.check(noise.check)
    dropout = box.row(PixelDropout)
    window.check(dropout.check)
    after = window.until_done().corrupted.copy()
    assert [type(corruption) for corruption in comparison.corruptions] == [GaussianNoise, PixelDropout]
    window.click(dropout.earlier)
    window.click(dropout.earlier)
    assert not np.array_equal(window.until_done().corrupted, after)
    assert [type(corruption) for corruption in comparison.corruptions] == [PixelDropout, GaussianNoise]
    assert window.sentences == []

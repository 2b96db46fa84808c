"""A control that moves, and the picture that follows from it."""

import pytest
from qtpy.QtOpenGLWidgets import QOpenGLWidget

from napari_mri_cae.corruptions import GaussianNoise
from napari_mri_cae.viewer.compare import one_paint


@pytest.fixture
def at_rest(open_window, volume_file, gate):
    """Return a function that opens a window whose volume is done, and then lets nothing through any more."""

    def open_(**how):
        window = open_window(model="gate", **how)
        gate.open()
        window.dock.open_path(volume_file)
        window.until_done()
        gate.shut()
        return window

    return open_


def test_a_control_that_is_dragged_shows_pictures_on_the_way(at_rest, gate) -> None:
    window = at_rest(alone=True)
    pictures = []
    window.session.fill.finished_slices.connect(lambda _finished: pictures.append(window.comparison.seed))
    # Else the worker may have begun another slice of seed 1 before seed 3 reaches it.
    window.state.fill = False
    calls = gate.calls
    window.state.seed = 1
    window.until(lambda: gate.calls == calls + 1)
    window.state.seed = 2
    window.state.seed = 3
    # The picture that is being computed is shown, although it is overtaken already; then the latest.
    gate.let()
    window.until(lambda: gate.calls == calls + 2)
    gate.let()
    window.until(lambda: len(pictures) == 2)
    assert pictures == [1, 3]
    gate.open()
    window.state.fill = True
    assert window.until_done().seed == 3


def test_what_is_saved_is_of_the_settings_on_screen(at_rest, gate, tmp_path) -> None:
    window = at_rest(alone=True)
    calls = gate.calls
    window.state.seed = 1
    window.until(lambda: gate.calls == calls + 1)
    window.state.seed = 2
    window.session.save(tmp_path / "corrupted.nii.gz", "corrupted")
    assert window.comparison.seed == 2
    gate.open()
    window.until((tmp_path / "corrupted.nii.gz").exists)


def test_the_slider_is_painted_with_its_picture(at_rest, gate, monkeypatch) -> None:
    monkeypatch.setattr(one_paint, "LONGEST_HOLD_MS", 20_000)
    window = at_rest()
    frames, slider = _frames(window), window.dock.corruption_box.row(GaussianNoise).form.widget("sigma")
    slider.value = 0.07
    window.qtbot.wait(200)
    assert frames == []
    gate.let()
    window.until(lambda: frames)
    gate.open()
    window.until_done()


def test_a_slow_picture_does_not_hold_the_slider_back(at_rest, gate) -> None:
    window = at_rest()
    frames, slider = _frames(window), window.dock.corruption_box.row(GaussianNoise).form.widget("sigma")
    slider.value = 0.07
    window.until(lambda: frames)
    assert not window.comparison.done.any()
    gate.open()
    window.until_done()


def _frames(window) -> list[int]:
    """Return a list that grows with every frame the window puts on screen."""
    window.qtbot.wait(300)
    frames: list[int] = []
    canvas = window.viewer.window.main_menu.window().findChildren(QOpenGLWidget)[0]
    canvas.frameSwapped.connect(lambda: frames.append(1))
    return frames

"""Of a series the volume on screen is compared."""

import numpy as np
import pytest

FRAMES = 3


@pytest.fixture
def frames(voxels: np.ndarray) -> np.ndarray:
    """A series in its file's axis order: time last, no two frames alike."""
    return np.stack([np.roll(voxels, t, axis=0) // (t + 1) for t in range(FRAMES)], axis=-1)


def as_ipl(array: np.ndarray) -> np.ndarray:
    """Return an array in the axis order of the tests' files (L-A-S) as I-P-L."""
    return array.transpose(2, 1, 0)[::-1, ::-1].astype(np.float32)


def assert_frame(window, frames: np.ndarray, t: int) -> None:
    comparison = window.until_done()
    given = as_ipl(frames[..., t])
    low, high = given.min(), np.percentile(given, 99.95)
    np.testing.assert_allclose(comparison.original, np.clip((given - low) / (high - low), 0, 1), atol=1e-5)
    for role in window.panels:
        np.testing.assert_array_equal(window.on_screen(role), getattr(comparison, role)[window.index])
    row = comparison.metrics[window.index]
    assert window.cell("slice", "psnr", "corrupted") == f"{row['psnr_corrupted']:.2f}"


def test_the_time_slider_chooses_the_volume(open_window, write_volume, frames, tiny_model, tmp_path) -> None:
    window = open_window(model=tiny_model, alone=True)
    window.drop(write_volume("run.nii.gz", frames))
    window.until_compared("run")
    dims = window.viewer.dims
    assert dims.ndim == 4
    source = window.session.source
    assert source.data.shape == (FRAMES, 12, 16, 14)
    assert_frame(window, frames, dims.current_step[0])
    panels = dict(window.panels)
    for panel in panels.values():
        assert panel.ndim == 3
        np.testing.assert_allclose(panel.scale, (2.0, 0.9, 1.2), rtol=1e-6)
        assert [str(unit) for unit in panel.units] == ["millimeter"] * 3
        assert panel.axis_labels == source.axis_labels[1:]

    # napari begins in the middle.
    for t in (0, 2, 1):
        before = window.comparison
        dims.set_current_step(0, t)
        window.until(lambda before=before: window.dock.comparison is not before)
        assert_frame(window, frames, t)
        assert window.panels == panels
    window.scroll_to(4)
    assert window.index == 4
    # Quickly through time: the last one counts, and no slice is lost in between.
    for t in (1, 2, 1, 2):
        dims.set_current_step(0, t)
        window.scroll_to(t)
    window.until(lambda: not window.session.is_busy)
    assert_frame(window, frames, 2)
    window.click(window.dock.view_box.planes["sagittal"])
    assert dims.order == (0, 3, 1, 2)
    window.until_done()
    window.scroll_to(9)
    assert window.index == 9

    # Another volume comes while the time slider moves on.
    window.drop(write_volume("other.nii.gz"))
    dims.set_current_step(0, 0)
    window.until_compared("other")
    assert source in window.viewer.layers
    assert not source.visible
    window.dock.close_comparison()
    assert window.sentences == []

"""A comparison's work: stopped, gone on with, failing, and written to files that others can read."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from napari.layers import Image
from qtpy.QtCore import QThreadPool

from napari_mri_cae.corruptions import GaussianNoise
from napari_mri_cae.models import load_model

ROLES = ("original", "corrupted", "reconstructed", "residual")


def window_of(path: Path) -> tuple[float, float]:
    """Return low and high of a file's intensity window, as the design has it."""
    values = nib.load(path).get_fdata()
    return float(values.min()), float(np.percentile(values, 99.95))


def as_on_file(array: np.ndarray) -> np.ndarray:
    """Return an I-P-L array in the axis order of the tests' files, L-A-S."""
    return array[::-1, ::-1].transpose(2, 1, 0)


def in_threads() -> int:
    pool = QThreadPool.globalInstance()
    assert pool is not None
    return pool.activeThreadCount()


def test_cancel_and_resume(open_window, volume_file: Path, gate) -> None:
    window = open_window(model="gate", alone=True)
    window.drop(volume_file)
    row = window.dock.progress_row
    window.until(lambda: gate.calls == 1)
    comparison = window.comparison
    assert row.button.text() == "Cancel"
    gate.let(3)
    window.until(lambda: gate.calls == 4)
    # Outward from the slice on screen.
    assert sorted(np.flatnonzero(comparison.done)) == [5, 6, 7]
    window.click(row.button)
    assert row.button.text() == "Resume"
    gate.open()
    window.until(lambda: in_threads() == 0)
    window.qtbot.wait(1)
    assert gate.calls == 4
    assert comparison.done.sum() == 4
    assert window.dock.metrics_box.volume_title.text() == "Volume so far"
    window.until(lambda: row.bar.value() == 4)

    # The slice on screen is computed all the same, and no other.
    window.scroll_to(0)
    window.until(lambda: comparison.done[0])
    window.state.seed = 1
    window.until(lambda: comparison.done[0])
    window.until(lambda: in_threads() == 0)
    assert np.flatnonzero(comparison.done).tolist() == [0]
    expected = f"{comparison.metrics[0]['psnr_corrupted']:.2f}"
    window.until(lambda: window.cell("slice", "psnr", "corrupted") == expected)

    window.click(row.button)
    assert row.button.text() == "Cancel"
    assert window.until_done() is comparison
    assert row.bar.value() == 12
    assert window.dock.metrics_box.volume_title.text() == "Volume"
    assert window.sentences == []


# As outside the tests, where a warning is no exception.
@pytest.mark.filterwarnings("ignore:RuntimeError in aborted")
def test_a_network_that_fails_is_said_and_survived(alone, broken_model: str) -> None:
    window = alone
    window.state.model = broken_model
    window.until_told("the network is broken")
    window.until(lambda: in_threads() == 0)
    window.scroll_to(3)
    window.until_told("the network is broken")
    window.state.model = None
    comparison = window.until_done()
    assert comparison.model.card.name == load_model().card.name
    assert window.sentences == []


def test_nothing_that_is_asked_for_at_once_gets_lost(
    open_window, write_volume, tiny_model, tmp_path: Path
) -> None:
    window = open_window(alone=True)
    # Settings, while the volume is being prepared.
    window.drop(write_volume("a.nii.gz"))
    window.until(lambda: window.viewer.layers)
    assert window.dock.comparison is None
    window.state.model = str(tiny_model)
    window.state.exact = True
    window.state.seed = 7
    window.state.plane = "coronal"
    comparison = window.until_compared("a")
    assert comparison.model.card.name == "tiny"
    assert (comparison.seed, comparison.plane) == (7, "coronal")
    assert comparison.device_description.endswith("float32")
    # A model, two files and another volume.
    window.session.save(tmp_path / "one.nii.gz", "residual")
    window.session.save(tmp_path / "two.nii.gz", "corrupted")
    window.drop(write_volume("b.nii.gz"))
    window.state.model = None
    assert window.until_compared("b").model.card.name == load_model().card.name
    assert (tmp_path / "one.nii.gz").exists()
    assert (tmp_path / "two.nii.gz").exists()
    assert window.sentences == []


@pytest.mark.parametrize("plane", ["axial", "sagittal"])
def test_all_four_are_saved_once_the_volume_is_finished(
    open_window, volume_file: Path, gate, tmp_path: Path, plane: str
) -> None:
    window = open_window(model="gate", alone=True)
    window.state.plane = plane
    window.drop(volume_file)
    window.until(lambda: gate.calls == 1)
    said: list[str] = []
    window.session.saved.connect(said.append)
    # While nothing is finished, and paused at that.
    window.click(window.dock.progress_row.button)
    folder = tmp_path / "out"
    folder.mkdir()
    window.session.save(folder / "sub.nii.gz")
    window.session.save(folder / "only.nii", "residual")
    assert window.state.fill
    assert list(folder.iterdir()) == []
    gate.open()
    window.until(lambda: len(said) == 2)
    assert sorted(file.name for file in folder.iterdir()) == sorted(
        [f"sub_{role}{end}" for role in ROLES for end in (".nii.gz", ".json")] + ["only.nii", "only.json"]
    )
    assert sorted(said)[0] == "Saved only.nii."
    assert "sub_residual.nii.gz" in sorted(said)[1]

    comparison = window.until_done()
    source = nib.load(volume_file)
    low, high = window_of(volume_file)
    for role in ROLES:
        image = nib.load(folder / f"sub_{role}.nii.gz")
        np.testing.assert_array_equal(image.affine, source.affine)
        assert image.header["sform_code"] == source.header["sform_code"]
        assert image.header["qform_code"] == source.header["qform_code"]
        assert image.header.get_xyzt_units() == source.header.get_xyzt_units()
        assert image.header.get_data_dtype() == np.float32
        values = as_on_file(getattr(comparison, role)).astype(np.float64) * (high - low)
        if role != "residual":
            values += low
        np.testing.assert_allclose(image.get_fdata(), values, atol=1e-3 * (high - low))
        facts = json.loads((folder / f"sub_{role}.json").read_text())
        assert facts["layer"] == role
        assert facts["corruptions"] == [GaussianNoise(sigma=0.03).to_dict()]
        assert (facts["seed"], facts["plane"], facts["model"]["name"]) == (0, plane, "made up")
        assert facts["volume"]["window"]["high"] == pytest.approx(high, rel=1e-6)
    # The original is what was in the file, but for what the window clips.
    original, given = nib.load(folder / "sub_original.nii.gz").get_fdata(), source.get_fdata()
    np.testing.assert_allclose(original, np.minimum(given, high), atol=1e-3)
    # The network halves what it gets, so that signs and scales show.
    reconstructed, corrupted, residual = (
        nib.load(folder / f"sub_{role}.nii.gz").get_fdata()
        for role in ("reconstructed", "corrupted", "residual")
    )
    np.testing.assert_allclose(reconstructed - low, (corrupted - low) / 2, atol=5e-3 * (high - low))
    np.testing.assert_allclose(residual, original - reconstructed, atol=1e-3)
    np.testing.assert_array_equal(nib.load(folder / "only.nii").get_fdata(), residual)
    assert window.sentences == []


def test_what_cannot_be_saved_is_said(alone, tmp_path: Path) -> None:
    window = alone
    blocked = tmp_path / "a file"
    blocked.write_text("in the way")
    for path in (blocked / "x.nii.gz", tmp_path / "no" / "such" / "folder.nii.gz"):
        for role in (None, "residual"):
            window.session.save(path, role)
            window.until_told(str(path.parent))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a file", "sub-01_T1w.nii.gz"]


def test_what_waits_for_a_volume_is_not_written_from_another(
    open_window, write_volume, gate, tmp_path
) -> None:
    # As on a single core: the worker that waits for the gate is not the only thread all the same.
    QThreadPool.globalInstance().setMaxThreadCount(1)
    window = open_window(model="gate", alone=True)
    window.session.save(tmp_path / "early.nii.gz")
    window.until_told("nothing to save")
    window.drop(write_volume("a.nii.gz"))
    window.until(lambda: gate.calls == 1)
    window.session.save(tmp_path / "late.nii.gz", "original")
    window.drop(write_volume("b.nii.gz"))
    window.until_told("late.nii.gz", "was not saved")
    gate.open()
    window.until_compared("b")
    assert not (tmp_path / "late.nii.gz").exists()
    assert not (tmp_path / "early.nii.gz").exists()
    assert window.sentences == []


def test_a_trainings_pictures_stay_out_of_the_grid(alone) -> None:
    window = alone
    window.until_done()
    preview = Image(np.zeros((4, 4)), name="Preview", metadata={"napari_mri_cae": {"role": "preview"}})
    window.viewer.add_layer(preview)
    assert not preview.visible
    window.session.close()
    assert preview.visible

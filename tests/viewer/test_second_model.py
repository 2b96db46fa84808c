"""Two models at once, models from elsewhere, and volumes that they do not know."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from napari_mri_cae.models import Card, Model, list_models, save_model
from napari_mri_cae.models.architectures import build
from napari_mri_cae.volume import Volume

PARAMETERS = {"channels": 4, "levels": 1}


@pytest.fixture
def other_model(tmp_path: Path) -> Path:
    """A model for sagittal slices, from a file."""
    torch.manual_seed(3)
    card = Card(
        name="other",
        architecture="skip-unet",
        architecture_parameters=PARAMETERS,
        multiple_of=2,
        plane="sagittal",
    )
    return save_model(Model(build("skip-unet", **PARAMETERS).eval(), card), tmp_path / "other.safetensors")


def test_none_is_chosen_while_a_second_model_is_being_loaded(
    open_window, volume_file: Path, tiny_model: Path, other_model: Path
) -> None:
    window = open_window(model=tiny_model, alone=True)
    window.drop(volume_file)
    window.until_compared("sub-01_T1w")
    window.state.second_model = str(other_model)
    window.state.second_model = None
    window.until(lambda: not window.session.is_busy)
    assert window.until_done().second_model is None
    assert "residual_2" not in window.panels


def test_a_second_model_gets_two_panels_and_its_own_numbers(
    open_window, volume_file: Path, tiny_model: Path, other_model: Path
) -> None:
    window = open_window(model=tiny_model, alone=True)
    window.drop(volume_file)
    window.until_compared("sub-01_T1w")
    first = window.comparison.reconstructed.copy()
    window.state.second_model = str(other_model)
    window.until(lambda: window.comparison.second_model is not None)
    comparison = window.until_done()

    assert [name for name, _ in window.grid_names()] == [
        "Original",
        "Reconstructed",
        "Reconstructed 2",
        "Corrupted",
        "Residual",
        "Residual 2",
    ]
    assert {position for _, position in window.grid_names()} == {(r, c) for r in range(2) for c in range(3)}
    np.testing.assert_array_equal(comparison.reconstructed, first)
    assert comparison.residual_2 is not None
    assert window.panels["residual_2"].data is comparison.residual_2
    row = comparison.metrics[window.index]
    window.until(
        lambda: window.cell("slice", "psnr", "reconstructed_2") == f"{row['psnr_reconstructed_2']:.2f}"
    )
    # The residuals share their range, the images theirs.
    window.panels["residual"].contrast_limits = (-0.3, 0.3)
    assert tuple(window.panels["residual_2"].contrast_limits) == (-0.3, 0.3)
    window.panels["original"].contrast_limits = (0.1, 0.8)
    assert tuple(window.panels["reconstructed_2"].contrast_limits) == (0.1, 0.8)

    window.choose(window.dock.model_box.second_model, 0)
    window.until(lambda: window.comparison.second_model is None)
    assert len(window.grid_names()) == 4
    assert not window.dock.metrics_box.cells["slice", "psnr", "reconstructed_2"].isVisible()


def test_all_six_are_saved(
    open_window, volume_file: Path, tiny_model: Path, other_model: Path, tmp_path: Path
) -> None:
    window = open_window(model=tiny_model, alone=True)
    window.state.second_model = str(other_model)
    window.drop(volume_file)
    comparison = window.until_compared("sub-01_T1w")
    window.session.save(tmp_path / "out.nii.gz")
    window.until(lambda: not window.session.is_busy and (tmp_path / "out_residual_2.nii.gz").exists())
    volume, low, high = Volume.load(volume_file), comparison.volume.window.low, comparison.volume.window.high
    written = nib.load(tmp_path / "out_residual_2.nii.gz")
    np.testing.assert_array_equal(written.affine, volume.affine)
    expected = comparison.residual_2[::-1, ::-1].transpose(2, 1, 0) * (high - low)
    np.testing.assert_allclose(written.get_fdata(), expected, atol=1e-3)


def test_a_model_from_a_file_is_in_the_list_next_time(
    open_window, volume_file: Path, tiny_model: Path, other_model: Path
) -> None:
    window = open_window(model=tiny_model, alone=True)
    window.drop(volume_file)
    window.until_compared("sub-01_T1w")
    window.drop(other_model)
    window.until(lambda: window.comparison.model.card.name == "other")
    window.until(lambda: not window.session.is_busy)
    assert "other" in [card.name for card in list_models()]


def test_a_model_that_keras_saved_is_dropped(
    open_window, volume_file: Path, tiny_model: Path, keras_files: Path
) -> None:
    window = open_window(model=tiny_model, alone=True)
    window.drop(volume_file)
    window.until_compared("sub-01_T1w")
    file = sorted(keras_files.glob("*.keras"))[0]
    window.drop(file)
    window.until(lambda: window.comparison.model.card.name != "tiny" or window.sentences)
    assert not window.sentences
    assert file.stem.split(".")[0] in window.comparison.model.card.name


def test_what_the_model_does_not_know_is_said(
    open_window, volume_file: Path, tiny_model: Path, other_model: Path
) -> None:
    window = open_window(model=tiny_model, alone=True)
    window.drop(volume_file)
    window.until_compared("sub-01_T1w")
    note = window.dock.unfamiliar_note
    assert not note.isVisible()
    window.drop(other_model)
    window.until(lambda: window.comparison.model.card.name == "other")
    window.until(note.isVisible)
    assert "sagittal" in note.text()
    window.click(window.dock.view_box.planes["sagittal"])
    window.until(lambda: not note.isVisible())

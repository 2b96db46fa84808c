"""mri-cae reconstruct."""

import json
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from napari_mri_cae import Comparison, Volume
from napari_mri_cae.models import Model, load_model, save_model


@pytest.mark.parametrize("plane", ["axial", "sagittal"])
def test_is_what_a_comparison_shows(
    cli: Callable, tmp_path: Path, volume_file: Path, model_file: Path, plane: str
) -> None:
    output, residual = tmp_path / "out.nii.gz", tmp_path / "residual.nii.gz"
    ended = cli(
        *("reconstruct", volume_file, output, "--residual", residual, "--model", model_file),
        *("--plane", plane, "--exact", "--device", "cpu"),
    )
    assert ended.status == 0
    assert ended.err == ""
    volume = Volume.load(volume_file)
    comparison = Comparison(volume, load_model(model_file), plane=plane, device="cpu", exact=True)
    for _ in comparison.run():
        pass
    np.testing.assert_array_equal(Volume.load(output).data, volume.to_intensities(comparison.reconstructed))
    scale = volume.window.high - volume.window.low
    np.testing.assert_allclose(Volume.load(residual).data, comparison.residual * scale, atol=scale * 1e-6)
    assert np.abs(comparison.residual).max() > 1e-3


def test_keeps_the_grid(cli: Callable, tmp_path: Path, series_file: Path, model_file: Path) -> None:
    output = tmp_path / "out.nii.gz"
    ended = cli("reconstruct", series_file, output, "--model", model_file, "--frame", 1, "--json")
    before, after = nib.load(series_file), nib.load(output)
    assert after.shape == before.shape[:3]
    assert after.get_data_dtype() == np.float32
    np.testing.assert_array_equal(after.affine, before.affine)
    written = json.loads((tmp_path / "out.json").read_text())
    assert ended.json == written
    assert written["model"]["name"] == "tiny"
    assert written["frame"] == 1


def test_output_and_residual_are_two_files(
    cli: Callable, tmp_path: Path, volume_file: Path, model_file: Path
) -> None:
    output = tmp_path / "out.nii"
    (tmp_path / "there").mkdir()
    for residual in (output, tmp_path / "there" / ".." / "out.nii", tmp_path / "residual.txt"):
        ended = cli("reconstruct", volume_file, output, "--residual", residual, "--model", model_file)
        assert ended.status == 1
        assert not output.exists()


def test_says_what_the_model_was_not_trained_on(
    cli: Callable, tmp_path: Path, volume_file: Path, model_file: Path
) -> None:
    model = load_model(model_file)
    card = model.card.model_copy(update={"plane": "sagittal"})
    sagittal = save_model(Model(model.network, card), tmp_path / "sagittal.safetensors")
    output = tmp_path / "out.nii.gz"
    ended = cli("reconstruct", volume_file, output, "--model", sagittal, "--plane", "axial", "--json")
    sentence = "The slices are axial; the model was trained on sagittal ones."
    assert (ended.status, ended.err) == (0, f"note: {sentence}\n")
    assert sentence in ended.json["notes"]

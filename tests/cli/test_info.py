"""mri-cae info and mri-cae models."""

import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from napari_mri_cae.models import DEFAULT_MODEL, list_models, user_model_folder


def test_a_volume(cli: Callable, volume_file: Path, voxels: np.ndarray) -> None:
    facts = cli("info", volume_file, "--json").json
    image = nib.load(volume_file)
    assert facts["kind"] == "volume"
    assert facts["shape"] == [16, 14, 18]
    assert facts["file_axes"] == "".join(nib.aff2axcodes(image.affine)) == "LAS"
    x, y, z = nib.affines.voxel_sizes(image.affine)
    np.testing.assert_allclose(facts["spacing_mm"], [z, y, x])
    np.testing.assert_allclose(facts["affine"], image.affine)
    assert facts["units"] == {"space": "mm", "time": "sec"}
    assert (facts["dtype"], facts["is_series"], facts["is_label"]) == ("int16", False, False)
    intensities = voxels * 0.5 + 10
    assert facts["window"]["low"] == intensities.min()
    assert facts["window"]["high"] == pytest.approx(np.percentile(intensities, 99.95), rel=1e-6)
    assert any("oblique" in note for note in facts["notes"])
    readable = cli("info", volume_file).out
    assert "LAS in the file" in readable
    assert "oblique" in readable


@pytest.mark.parametrize(("code", "units"), [(3, "micron"), (5, "not said, mm assumed")])
def test_units_that_are_not_mm(cli: Callable, tmp_path: Path, code: int, units: str) -> None:
    image = nib.Nifti1Image(np.arange(24.0).reshape(2, 3, 4), np.diag([50, 50, 50, 1]))
    image.header["xyzt_units"] = code  # 5 is none of the standard's
    nib.save(image, tmp_path / "mouse.nii")
    readable = cli("info", tmp_path / "mouse.nii").out
    length = "0.05" if code == 3 else "50"
    assert f"{length} x {length} x {length} mm" in readable
    assert units in readable


def test_a_series(cli: Callable, series_file: Path) -> None:
    facts = cli("info", series_file, "--frame", 1, "--json").json
    assert (facts["is_series"], facts["n_frames"], facts["frame"]) == (True, 2, 1)
    frame = nib.load(series_file).get_fdata()[..., 1]
    assert facts["window"]["high"] == pytest.approx(np.percentile(frame, 99.95), rel=1e-6)
    assert "2 volumes" in cli("info", series_file).out


def test_a_model(cli: Callable, model_file: Path) -> None:
    card = cli("info", model_file, "--json").json
    assert (card["kind"], card["name"], card["architecture"]) == ("model", "tiny", "skip-unet")
    assert "skip-unet, 7 parameters" in cli("info", model_file).out


def test_a_shipped_model_by_its_name(cli: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / DEFAULT_MODEL).mkdir()  # what runs and exports lie in often has the model's name
    for card in list_models():
        assert cli("info", card.name, "--json").json["name"] == card.name


def test_models_lists_the_users_own(cli: Callable, model_file: Path) -> None:
    folder = user_model_folder()
    folder.mkdir(parents=True, exist_ok=True)
    own = Path(shutil.copy(model_file, folder / "tiny.safetensors"))
    try:
        names = [card["name"] for card in cli("models", "--json").json]
        assert "tiny" in cli("models").out
        assert cli("info", "tiny", "--json").json["name"] == "tiny"
    finally:
        own.unlink()
    assert names == [*(card.name for card in list_models()), "tiny"]
    assert "tiny" not in cli("models").out


def test_the_default_model_is_marked(cli: Callable) -> None:
    assert f"{DEFAULT_MODEL} (default)" in cli("models").out


def test_a_damaged_model_is_one_line(cli: Callable, tmp_path: Path) -> None:
    path = tmp_path / "damaged.safetensors"
    path.write_bytes(b"nothing of the kind")
    ended = cli("info", path)
    assert ended.status == 1
    assert ended.err.count("\n") == 1

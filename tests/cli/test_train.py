import json

import nibabel as nib
import numpy as np
import pytest

from napari_mri_cae.cli import main

TINY = {
    "batch_size": 2,
    "epochs": 1,
    "steps_per_epoch": 1,
    "slices": "{rule: middle, count: 4}",
    "sampling.resize_to": "[16, 16]",
    "split.test": 0,
    "split.validation": 0.5,
    "threads": 1,
}
SETTINGS = [word for name, value in TINY.items() for word in ("--set", f"{name}={value}")]


@pytest.fixture
def scans(tmp_path, rng, monkeypatch):
    monkeypatch.setenv("NAPARI_MRI_CAE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "scans"
    folder.mkdir()
    for name in "ab":
        voxels = rng.integers(0, 1000, (20, 20, 12)).astype(np.int16)
        nib.save(nib.Nifti1Image(voxels, np.diag([-1, 1, 1, 1])), folder / f"{name}.nii.gz")
    return folder


def test_a_recipe_is_trained_by_name_and_goes_on(scans, tmp_path, capsys):
    assert main(["train", "uoc2021-skip-connection", "--data", str(scans), *SETTINGS]) == 0
    printed = capsys.readouterr().out.splitlines()
    folder = tmp_path / "runs" / printed[-1].rpartition("/")[2]
    assert printed[-1] == str(folder)
    assert any(line.startswith("epoch 1: loss ") and line.endswith("(best)") for line in printed)
    assert (folder / "model.safetensors").exists()
    words = ["train", str(folder), "--resume", "--set", "epochs=2", "--json"]
    assert main(words) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["run"], report["state"], report["epochs"]) == (str(folder), "finished", 2)
    assert report["metrics"][0]["epoch"] == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nobody"], "there is no recipe, file or folder nobody; recipes are datacamp2018"),
        (["datacamp2018"], "data: there is no data folder: name one"),
        (["datacamp2018", "--resume"], "belongs to no run: give the folder of the run to resume"),
        (["datacamp2018", "--set", "loss=l3"], "loss: must be 'l1'"),
        (["datacamp2018", "--set", "optimizer.rate=1"], "optimizer.rate: there is no such setting"),
        (["datacamp2018", "--data", "nowhere"], "there is no data folder"),
    ],
)
def test_what_cannot_be_trained_is_said_in_a_sentence(scans, capsys, words, said):
    assert main(["train", *words]) == 1
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("words", [[], ["x", "--set", "loss"], ["x", "--devices", "0"]])
def test_wrong_usage(words, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["train", *words])
    assert "mri-cae train: error" in capsys.readouterr().err


def test_recipes_and_settings_are_listed(capsys):
    assert main(["train", "--list-recipes"]) == 0
    assert "datacamp2018" in capsys.readouterr().out
    assert main(["train", "--help-config"]) == 0
    assert "optimizer.learning_rate = 0.001\n" in capsys.readouterr().out

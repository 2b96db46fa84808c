from pathlib import Path

from napari_mri_cae.models import read_model


def test_a_keras_model_becomes_a_model_file(cli, keras_files: Path, tmp_path: Path) -> None:
    output = tmp_path / "model.safetensors"
    ended = cli("import-keras", keras_files / "functional.keras2.h5", output, "--plane", "coronal", "--json")
    assert (ended.status, ended.err) == (0, "")
    assert ended.json["output"] == str(output)
    card = read_model(output).card
    assert (ended.json["plane"], card.plane, card.architecture) == ("coronal", "coronal", "keras-graph")


def test_a_keras_model_runs_without_being_imported(
    cli, keras_files: Path, volume_file: Path, tmp_path: Path
) -> None:
    model = keras_files / "functional.keras3.keras"
    assert cli("info", model, "--json").json["parameters"] == 257
    ended = cli("reconstruct", volume_file, tmp_path / "out.nii.gz", "--model", model, "--device", "cpu")
    assert (ended.status, ended.err) == (0, "")
    assert (tmp_path / "out.nii.gz").exists()


def test_what_cannot_be_imported_is_said_in_one_line(cli, keras_files: Path, tmp_path: Path) -> None:
    output = tmp_path / "model.safetensors"
    ended = cli("import-keras", keras_files / "refused.keras2.keras", output)
    assert ended.status == 1
    assert ended.err.startswith("mri-cae: refused.keras2.keras: layer 'code' (3 of 3) is a Lambda layer")
    assert ended.err.count("\n") == 1
    assert not output.exists()
    assert cli("import-keras", keras_files / "sequential.keras2.h5", tmp_path / "model.h5").status == 1
    assert cli("import-keras", keras_files / "sequential.keras2.h5", output, "--plane", "up").status == 2

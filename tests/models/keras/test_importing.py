"""Whole models: files that Keras wrote, and what Keras itself makes of slices with them."""

import json

import numpy as np
import pytest
import torch

from napari_mri_cae.errors import InputError
from napari_mri_cae.models import import_keras, read_model, save_model

VERSIONS = ("keras2", "keras3")
SUFFIXES = ("h5", "keras")


def _run(network, slices):
    """Run a network on slices that Keras takes, (N, H, W, 1)."""
    with torch.inference_mode():
        return network(torch.from_numpy(slices).permute(0, 3, 1, 2)).permute(0, 2, 3, 1).numpy()


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ["convolutions", "functional", "nested", "sequential"])
def test_outputs_are_those_of_keras(keras_files, tmp_path, name, version, suffix):
    model = import_keras(keras_files / f"{name}.{version}.{suffix}")
    expected = np.load(keras_files / f"outputs.{version}.npz")
    outputs = _run(model.network, expected["slices"])
    np.testing.assert_allclose(outputs, expected[name], rtol=0, atol=1e-5)
    assert np.ptp(outputs) > 0.1
    read = read_model(save_model(model, tmp_path / "model.safetensors"))
    assert np.array_equal(_run(read.network, expected["slices"]), outputs)
    assert read.card == model.card


def test_card_says_what_the_file_does(keras_files):
    card = import_keras(keras_files / "functional.keras2.h5").card
    assert (card.name, card.architecture) == ("functional.keras2", "keras-graph")
    assert (card.fixed_size, card.multiple_of) == (None, 2)
    assert (card.plane, card.intensity) == ("any", "slice-min-max")
    assert card.versions == {"keras": "2.15.0"}
    assert card.parameters == 257
    bound = import_keras(keras_files / "sequential.keras3.keras", plane="coronal", intensity="volume").card
    assert (bound.fixed_size, bound.multiple_of) == ((16, 22), 1)
    assert (bound.plane, bound.intensity) == ("coronal", "volume")


def test_importing_leaves_random_numbers_alone(keras_files):
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    import_keras(keras_files / "sequential.keras2.h5")
    assert torch.equal(torch.rand(2), expected)


@pytest.mark.parametrize("file", ["refused.keras2.h5", "refused.keras3.keras"])
def test_code_in_a_file_is_refused_by_the_name_of_its_layer(keras_files, file):
    with pytest.raises(InputError, match=r"layer 'code' \(3 of 3\) is a Lambda layer, and only these"):
        import_keras(keras_files / file)


def test_the_name_of_a_file_does_not_matter(keras_files, tmp_path):
    path = tmp_path / "model.keras"
    path.write_bytes((keras_files / "sequential.keras2.h5").read_bytes())
    assert import_keras(path).card.parameters == 117


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "is damaged"), (b"text", "is damaged"), (b"\x89HDF\r\n\x1a\n" + bytes(90), "is damaged"),
     (b"PK\x03\x04" + bytes(90), "is damaged")],
)  # fmt: skip
def test_files_of_something_else_are_refused(tmp_path, content, reason):
    path = tmp_path / "model.h5"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"model\.h5 {reason}"):
        import_keras(path)


def test_a_missing_file_is_said_in_a_sentence(tmp_path):
    with pytest.raises(InputError, match=r"missing\.h5 cannot be read: No such file"):
        import_keras(tmp_path / "missing.h5")


def test_weights_that_do_not_fit_are_refused(write_h5, one_conv):
    config, _ = one_conv

    def fill(file):
        file.attrs["model_config"] = json.dumps(config)
        file["model_weights/conv/conv/kernel:0"] = np.zeros((3, 1, 1, 1), np.float32)

    with pytest.raises(
        InputError, match="layer 'conv' has weights of 3 x 1 x 1 x 1, and its settings ask for 1 x 1 x 1 x 1"
    ):
        import_keras(write_h5(fill))

    def spoil(file):
        file.attrs["model_config"] = json.dumps(config)
        file["model_weights/conv/conv/kernel:0"] = np.full((1, 1, 1, 1), np.nan, np.float32)

    with pytest.raises(InputError, match="layer 'conv' has weights that are infinite or no numbers"):
        import_keras(write_h5(spoil))

    def leave_out(file):
        file.attrs["model_config"] = json.dumps(config)
        file.create_group("model_weights")

    with pytest.raises(InputError, match="has none of the weights conv/kernel"):
        import_keras(write_h5(leave_out))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"strides": 2}, "gives slices of another size than those that it takes"),
        ({"filters": 3}, "gives 3 channels, and slices have one"),
        ({"filters": 2**14, "kernel_size": [64, 64]}, r"gives 16384 channels, and slices have one"),
        ({"batch_input_shape": [None, 2**20, 2**20, 1]}, "one slice becomes"),
        (
            {"batch_input_shape": [None, 64, 64, 1], "padding": "valid", "kernel_size": 3},
            "gives another size",
        ),
    ],
)
def test_what_is_no_network_from_slices_to_slices_is_refused(write_h5, one_conv, change, reason):
    config, arrays = one_conv
    config["config"]["layers"][0]["config"] |= change

    def fill(file):
        file.attrs["model_config"] = json.dumps(config)
        for path, array in arrays.items():
            file[f"model_weights/{path}"] = array

    with pytest.raises(InputError, match=reason):
        import_keras(write_h5(fill))

"""Exported models, run by ONNX Runtime: an implementation of the operators that is not PyTorch's."""

import json
import logging
import warnings

import numpy as np
import pytest
import torch

from napari_mri_cae.errors import InputError
from napari_mri_cae.models import Card, Model
from napari_mri_cae.models import export as module
from napari_mri_cae.models.architectures import build
from napari_mri_cae.models.export import describe_preprocessing, export_onnx

onnxruntime = pytest.importorskip("onnxruntime")


@pytest.fixture(autouse=True)
def _needs_the_exporter():
    pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")


def _session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options)


def _residual_unet():
    network = build("uoc2021-residual-unet")
    generator = torch.Generator().manual_seed(0)
    for name, tensor in network.state_dict().items():
        if name.endswith(("running_mean", "bias")):
            tensor.copy_(0.1 * torch.randn(tensor.shape, generator=generator))
        elif name.endswith("running_var"):
            tensor.copy_(0.5 + torch.rand(tensor.shape, generator=generator))
    card = Card(
        name="published",
        architecture="uoc2021-residual-unet",
        plane="sagittal",
        intensity="slice-min-max",
        multiple_of=8,
    )
    return Model(network.eval(), card)


@pytest.mark.parametrize("which", ["skip-unet", "uoc2021-residual-unet"])
def test_onnx_runtime_agrees_with_torch(which, model, tmp_path, caplog, capfd):
    exported = model if which == "skip-unet" else _residual_unet()
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING):
        warnings.simplefilter("error")
        path = export_onnx(exported, tmp_path / "new" / "model.onnx")
    assert not caplog.records
    assert not any(capfd.readouterr())
    assert [file.name for file in path.parent.iterdir()] == ["model.onnx"]
    session = _session(path)
    rng = np.random.default_rng(0)
    for shape in ((1, 1, 16, 40), (3, 1, 48, 24)):
        slices = rng.random(shape, np.float32)
        with torch.inference_mode():
            expected = exported.network(torch.from_numpy(slices)).numpy()
        assert np.abs(expected - slices).max() > 0.01
        (output,) = session.run(["reconstruction"], {"slices": slices})
        assert output.dtype == np.float32
        np.testing.assert_allclose(output, expected, rtol=1e-4, atol=1e-5)
    about = session.get_modelmeta().custom_metadata_map
    assert Card.from_json(about["card"]) == exported.card
    assert json.loads(about["preprocessing"]) == describe_preprocessing(exported.card)
    assert b"site-packages" not in path.read_bytes()


def test_the_correction_is_added_in_float32(tmp_path):
    # An untrained network returns its input: to the bit, if nothing rounds the sum.
    network = build("skip-unet", channels=1, levels=1).eval()
    card = Card(name="identity", architecture="skip-unet", multiple_of=2, fixed_size=(6, 8))
    session = _session(export_onnx(Model(network, card), tmp_path / "identity.onnx"))
    assert session.get_inputs()[0].shape[1:] == [1, 6, 8]
    slices = np.random.default_rng(0).random((2, 1, 6, 8), np.float32)
    assert np.array_equal(session.run(None, {"slices": slices})[0], slices)


def test_preprocessing_is_described_in_order():
    card = Card(
        name="x",
        architecture="skip-unet",
        plane="coronal",
        intensity="slice-z-score",
        fixed_size=(128, 96),
        multiple_of=8,
    )
    described = json.loads(json.dumps(describe_preprocessing(card)))
    assert (described["plane"], described["intensity"]) == ("coronal", "slice-z-score")
    assert (described["fixed_size"], described["multiple_of"]) == ([128, 96], 8)
    assert described["value_range"] == [0, 1]
    assert list(described["pose"]) == ["coronal"]
    assert [step.split()[0] for step in described["before"]] == [
        "reorder", "volume", "scale", "where", "pad"
    ]  # fmt: skip
    assert [step.split()[0] for step in described["after"]] == ["crop", "where", "scale"]
    larger = "where a slice is higher than 128 or wider than 96, resize it to 128 x 96, bilinearly"
    assert described["before"][3].startswith(larger)
    assert described["before"][4].startswith("pad height and width to 128 x 96 by repeating the edge")


def test_a_missing_package_is_named_with_what_installs_it(model, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None if name == "onnxscript" else object())
    with pytest.raises(InputError, match=r"needs onnxscript.*pip install 'napari-mri-cae\[onnx\]'"):
        export_onnx(model, tmp_path / "model.onnx")


def test_a_name_without_onnx_is_refused(model, tmp_path):
    with pytest.raises(InputError, match=r"let it end in \.onnx"):
        export_onnx(model, tmp_path / "model.pt")


def test_a_network_that_onnx_cannot_express_is_one_sentence(model, tmp_path):
    class Undecided(torch.nn.Module):
        def forward(self, x):
            return x if x.sum() > 0 else -x

    with pytest.raises(InputError, match=r"small \(skip-unet\) cannot be exported"):
        export_onnx(Model(Undecided(), model.card), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_a_model_with_neighbours_takes_them(tmp_path):
    torch.manual_seed(0)
    shape = {"channels": [4, 6], "blocks": [1, 1], "up_blocks": [1], "neighbours": 1}
    network = build("residual-unet", **shape).eval()
    torch.nn.init.normal_(network.last.weight)
    card = Card(name="x", architecture="residual-unet", architecture_parameters=shape, multiple_of=2)
    session = _session(export_onnx(Model(network, card), tmp_path / "model.onnx"))
    stacks = np.random.default_rng(0).random((2, 3, 16, 20), np.float32)
    (output,) = session.run(["reconstruction"], {"slices": stacks})
    with torch.inference_mode():
        expected = network(torch.from_numpy(stacks)).numpy()
    np.testing.assert_allclose(output, expected, rtol=1e-4, atol=1e-5)
    described = describe_preprocessing(card)
    assert described["neighbours"] == 1
    assert "1 neighbours on either side" in described["before"][2]

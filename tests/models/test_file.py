import copy
import json
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_mri_cae.errors import InputError
from napari_mri_cae.models import Card, Measurement, read_card, read_model, save_model
from napari_mri_cae.models.card import FORMAT_VERSION

DATA = Path(__file__).parent.parent / "data"
_RUN = """
import sys, numpy, torch
from napari_mri_cae.models import read_model
model = read_model(sys.argv[1])
with torch.inference_mode():
    output = model.network(torch.from_numpy(numpy.load(sys.argv[2])))
numpy.save(sys.argv[3], output.numpy())
"""


def _rewrite_header(path, change):
    """Change a model file's header as a tool that knows nothing of cards would."""
    content = path.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + length])
    change(header)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length :])


def _change_card(path, **fields):
    def change(header):
        card = json.loads(header["__metadata__"]["card"])
        header["__metadata__"]["card"] = json.dumps({**card, **fields})

    _rewrite_header(path, change)


def test_a_saved_model_gives_the_same_bits_in_a_fresh_process(model, tmp_path):
    path = save_model(model, tmp_path / "small.safetensors")
    slices = np.random.default_rng(0).random((2, 1, 16, 24), np.float32)
    np.save(tmp_path / "in.npy", slices)
    with torch.inference_mode():
        expected = model.network(torch.from_numpy(slices)).numpy()
    subprocess.run([sys.executable, "-c", _RUN, path, tmp_path / "in.npy", tmp_path / "out.npy"], check=True)
    assert np.array_equal(np.load(tmp_path / "out.npy"), expected)


def test_what_float16_holds_exactly_takes_half_the_size(model, tmp_path):
    whole = save_model(model, tmp_path / "whole.safetensors")
    rounded = replace(model, network=copy.deepcopy(model.network).half().float())
    half = save_model(rounded, tmp_path / "half.safetensors")
    saved = whole.stat().st_size - half.stat().st_size
    assert saved > 0.9 * 2 * sum(p.numel() for p in model.network.parameters())
    read = read_model(half).network.state_dict()
    for name, tensor in rounded.network.state_dict().items():
        assert read[name].dtype == torch.float32
        assert torch.equal(read[name], tensor)


def test_a_file_of_version_1_opens_for_ever():
    # Made once, by tests/data/make_model_v1.py. It must go on giving these very bits.
    model = read_model(DATA / "model-v1.safetensors")
    expected = np.load(DATA / "model-v1.npz")
    with torch.inference_mode():
        outputs = model.network(torch.from_numpy(expected["slices"])).numpy()
    assert np.array_equal(outputs, expected["outputs"])
    assert (model.card.format_version, model.card.name) == (1, "version-1")
    assert (model.card.plane, model.card.intensity) == ("sagittal", "slice-min-max")
    assert (model.card.multiple_of, model.card.fixed_size) == (2, (12, 10))
    assert model.card.training.data[0].training_subjects == ("02", "03")
    assert model.card.metrics[0].psnr_reconstructed == 35.25


def test_a_read_model_is_ready_to_use(model, tmp_path):
    read = read_model(save_model(model, tmp_path / "small.safetensors"))
    assert read.card == model.card
    assert not read.network.training
    assert all(p.dtype == torch.float32 and not p.requires_grad for p in read.network.parameters())


def test_card_comes_back_from_json():
    row = Measurement(
        data="ds",
        plane="axial",
        corruption="none",
        slices=3,
        psnr_reconstructed=50.5,
        ssim_reconstructed=0.99,
    )
    card = Card(
        name="a", architecture="skip-unet", fixed_size=(128, 96), intensity="slice-min-max", metrics=(row,)
    )
    assert Card.from_json(card.to_json()) == card


def test_a_newer_format_is_refused_with_a_sentence(model, tmp_path):
    path = save_model(model, tmp_path / "small.safetensors")
    # A newer format may hold anything else besides.
    _change_card(path, format_version=FORMAT_VERSION + 1, novelty=True)
    with pytest.raises(InputError, match=r"format version 2 .* reads up to 1; update napari-mri-cae\.$"):
        read_model(path)


@pytest.mark.parametrize("keep", [0, 5, 200, -10])
def test_a_truncated_file_is_refused_with_a_sentence(model, tmp_path, keep):
    path = save_model(model, tmp_path / "small.safetensors")
    path.write_bytes(path.read_bytes()[:keep])
    for read in (read_card, read_model):  # the card alone would list it among the models
        with pytest.raises(InputError, match=r"damaged; get it again\.$"):
            read(path)


def test_weights_that_are_no_numbers_are_refused_with_a_sentence(model, tmp_path):
    with torch.no_grad():
        next(model.network.parameters()).view(-1)[0] = float("nan")
    path = save_model(model, tmp_path / "small.safetensors")
    with pytest.raises(InputError, match=r"infinite or no numbers, as after a training that has diverged"):
        read_model(path)


def test_a_file_of_something_else_is_refused_with_a_sentence(tmp_path):
    path = tmp_path / "text.safetensors"
    path.write_text("this is no model, whatever it is called\n" * 10)
    with pytest.raises(InputError, match="is not a model file"):
        read_model(path)


def test_weights_without_a_card_are_refused(model, tmp_path):
    path = save_model(model, tmp_path / "small.safetensors")
    _rewrite_header(path, lambda header: header.pop("__metadata__"))
    with pytest.raises(InputError, match="weights without a card"):
        read_card(path)


def test_a_wrong_card_is_refused_naming_the_field(model, tmp_path):
    path = save_model(model, tmp_path / "small.safetensors")
    _change_card(path, plane="upwards")
    with pytest.raises(InputError, match="not valid at plane"):
        read_card(path)


@pytest.mark.parametrize("channels", [8, 1000])
def test_weights_that_do_not_fit_are_refused(model, tmp_path, channels):
    path = save_model(model, tmp_path / "small.safetensors")
    _change_card(path, architecture_parameters={"channels": channels})
    with pytest.raises(InputError, match="its weights do not fit the architecture skip-unet"):
        read_model(path)


def test_an_unwritable_place_is_said_in_a_sentence(model, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="cannot be written"):
        save_model(model, tmp_path / "file" / "small.safetensors")

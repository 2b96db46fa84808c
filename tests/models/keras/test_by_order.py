"""Weights without a model, in the layouts of Keras 2 and 3."""

import re

import numpy as np
import pytest
import torch
from torch import nn

from napari_mri_cae.errors import InputError
from napari_mri_cae.models import import_keras
from napari_mri_cae.models.architectures import PUBLISHED, build

BATCH_NORM = ("gamma", "beta", "moving_mean", "moving_variance")


def _network(architecture, **parameters):
    network = build(architecture, **parameters).eval()
    generator = torch.Generator().manual_seed(0)
    for tensor in network.state_dict().values():
        if tensor.ndim == 1:
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
        elif tensor.ndim == 4:
            tensor.mul_(torch.rand(tensor.shape, generator=generator))
    return network


def _layers(network):
    """Yield what Keras would call each layer with weights, and its weights as Keras lays them out."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            arrays = (module.weight, module.bias, module.running_mean, module.running_var)
            yield "batch_normalization", dict(zip(BATCH_NORM, arrays, strict=True))
        elif isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            kind = "conv2d" if isinstance(module, nn.Conv2d) else "conv2d_transpose"
            yield kind, {"kernel": module.weight.permute(2, 3, 1, 0), "bias": module.bias}


def _save_weights(file, network, *, layout):
    names, counts = [], {}
    for kind, arrays in _layers(network):
        number = counts[kind] = counts.get(kind, -1) + 1
        layer = f"{kind}_{number}" if number else kind
        names.append(layer)
        for index, (name, array) in enumerate(arrays.items()):
            path = f"{layer}/{layer}/{name}:0" if layout == 2 else f"layers/{layer}/vars/{index}"
            file[path] = array.detach().numpy()
    if layout == 2:
        file.attrs["layer_names"] = [name.encode() for name in names]


@pytest.mark.parametrize(
    ("architecture", "parameters", "layout"),
    [
        *((name, {}, 2) for name in PUBLISHED),
        ("uoc2021-shallow-residual", {"block": "original"}, 2),
        ("uoc2021-skip-connection", {}, 3),
        ("uoc2021-residual-unet", {}, 3),
    ],
)
def test_weights_find_their_architecture(write_h5, architecture, parameters, layout):
    network = _network(architecture, **parameters)
    path = write_h5(lambda file: _save_weights(file, network, layout=layout), "model.weights.h5")
    model = import_keras(path)
    assert model.card.architecture == architecture
    assert model.card.architecture_parameters.get("block") == parameters.get("block", "full-pre") or (
        "shallow" not in architecture
    )
    slices = torch.rand(1, 1, 16, 24)
    with torch.inference_mode():
        assert torch.equal(model.network(slices), network(slices))


def test_the_card_feeds_the_network_as_published(write_h5):
    network = _network("uoc2021-skip-connection")
    card = import_keras(write_h5(lambda file: _save_weights(file, network, layout=2))).card
    assert (card.plane, card.intensity, card.fixed_size) == ("sagittal", "slice-min-max", (128, 128))
    assert card.training.recipe == "uoc2021-skip-connection"
    network = _network("datacamp2018")
    card = import_keras(write_h5(lambda file: _save_weights(file, network, layout=2))).card
    assert (card.plane, card.intensity, card.fixed_size, card.multiple_of) == ("any", "volume", None, 4)


def test_weights_of_another_architecture_are_refused(write_h5):
    path = write_h5(lambda file: _save_weights(file, _network("datacamp2018"), layout=2))
    with pytest.raises(InputError, match="do not fit the architecture uoc2021-myronenko"):
        import_keras(path, architecture="uoc2021-myronenko")


def test_weights_of_no_known_architecture_are_refused(write_h5):
    def fill(file):
        file["conv/conv/kernel:0"] = np.zeros((3, 3, 1, 1), np.float32)

    with pytest.raises(InputError, match="cannot be told: name one of datacamp2018, " + re.escape("devto")):
        import_keras(write_h5(fill))

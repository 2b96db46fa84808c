"""Models that are kept for the user."""

from dataclasses import replace
from pathlib import Path

import torch

from napari_mri_cae.models import (
    DEFAULT_MODEL,
    Card,
    Model,
    find_models,
    load_model,
    save_model,
    user_model_folder,
)
from napari_mri_cae.models.architectures import build
from napari_mri_cae.models.user_models import remember_model

PARAMETERS = {"channels": 4, "levels": 1}


def tiny(name: str, seed: int) -> Model:
    torch.manual_seed(seed)
    network = build("skip-unet", **PARAMETERS).eval()
    return Model(network, Card(name=name, architecture="skip-unet", architecture_parameters=PARAMETERS))


def test_a_model_from_a_file_is_found_by_name_afterwards(tmp_path: Path) -> None:
    model = load_model(save_model(tiny("somebody's / model", 1), tmp_path / "x.safetensors"))
    name = remember_model(model)
    assert name == "somebody-s-model"
    kept = load_model(name)
    assert kept.path == (user_model_folder() / f"{name}.safetensors").resolve()
    image = torch.rand(1, 1, 16, 16)
    assert torch.equal(kept.network(image), model.network(image))


def test_the_same_weights_are_kept_once_and_others_under_another_name(tmp_path: Path) -> None:
    first, second = tiny("twice", 11), tiny("twice", 12)
    assert remember_model(first) == "twice"
    assert remember_model(replace(first, path=tmp_path / "elsewhere.safetensors")) == "twice"
    assert remember_model(second) == "twice-2"
    assert remember_model(second) == "twice-2"


def test_the_shipped_model_is_not_kept_again() -> None:
    before = set(find_models())
    assert remember_model(load_model()) == DEFAULT_MODEL
    assert set(find_models()) == before

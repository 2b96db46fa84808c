import os
import subprocess
import sys

import pytest

from napari_mri_cae.errors import InputError
from napari_mri_cae.models import Model, find_models, list_models, load_model, registry, save_model


@pytest.fixture
def user_folder(tmp_path, monkeypatch):
    folder = tmp_path / "user"
    monkeypatch.setattr(registry, "user_model_folder", lambda: folder)
    return folder


def test_the_default_model_is_listed_first_and_opens():
    card = list_models()[0]
    assert load_model().card == card
    assert load_model() is load_model(card.name)


def test_a_model_of_the_users_own_opens_by_its_name(model, user_folder):
    path = save_model(model, user_folder / "any-file-name.safetensors")
    assert "small" in [card.name for card in list_models()]
    assert load_model("small").path == path


def test_a_replaced_file_is_read_again(model, tmp_path):
    path = save_model(model, tmp_path / "small.safetensors")
    first = load_model(path)
    assert load_model(str(path)) is first
    save_model(Model(model.network, model.card.model_copy(update={"title": "changed"})), path)
    os.utime(path, ns=(1, 1))
    assert load_model(path).card.title == "changed"


def test_a_damaged_file_is_left_out_of_the_list(user_folder, caplog):
    user_folder.mkdir()
    (user_folder / "broken.safetensors").write_bytes(b"nothing")
    before = [path for path, _ in find_models().values()]
    assert all(path.name != "broken.safetensors" for path in before)
    assert "broken.safetensors is not a model file" in caplog.text


def test_an_unknown_name_lists_the_known_ones(model, user_folder):
    save_model(model, user_folder / "small.safetensors")
    with pytest.raises(
        InputError, match=r"no model 'nobody': choose one of .*small, or a file \(\.safetensors, \.h5"
    ):
        load_model("nobody")


def test_a_missing_file_is_said_in_a_sentence(tmp_path):
    with pytest.raises(InputError, match=r"missing\.safetensors cannot be read: No such file"):
        load_model(tmp_path / "missing.safetensors")


def test_keras_files_open_by_their_path(keras_files):
    path = keras_files / "functional.keras2.h5"
    model = load_model(path)
    assert (model.card.architecture, model.path) == ("keras-graph", path)
    assert load_model(str(path)) is model


def test_listing_models_needs_no_torch():
    code = (
        "import sys; from napari_mri_cae import list_models; cards = list_models(); "
        "assert 'torch' not in sys.modules; print(len(cards))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert int(done.stdout) >= 1

"""mri-cae describe."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from napari_mri_cae import load_model
from napari_mri_cae.models import read_card


def test_a_card_tells_what_is_usual(
    cli: Callable, model_file: Path, volume_file: Path, tmp_path: Path
) -> None:
    own = shutil.copy(model_file, tmp_path / "own.safetensors")
    ended = cli("describe", own, volume_file, "--gaussian", "0.05", "--per-bin", "9")
    assert (ended.status, ended.err) == (0, "")
    card = read_card(own)
    assert {str(each.corruptions) for each in card.slice_statistics} == {
        "()",
        "({'kind': 'gaussian-noise', 'sigma': 0.05, 'clip': False},)",
    }
    assert card.domain is not None
    assert card.domain.contrast == "T1w"
    state, before = (load_model(path).network.state_dict() for path in (own, model_file))
    assert all(state[name].equal(value) for name, value in before.items())
    assert read_card(model_file).slice_statistics == ()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["no-such-model", "volume"], "there is no model"),
        (["model", "volume", "-o", "card.json"], "name a file that ends in .safetensors"),
        (["model", "nowhere.nii"], "nowhere.nii"),
        (["denoiser-any", "volume"], "comes with the package and stays as it is"),
    ],
)
def test_failures_are_one_line(
    cli: Callable, model_file: Path, volume_file: Path, words: list[str], sentence: str
) -> None:
    files = {"model": model_file, "volume": volume_file}
    before = model_file.read_bytes()
    ended = cli("describe", *(files.get(word, word) for word in words))
    assert ended.status == 1
    assert ended.err.count("\n") == 1
    assert sentence in ended.err
    assert model_file.read_bytes() == before

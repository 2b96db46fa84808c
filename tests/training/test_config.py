from pathlib import Path

import pytest

from napari_mri_cae.errors import InputError
from napari_mri_cae.training import TrainingConfig

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.yaml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipes_come_back_from_their_own_yaml(path, tmp_path):
    config = TrainingConfig.load(path)
    assert config.name == path.stem
    config.save(tmp_path / "config.yaml")
    assert TrainingConfig.load(tmp_path / "config.yaml") == config


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("steps: 0", "wrong at steps: "),
        ("stepps: 3", "wrong at stepps: "),
        ("steps: 3", "multiple of steps_per_epoch"),
        ("decay_steps: 5", "must not exceed steps"),
        ("patch_size: 15", "patch_size must be a multiple"),
        ("planes: [oblique]", "wrong at planes.0"),
        ("- just", "not a readable YAML file"),
    ],
)
def test_a_wrong_value_is_refused_naming_the_field(config, tmp_path, change, said):
    path = tmp_path / "recipe.yaml"
    config.save(path)
    path.write_text(f"{path.read_text()}\n{change}\n")
    with pytest.raises(InputError, match=said):
        TrainingConfig.load(path)


def test_a_missing_recipe_is_said_in_a_sentence(tmp_path):
    with pytest.raises(InputError, match="cannot be read: No such file"):
        TrainingConfig.load(tmp_path / "none.yaml")

import pytest
import yaml

from napari_mri_cae.errors import InputError
from napari_mri_cae.training import TrainingConfig, load_recipe, recipe_paths
from napari_mri_cae.training.config.describe import described


@pytest.mark.parametrize("name", recipe_paths())
def test_recipes_come_back_from_their_own_yaml(name, tmp_path):
    config = load_recipe(name)
    assert config.name == name
    config.save(tmp_path / "config.yaml")
    assert TrainingConfig.load(tmp_path / "config.yaml") == config


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"epochs": 0}, r"^epochs: must be at least 1, and is 0\.$"),
        ({"epochz": 3}, "^epochz: there is no such setting"),
        ({"optimizer.learning_rate": -1}, r"^optimizer.learning_rate: must be greater than 0, and is -1\.$"),
        ({"optimizer.kind": "sgd", "optimizer.epsilon": 1e-3}, "^optimizer: epsilon is not for sgd"),
        ({"optimizer.kind": "adam", "optimizer.weight_decay": 0.1}, "weight_decay is for adamw and muon"),
        (
            {"schedule.decay_steps": 9},
            "^schedule: warmup_steps and decay_steps together must not exceed the 4",
        ),
        ({"sampling.size": 15}, "^sampling.size: must be a multiple of multiple_of, which is 2"),
        ({"steps_per_epoch": None}, "^steps_per_epoch: patches have no end"),
        ({"noise_drawn": "once"}, "^noise_drawn: patches differ"),
        (
            {"intensity": "slice-z-score", "sampling.gamma": (0.8, 1.2)},
            "^sampling.gamma: a z-score has values below 0",
        ),
        (
            {"validation.sigmas": [], "checkpoints.best_by": "psnr"},
            "^checkpoints.best_by: no PSNR is measured",
        ),
        ({"planes": ["oblique"]}, "^planes.0: must be 'axial'"),
        ({"augmentation": "rain"}, "^augmentation: there is no augmentation 'rain'"),
        ({"batch_size": 3, "devices": 2}, "^batch_size: must be a multiple of the 2 devices"),
        ({"devices": 0}, "^devices: must be 1 or more"),
    ],
)
def test_a_wrong_value_is_refused_naming_the_field(config, change, said):
    with pytest.raises(InputError, match=said):
        config.with_values(change)


def test_changes_reach_inside_groups_and_another_kind_begins_with_its_own_values(config):
    changed = config.with_values(
        {
            "optimizer.l2": 1e-5,
            "schedule.kind": "plateau",
            "early_stopping.patience": 7,
            "augmentation": "none",
        }
    )
    assert changed.optimizer == config.optimizer.model_copy(update={"l2": 1e-5})
    assert changed.schedule.model_dump() == {
        "kind": "plateau",
        "factor": 0.2,
        "patience": 4,
        "least": 1e-7,
        "min_delta": 1e-4,
    }
    assert changed.early_stopping.model_dump() == {"patience": 7, "min_delta": 0.0}
    assert changed.augmentation.steps == ()


def test_a_configuration_takes_from_its_base_what_it_does_not_say(tmp_path):
    (tmp_path / "a.yaml").write_text(
        "base: uoc2021-skip-connection\nname: a\nearly_stopping: {patience: 1e1}\n"
    )
    (tmp_path / "b.yaml").write_text("base: a.yaml\nname: b\nloss: dssim\n")
    config = TrainingConfig.load(tmp_path / "b.yaml")
    published = load_recipe("uoc2021-skip-connection")
    assert (config.name, config.loss, config.early_stopping.patience) == ("b", "dssim", 10)
    assert config.early_stopping.min_delta == published.early_stopping.min_delta == 2e-7
    assert config.augmentation == published.augmentation


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("base: me.yaml\n", "leads back to the file itself"),
        ("base: nobody\n", "there is no recipe 'nobody'; known are datacamp2018"),
        ("- just\n- a list\n", "holds no settings"),
        ("a: [", "not a readable YAML file"),
        ("name: x\nloss: l3\n", "me.yaml: loss: must be 'l1'"),
    ],
)
def test_a_wrong_file_is_said_in_a_sentence(tmp_path, text, said):
    (tmp_path / "me.yaml").write_text(text)
    with pytest.raises(InputError, match=said):
        TrainingConfig.load(tmp_path / "me.yaml")
    with pytest.raises(InputError, match="cannot be read: No such file"):
        TrainingConfig.load(tmp_path / "none.yaml")


def test_every_setting_is_described_and_in_the_schema():
    text = yaml.safe_dump(TrainingConfig.model_json_schema())
    listed = list(described(TrainingConfig))
    assert all(description for _, _, description in listed)
    names = {name for name, _, _ in listed}
    assert {"optimizer.l2", "schedule.min_delta", "data.pattern", "split.stratify_by"} <= names
    assert all(name.rpartition(".")[2] in text for name in names)


def test_the_published_settings():
    """As the sources of the four systems give them."""
    datacamp, devto, thesis = map(load_recipe, ("datacamp2018", "devto-denoiser", "uoc2021-residual-unet"))
    assert (datacamp.loss, datacamp.batch_size, datacamp.epochs) == ("mse", 128, 300)
    assert (datacamp.split.by, datacamp.split.seed, datacamp.intensity) == ("slice", 13, "dataset-min-max")
    assert datacamp.optimizer.kind == "rmsprop"
    assert datacamp.slices.count == 51
    assert (devto.loss, devto.batch_size, devto.optimizer.learning_rate) == ("ssim", 10, 2e-3)
    assert (devto.slices.first, devto.slices.last, devto.split.seed) == (14, 114, 42)
    assert (devto.noise_drawn, devto.checkpoints.every_epochs) == ("once", 10)
    assert thesis.early_stopping.model_dump() == {"patience": 20, "min_delta": 2e-7}
    assert (thesis.schedule.factor, thesis.schedule.patience, thesis.schedule.least) == (0.2, 4, 1e-7)
    assert thesis.augmentation == type(thesis.augmentation).uoc2021()
    assert load_recipe("uoc2021-myronenko-dssim").early_stopping.min_delta == 5e-5

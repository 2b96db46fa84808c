import csv
import json

import pytest
import torch

from napari_mri_cae import load_model
from napari_mri_cae.errors import InputError
from napari_mri_cae.training import train, train_from_file


@pytest.fixture
def run(config, tmp_path):
    events = []
    folder = train(config, tmp_path / "run", on_event=events.append)
    return folder, events


def _metrics(folder):
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_run_leaves_everything_about_it(run, config):
    folder, events = run
    model = load_model(folder / "model.safetensors")
    with torch.inference_mode():
        assert model.network(torch.rand(1, 1, 22, 18)).shape == (1, 1, 22, 18)
    bids, plain = model.card.training.data
    assert (bids.training_subjects, bids.validation_subjects, bids.test_subjects) == (
        ("sub-1",),
        ("sub-2",),
        ("sub-3",),
    )
    assert plain.training_subjects == ("scan",)
    assert model.card.parameters == sum(p.numel() for p in model.network.parameters())
    assert model.card.multiple_of == 2
    assert model.card.training.corruption == config.augmentation.model_dump(mode="json")

    assert [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()] == events
    assert [event["event"] for event in events if event["event"] != "step"] == [
        "start",
        "validation",
        "validation",
        "end",
    ]
    rows = _metrics(folder)
    assert [row["step"] for row in rows] == ["2", "4"]
    assert float(rows[0]["psnr/bids/sigma=0.05"]) > 20
    data = json.loads((folder / "data.json").read_text())
    assert len(data) == 4
    assert all(len(row["sha256"]) == 64 for row in data)
    assert "torch" in json.loads((folder / "versions.json").read_text())
    assert {path.name for path in (folder / "checkpoints").iterdir()} == {"last.ckpt", "best.ckpt"}


def test_a_resumed_run_ends_as_an_uninterrupted_one(run, config, tmp_path):
    short = config.model_copy(update={"steps": 2, "decay_steps": 0})
    folder = train(short, tmp_path / "resumed")
    config.save(folder / "config.yaml")
    train_from_file(folder / "config.yaml", resume=True)
    whole, resumed = (
        torch.load(place / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for place in (run[0], folder)
    )
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    rows = _metrics(folder)
    assert [row["step"] for row in rows] == ["2", "4"]


def test_a_run_is_not_overwritten_and_nothing_cannot_be_resumed(run, config, tmp_path):
    with pytest.raises(InputError, match="holds a run already"):
        train(config, run[0])
    with pytest.raises(InputError, match="no checkpoint to resume from"):
        train(config, tmp_path / "new", resume=True)
    config.save(tmp_path / "recipe.yaml")
    with pytest.raises(InputError, match="belongs to no run"):
        train_from_file(tmp_path / "recipe.yaml", resume=True)

import csv
import json
import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from napari_mri_cae import load_model
from napari_mri_cae.errors import InputError
from napari_mri_cae.training import RunFolder, load_recipe, recipe_paths, train

resource = pytest.importorskip("resource") if os.name == "posix" else None


@pytest.fixture
def run(config, tmp_path):
    events = []
    return RunFolder(train(config, tmp_path / "run", on_event=events.append)), events


def _weights(folder):
    return torch.load(folder.last_checkpoint, weights_only=True)["state_dict"]


def _assert_same(one, other):
    """All but the times are equal, to the last bit."""
    assert all(torch.equal(_weights(one)[name], value) for name, value in _weights(other).items())
    apart = {"minutes", "slices_per_second"}
    rows = [
        [{name: value for name, value in row.items() if name not in apart} for row in folder.metrics()]
        for folder in (one, other)
    ]
    assert rows[0] == rows[1]


def test_a_run_leaves_everything_about_it(run, config):
    folder, events = run
    model = load_model(folder.model_path)
    with torch.inference_mode():
        assert model.network(torch.rand(1, 1, 22, 18)).shape == (1, 1, 22, 18)
    card = model.card
    bids, plain = card.training.data
    assert (bids.training_subjects, bids.validation_subjects, bids.test_subjects) == (
        ("sub-1",),
        ("sub-2",),
        ("sub-3",),
    )
    assert plain.training_subjects == ("a", "b")
    assert card.parameters == sum(p.numel() for p in model.network.parameters())
    assert (card.multiple_of, card.intensity, card.plane) == (2, "volume", "any")
    assert card.training.corruption == config.augmentation.model_dump(mode="json")
    assert card.domain.spacings == (1.0, 1.0)
    # Clean and noisy, in all planes, of what it has learnt from.
    assert {len(each.corruptions) for each in card.slice_statistics} == {0, 1}
    assert {(each.plane, each.volumes) for each in card.slice_statistics} == {
        (plane, 3) for plane in ("axial", "coronal", "sagittal")
    }

    assert [json.loads(line) for line in folder.events_path.read_text().splitlines()] == events
    kinds = [event["event"] for event in events if event["event"] not in ("step", "preparing")]
    assert kinds == ["start", *["validation", "picture", "preview"] * 2, *["finishing"] * 3, "end"]
    previews = [event for event in events if event["event"] == "preview"]
    rows = folder.metrics()
    assert [row["step"] for row in rows] == [2, 4]
    assert rows[0]["psnr/bids/sigma=0.05"] > 20
    assert rows[0]["validation_loss"] > 0
    listing = json.loads((folder.path / "data.json").read_text())
    assert len(listing["volumes"]) == 5
    assert all(len(row["sha256"]) == 64 for row in listing["volumes"])
    assert {"torch", "napari-mri-cae"} <= set(json.loads((folder.path / "versions.json").read_text()))
    assert {path.name for path in folder.checkpoints.iterdir()} == {"last.ckpt", "best.ckpt"}
    assert any(folder.tensorboard.iterdir())
    assert folder.config() == config
    assert folder.status.state == "finished"
    assert not folder.status.alive

    with np.load(folder.path / previews[-1]["path"]) as preview:
        assert set(preview) == {"original", "corrupted", "reconstructed"}
        assert preview["original"].shape == preview["reconstructed"].shape
        noise = preview["corrupted"] - preview["original"]
    assert 0 < noise.std() < 0.15
    for picture in (folder.path / previews[-1]["sheet"], folder.curves_path):
        with Image.open(picture) as image:
            assert image.width > 100


@pytest.mark.parametrize("name", ["config", "slices_config"])
def test_a_resumed_run_ends_as_an_uninterrupted_one(name, request, tmp_path):
    config = request.getfixturevalue(name)
    whole = RunFolder(train(config, tmp_path / "whole"))
    constant = {"schedule.kind": "constant", "schedule.warmup_steps": 1} if name == "config" else {}
    resumed = RunFolder(train(config.with_values({"epochs": 1, **constant}), tmp_path / "resumed"))
    train(config, resumed.path, resume=True)
    _assert_same(whole, resumed)
    if name == "slices_config":
        rates = [row["learning_rate"] for row in whole.metrics()]
        assert rates == pytest.approx([1e-3, 2e-4, 4e-5, 8e-6])
        # The first epoch improves, three do not.
        assert len(rates) == 4


def test_what_a_killed_run_wrote_after_its_last_checkpoint_is_taken_back(run, config):
    folder, _ = run
    with folder.metrics_path.open("a", newline="") as file:
        csv.writer(file).writerow(["3", *["0"] * (len(folder.metrics()[0]) - 1)])
    with folder.events_path.open("a") as file:
        file.write('{"event": "step", "st')
    train(config.with_values({"epochs": 3}), folder.path, resume=True)
    assert [row["epoch"] for row in folder.metrics()] == [1, 2, 3]
    assert folder.metrics()[2]["step"] == 6
    assert folder.read_events()[0][-1]["event"] == "end"


def test_a_run_is_not_overwritten_and_nothing_cannot_be_resumed(run, config, tmp_path):
    folder, _ = run
    with pytest.raises(InputError, match="holds a run already"):
        train(config, folder.path)
    with pytest.raises(InputError, match="holds no run to resume"):
        train(config, tmp_path / "new", resume=True)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written: Not a directory"):
        train(config, tmp_path / "file" / "run")


def test_a_run_that_has_had_more_epochs_than_it_is_to_have_is_not_resumed(run, config):
    folder, _ = run
    constant = {"schedule.kind": "constant"}
    train(config.with_values({"epochs": 4, **constant}), folder.path, resume=True)
    with pytest.raises(InputError, match="has had over 1 epochs already: ask for more"):
        train(config.with_values({"epochs": 1, **constant}), folder.path, resume=True)


def test_a_finished_run_that_is_resumed_is_finished(run, config):
    folder, _ = run
    before = folder.model_path.read_bytes()
    train(config, folder.path, resume=True)
    assert folder.status.state == "finished"
    assert folder.model_path.read_bytes() == before


@pytest.mark.parametrize("how", ["folder", "SIGINT", "SIGTERM"])
def test_a_stopped_run_leaves_a_usable_model_and_can_go_on(how, config, tmp_path):
    folder = RunFolder(tmp_path / "run")
    asked = []

    def stop(event):
        if event["event"] == "step" and not asked:
            asked.append(time.monotonic())
            folder.request("stop") if how == "folder" else os.kill(os.getpid(), getattr(signal, how))

    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    train(config.with_values({"epochs": 10000}), folder.path, on_event=stop)
    assert time.monotonic() - asked[0] < 10
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    assert folder.status.state == "stopped"
    assert folder.read_events()[0][-1]["event"] == "stopped"
    assert load_model(folder.model_path).card.name == "tiny"
    assert threading.active_count() < 20
    done = len(folder.metrics())
    train(config.with_values({"epochs": done + 1}), folder.path, resume=True)
    assert folder.status.state == "finished"
    assert len(folder.metrics()) == done + 1


def test_a_run_pauses_and_goes_on(config, tmp_path):
    folder = RunFolder(tmp_path / "run")
    seen = []

    def follow(event):
        seen.append(event["event"])
        if event["event"] == "step" and "paused" not in seen:
            folder.request("pause")
        if event["event"] == "paused":
            threading.Timer(0.5, lambda: (seen.append(folder.status.state), folder.request("resume"))).start()
        if event["event"] == "resumed":
            folder.request("stop")

    train(config.with_values({"epochs": 10000}), folder.path, on_event=follow)
    kinds = [kind for kind in seen if kind in ("paused", "resumed", "stopped")]
    assert kinds == ["paused", "paused", "resumed", "stopped"]  # The second is the status.


@pytest.mark.skipif(resource is None, reason="needs a limit on the size of files")
def test_a_full_disk_is_a_sentence_and_leaves_the_last_good_checkpoint(run, config):
    folder, _ = run
    before = {path: path.read_bytes() for path in (folder.last_checkpoint, folder.model_path)}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Enough for a line of the tables, not for a checkpoint.
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, hard))
    try:
        with pytest.raises(InputError, match="is full: make room and resume the run"):
            train(config.with_values({"epochs": 4}), folder.path, resume=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert {path: path.read_bytes() for path in before} == before
    assert not list(folder.path.rglob("*part*"))
    assert folder.status.state == "failed"
    train(config.with_values({"epochs": 4}), folder.path, resume=True)
    assert [row["epoch"] for row in folder.metrics()] == [1, 2, 3, 4]


def test_a_volume_that_cannot_be_read_is_named_or_skipped_with_a_warning(config, root, tmp_path):
    bad = root / "plain" / "c.nii"
    bad.write_bytes(b"no volume")
    config = config.with_values({"data": [{"folder": "plain"}], "epochs": 1, "split.validation": 0.4})
    with pytest.raises(InputError, match=r"c\.nii"):
        train(config, tmp_path / "refused")
    folder = RunFolder(train(config.with_values({"unreadable": "skip"}), tmp_path / "skipped"))
    warnings = [event["message"] for event in folder.read_events()[0] if event["event"] == "warning"]
    assert len(warnings) == 1
    assert bad.name in warnings[0]
    assert json.loads((folder.path / "data.json").read_text())["left_out"][0]["path"] == str(bad)


def test_what_is_usual_for_the_model_is_left_out_where_it_cannot_be_told(config, root, tmp_path):
    def spoil(event):
        if event["event"] == "finishing":
            (root / "plain" / "b.nii").write_bytes(b"damaged")

    folder = RunFolder(train(config, tmp_path / "run", on_event=spoil))
    assert folder.status.state == "finished"
    assert load_model(folder.model_path).card.slice_statistics == ()
    warnings = [event["message"] for event in folder.read_events()[0] if event["event"] == "warning"]
    assert len(warnings) == 1
    assert "own slices" in warnings[0]
    assert "b.nii" in warnings[0]


def test_who_stops_a_run_at_its_end_does_without_what_is_usual(config, tmp_path):
    folder = RunFolder(tmp_path / "run")

    def stop(event):
        if event["event"] == "finishing" and event["done"] == 0:
            folder.request("stop")
            time.sleep(0.5)

    train(config, folder.path, on_event=stop)
    assert folder.status.state == "finished"
    assert folder.read_events()[0][-1]["event"] == "end"
    assert load_model(folder.model_path).card.slice_statistics == ()


def test_a_run_can_begin_with_a_models_weights(run, config, tmp_path):
    folder, _ = run
    fine = {"epochs": 1, "optimizer.learning_rate": 1e-9, "schedule.kind": "constant", "average_decay": 0}
    tuned = train(config.with_values({**fine, "start_from": str(folder.model_path)}), tmp_path / "tuned")
    before, after = (
        load_model(place).network.state_dict() for place in (folder.model_path, tuned / "model.safetensors")
    )
    assert all(torch.allclose(before[name], after[name], atol=1e-6) for name in before)
    wide = {"architecture_parameters": {"channels": 8, "levels": 1}}
    other = config.with_values({"start_from": str(folder.model_path), **wide})
    with pytest.raises(InputError, match=r"start_from: .* has another architecture"):
        train(other, tmp_path / "other")
    # What is not there is said before anything is read.
    events = []
    with pytest.raises(InputError, match=r"^start_from: .*no-such-model"):
        train(config.with_values({"start_from": "no-such-model"}), tmp_path / "none", on_event=events.append)
    assert [event["event"] for event in events] == ["error"]


def test_weights_stored_in_half_the_size_are_those_of_the_run_rounded(run, config, tmp_path):
    folder, _ = run
    half = train(config.with_values({"stored_as": "float16"}), tmp_path / "half")
    rounded, full = (
        load_model(place / "model.safetensors").network.state_dict() for place in (half, folder.path)
    )
    assert all(torch.equal(rounded[name], full[name].half().float()) for name in full)
    assert any(not torch.equal(rounded[name], full[name]) for name in full)


def test_gradients_are_clipped_in_mixed_precision_too(config, tmp_path):
    mixed = config.with_values({"precision": "bf16-mixed", "epochs": 1, "optimizer.gradient_clip": 1.0})
    assert RunFolder(train(mixed, tmp_path / "run")).status.state == "finished"


def test_one_cycle_finds_its_rate_and_checkpoints_are_kept(config, tmp_path):
    changes = {"schedule.kind": "one-cycle", "checkpoints.every_epochs": 2, "epochs": 3, "loss": "dssim"}
    folder = RunFolder(train(config.with_values(changes), tmp_path / "run"))
    kept = sorted(path.name for path in folder.checkpoints.iterdir())
    assert kept[:2] == ["best.ckpt", kept[1]]
    assert kept[1].startswith("epoch-0002-loss-")
    rates = np.loadtxt(folder.path / "learning-rates.csv", delimiter=",", skiprows=1)
    assert (np.diff(rates[:, 0]) > 0).all()
    assert (folder.path / "learning-rates.png").exists()
    with pytest.raises(InputError, match="epochs: a one-cycle schedule ends with the run's 3 epochs"):
        train(config.with_values(changes | {"epochs": 4}), folder.path, resume=True)
    assert folder.status.state == "finished"


@pytest.mark.parametrize("name", recipe_paths())
def test_every_recipe_trains(name, root, tmp_path):
    config = load_recipe(name)
    small = {"data": [{"folder": str(root / "plain")}], "batch_size": 2, "epochs": 2, "steps_per_epoch": 1}
    small |= {"validation.slices_per_plane": 1, "threads": 1, "precision": "32-true", "split.test": 0.0}
    if config.sampling.kind == "patches":
        small |= {"sampling.size": 16, "schedule.kind": "constant", "split.validation": 0.5}
    elif config.sampling.resize_to:
        small |= {"sampling.resize_to": [16, 16], "slices": {"rule": "all"}}
    if config.slices.rule == "range":
        small |= {"slices.first": 4, "slices.last": 12}
    if "/" in (config.start_from or ""):  # a run's; others come with the package
        before = load_recipe(config.start_from.split("/")[1]).with_values(small | {"start_from": None})
        first = train(before, tmp_path / "first")
        small |= {"start_from": str(first / "model.safetensors")}
    folder = RunFolder(train(config.with_values(small), tmp_path / "run"))
    assert [row["step"] for row in folder.metrics()] == [1, 2]
    assert np.isfinite([row["validation_loss"] for row in folder.metrics()]).all()
    card = load_model(folder.model_path).card
    assert (card.name, card.training.loss) == (name, config.loss)


def test_the_run_folder_of_nothing_is_new(tmp_path):
    folder = RunFolder(tmp_path / "none")
    assert folder.status.state == "new"
    assert folder.read_events() == ([], 0)
    assert folder.metrics() == []
    with pytest.raises(InputError, match="is no run"):
        folder.config()
    with pytest.raises(InputError, match="cannot be written"):
        folder.request("stop")


def test_events_are_read_on_from_where_they_ended(tmp_path):
    folder = RunFolder(tmp_path)
    folder.add_event("start", {"loss": float("nan")})
    events, place = folder.read_events()
    assert (events[0]["event"], events[0]["loss"]) == ("start", None)
    with Path(folder.events_path).open("a") as file:
        file.write('{"event": "half')
    assert folder.read_events(place) == ([], place)
    with folder.events_path.open("a") as file:
        file.write('"}\n')
    assert folder.read_events(place)[0] == [{"event": "half"}]


def test_a_run_that_cannot_begin_leaves_no_folder_that_nobody_asked_for(config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="there is no data folder"):
        train(config.with_values({"data": [{"folder": "nowhere"}]}))
    assert not list(tmp_path.glob("runs/*"))

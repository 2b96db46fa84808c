"""Runs in processes of their own, as a terminal, a cluster or the viewer starts them."""

import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from napari_mri_cae.training import RunFolder, train

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs signals")


def _command(*words):
    return [sys.executable, "-m", "napari_mri_cae.cli", "train", *map(str, words)]


def test_a_killed_run_is_resumed_and_ends_as_an_uninterrupted_one(config, tmp_path):
    config = config.with_values({"epochs": 3, "steps_per_epoch": 30, "batch_size": 4})
    config.save(tmp_path / "recipe.yaml")
    whole = RunFolder(train(config, tmp_path / "whole"))
    killed = RunFolder(tmp_path / "killed")
    # Each step of the killed run takes longer, so that it is killed in the middle of its second epoch.
    slow = "import time, sys, napari_mri_cae.training.data.patches as patches\n"
    slow += "draw = patches._draw_patch\n"
    slow += "patches._draw_patch = lambda *rest: (time.sleep(0.005), draw(*rest))[1]\n"
    slow += "from napari_mri_cae.cli import main; main(sys.argv[1:])"
    words = ["train", str(tmp_path / "recipe.yaml"), "--run-folder", str(killed.path)]
    process = subprocess.Popen([sys.executable, "-c", slow, *words], stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 100
        while not killed.metrics() and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.02)
        time.sleep(0.2)
        assert killed.status.alive
        process.send_signal(signal.SIGKILL)
    finally:
        process.kill()
        process.wait()
    assert killed.status.state == "running"
    assert not killed.status.alive
    assert len(killed.metrics()) == 1
    train(config, killed.path, resume=True)
    assert [row["epoch"] for row in killed.metrics()] == [1, 2, 3]
    for name in ("training_loss", "validation_loss"):
        lost, kept = (folder.metrics()[-1][name] for folder in (killed, whole))
        assert lost == pytest.approx(kept, rel=1e-4)


@pytest.mark.skipif(not torch.distributed.is_available(), reason="needs torch.distributed")
def test_two_processes_learn_what_one_learns(config, tmp_path):
    """The network has no batch norm, whose statistics would be each process's own."""
    changes = {"batch_size": 4, "epochs": 2, "steps_per_epoch": 3, "optimizer.l2": 1e-3}
    config = config.with_values({**changes, "precision": "32-true"})
    config.save(tmp_path / "recipe.yaml")
    one = RunFolder(train(config, tmp_path / "one"))
    two = RunFolder(tmp_path / "two")
    words = [tmp_path / "recipe.yaml", "--run-folder", two.path, "--devices", "2"]
    done = subprocess.run(_command(*words), capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "on 2 processes" in done.stdout
    for alone, together in zip(one.metrics(), two.metrics(), strict=True):
        apart = {"minutes", "slices_per_second"}
        assert together == pytest.approx(alone | {name: together[name] for name in apart}, rel=1e-5)
    assert [event["event"] for event in two.read_events()[0]].count("end") == 1

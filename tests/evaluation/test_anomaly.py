"""ROC areas, against counting pairs and scikit-learn, and residuals whose areas are known."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from napari_mri_cae import InputError
from napari_mri_cae.corruptions import BlankOut, Blobs, Ghosting
from napari_mri_cae.evaluation import Condition, Evaluation, measure_anomalies, roc_area
from napari_mri_cae.models import Card, Model

scores = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=30)


@given(scores, scores)
def test_area_is_the_share_of_pairs_won(anomalous: list[float], healthy: list[float]) -> None:
    wins = sum((a > b) + 0.5 * (a == b) for a in anomalous for b in healthy)
    assert roc_area(anomalous, healthy) == pytest.approx(wins / (len(anomalous) * len(healthy)))


def test_area_is_scikit_learns(rng: np.random.Generator) -> None:
    labels, values = rng.random(5000) < 0.03, rng.normal(size=5000).astype(np.float32)
    values[labels] += 1
    assert roc_area(values[labels], values[~labels]) == pytest.approx(roc_auc_score(labels, values))
    assert math.isnan(roc_area([], [1.0]))


class _Nothing(torch.nn.Module):
    """Reconstructs every slice as black, so that the residual is the slice itself."""

    def forward(self, slices: torch.Tensor) -> torch.Tensor:
        return torch.zeros_like(slices)


@pytest.fixture
def flat(tmp_path: Path, save: Callable[..., Path]) -> Path:
    """A ball of 0.5 on the volume's scale, with one bright voxel that makes the scale."""
    grid = np.mgrid[-1:1:20j, -1:1:40j, -1:1:40j]
    ball = np.where((grid**2).sum(0) < 0.7, 500.0, 0.0)
    ball[10, 20, 20:60] = 1000
    return save(tmp_path / "flat.nii", ball.astype(np.float32))


def test_known_residuals(flat: Path) -> None:
    black = Model(_Nothing().eval(), Card(name="black", architecture="skip-unet"))
    bright, dark = Blobs(number=1, radius=5, contrast=0.4), BlankOut(size=6, row=17, column=12)
    results = {
        (one.corruption.split(" (")[0], one.model): one
        for one in measure_anomalies(Evaluation([flat], [black], [Condition(), bright, dark]))
    }
    blobs, square = results["Blobs", "black"], results["Blank-out square", "black"]
    assert blobs.n_slices > 10
    # What is brighter scores higher than all else, but for the row that makes the scale.
    assert blobs.auc_pixels > 0.98
    assert blobs.auc_slices_mean > 0.6
    # What is black scores lowest, which is worse than chance: ties among the flat pixels cannot help.
    assert square.auc_pixels == 0
    assert square.auc_slices_mean < 0.5
    # No residual, no information.
    for corruption in ("Blobs", "Blank-out square"):
        identity = results[corruption, "identity"]
        areas = (identity.auc_pixels, identity.auc_slices_mean, identity.auc_slices_percentile)
        assert (*areas, identity.auc_slices_air) == (0.5,) * 4


class _Ball(torch.nn.Module):
    """Reconstructs the ball as it is, and nothing outside it."""

    def forward(self, slices: torch.Tensor) -> torch.Tensor:
        return torch.where(slices > 0.25, slices, 0)


def test_ghosts_are_found_in_the_air(flat: Path) -> None:
    ball = Model(_Ball().eval(), Card(name="ball", architecture="skip-unet"))
    ghosts = Ghosting(intensity=0.6, ghosts=4)
    (score,) = (
        one
        for one in measure_anomalies(Evaluation([flat], [ball], [Condition(), ghosts]))
        if one.model == "ball"
    )
    assert score.n_slices > 10
    assert score.auc_slices_air == 1


def test_changed_pixels_are_counted(flat: Path) -> None:
    size = 6
    square = BlankOut(size=size, row=17, column=12)
    (one,) = measure_anomalies(Evaluation([flat], conditions=[Condition(), square]))
    evaluation = Evaluation([flat], conditions=[square])
    shares = [
        (batch.corrupted != batch.clean).sum(dim=(1, 2, 3)).tolist() for batch in evaluation.run_slices()
    ]
    masks = [batch.mask.sum(dim=(1, 2)).tolist() for batch in evaluation.run_slices()]
    changed, pixels = np.concatenate(shares), np.concatenate(masks)
    assert one.n_slices == (changed > 0).sum()
    assert one.n_without == (changed == 0).sum()
    assert one.changed == pytest.approx(changed.sum() / pixels[changed > 0].sum())


def test_an_anomaly_that_misses_the_brain(flat: Path) -> None:
    corner = BlankOut(size=3, row=0, column=0)
    (one,) = measure_anomalies(Evaluation([flat], conditions=[Condition(), corner]))
    assert one.n_slices == 0
    assert one.n_without > 0
    assert math.isnan(one.auc_pixels)


def test_healthy_slices_are_needed(flat: Path) -> None:
    with pytest.raises(InputError, match="add the clean slice"):
        list(measure_anomalies(Evaluation([flat], conditions=[BlankOut()])))

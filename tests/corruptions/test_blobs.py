"""Blobs lie in the head, have the size and the height that they say, and stay where they are."""

import numpy as np
import pytest
import torch

from napari_mri_cae.corruptions import Blobs, GaussianNoise, SliceSource, corrupt
from napari_mri_cae.corruptions.blobs import MAX_BLOBS, blob_profile, content


def _source(count: int, seed: int = 0) -> SliceSource:
    return SliceSource(seed, "axial", range(count)).for_corruption("blobs")


def _head(count: int = 1, side: int = 96) -> torch.Tensor:
    """A bright ring about a dark middle, in air."""
    away = np.hypot(*(np.mgrid[:side, :side] - side / 2))
    head = np.where(away < 0.35 * side, np.where(away < 0.1 * side, 0.02, 0.6), 0.0)
    return torch.from_numpy(head).float().expand(count, 1, side, side).clone()


def _one(row: float, column: float, size: float, stretch: float, angle: float) -> torch.Tensor:
    """The field of one blob at a place given as fractions of the slice."""
    return torch.tensor([[[size, stretch, angle] + [row, column] * 128]])


def test_content_is_the_head_and_what_it_encloses() -> None:
    head = _head()
    found = content(head)[0, 0].numpy()
    away = np.hypot(*(np.mgrid[:96, :96] - 48))
    assert found[away < 31].all()  # the dark middle too
    assert not found[away > 38].any()
    noisy = corrupt(head, [GaussianNoise(sigma=0.1)], seed=0, plane="axial", indices=[0])
    assert (content(noisy)[0, 0].numpy() == found).mean() > 0.98
    for nothing in (torch.zeros_like(head), torch.full_like(head, 0.4), noisy - head):
        assert not content(nothing).any()


def test_an_ellipse_by_hand() -> None:
    # Size 1 is all of the radius; a stretch of 1 would be half axes of 1 to 2; an angle of 0 is along a row.
    slices = 0.2 + 0.6 * torch.eye(96)[None, None]
    slices[..., :48, :] += 0.4
    field = _one(40.5 / 96, 20.5 / 96, 1 - 2**-24, 1 - 2**-24, 0.0)
    profile = blob_profile(slices, 1, 8.0, field, softness=0.5)[0, 0].numpy()
    rows, columns = np.mgrid[:96, :96]
    distance = np.hypot((columns - 20) / (8 * 2**0.5), (rows - 40) / (8 / 2**0.5))
    height = np.clip(1.5 - distance, 0, 1)
    expected = height**2 * (3 - 2 * height)
    here = content(slices)[0, 0].numpy()
    np.testing.assert_allclose(profile[here], expected[here], atol=1e-5)
    assert not profile[~here].any()
    hard = blob_profile(slices, 1, 8.0, field, softness=0.0)[0, 0] > 0.5
    assert int(hard.sum()) == pytest.approx(np.pi * 64, rel=0.05)


@pytest.mark.parametrize("contrast", [0.25, -0.25])
def test_the_mask_is_what_changed_and_lies_in_the_head(contrast: float) -> None:
    head = _head(40)
    blobs = Blobs(number=2, radius=6, contrast=contrast)
    corrupted = corrupt(head, [blobs], seed=0, plane="axial", indices=range(40))
    mask = blobs.mask(head, _source(40))
    change = corrupted - head
    assert torch.equal(corrupted[~mask], head[~mask])
    assert not (mask & ~content(head)).any()
    tissue = mask & (head > 0.5)
    assert (change[tissue] * contrast > 0).float().mean() > 0.99
    assert mask.any((1, 2, 3)).all()
    extreme = change.amax((1, 2, 3)) if contrast > 0 else -change.amin((1, 2, 3))
    assert (extreme <= 0.25 + 1e-6).all()
    assert (extreme > 0.2).float().mean() > 0.9
    assert corrupted.min() >= 0
    smaller = blobs.mask(head, _source(40), above=0.5)
    assert smaller.sum() < mask.sum()
    assert not (smaller & ~mask).any()
    assert not Blobs(contrast=0).mask(head, _source(40)).any()


def test_sliders_leave_the_blobs_where_they_are() -> None:
    head = _head(8)
    few, many = (Blobs(number=number, radius=5).mask(head, _source(8)) for number in (2, 7))
    assert not (few & ~many).any()
    wide = Blobs(number=2, radius=9).mask(head, _source(8))
    assert not (few & ~wide).any()
    weak, strong = (
        corrupt(head, [Blobs(contrast=contrast)], seed=0, plane="axial", indices=range(8)) - head
        for contrast in (0.1, 0.3)
    )
    torch.testing.assert_close(strong, 3 * weak)
    noisy = corrupt(head, [GaussianNoise(sigma=0.05)], seed=0, plane="axial", indices=range(8))
    moved = Blobs(number=2, radius=5).mask(noisy, _source(8))
    assert (moved == few).float().mean() > 0.99


def test_the_number_of_blobs() -> None:
    slices = torch.zeros(30, 1, 200, 200)
    slices[..., 5:195, 5:195] = 0.5
    blobs = Blobs(number=3, radius=2, softness=0)
    mask = blobs.mask(slices, _source(30))
    from scipy.ndimage import label

    counts = [label(one[0].numpy(), np.ones((3, 3)))[1] for one in mask]
    assert max(counts) == 3  # fewer only where two meet
    assert np.mean(counts) > 2.9
    per_slice = torch.tensor([0, 1, MAX_BLOBS])
    field = torch.rand(3, MAX_BLOBS, 259, generator=torch.Generator().manual_seed(0))
    profile = blob_profile(slices[:3], per_slice, torch.tensor([4.0, 0.0, 4.0]), field)
    assert profile.amax((1, 2, 3)).tolist() == [0, 0, 1]

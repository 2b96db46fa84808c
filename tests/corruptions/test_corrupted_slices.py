"""Corrupted slices with and without their neighbours."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_mri_cae.corruptions import CorruptedSlices, GaussianNoise, RicianNoise, corrupt
from napari_mri_cae.planes import PLANES, Plane, plane_axis
from napari_mri_cae.slices import take_slices

VOLUME = np.random.default_rng(0).random((7, 9, 8), np.float32)
CHAIN = (GaussianNoise(sigma=0.05), RicianNoise(sigma=0.1))
Asked = st.tuples(st.lists(st.integers(0, 6), min_size=1, max_size=4), st.integers(0, 3))


@given(plane=st.sampled_from(PLANES), asked=st.lists(Asked, min_size=1, max_size=8))
def test_each_is_corrupted_as_it_is_for_itself(plane: Plane, asked: list[tuple[list[int], int]]) -> None:
    slices = CorruptedSlices(VOLUME, CHAIN, plane=plane, seed=3)
    last = VOLUME.shape[plane_axis(plane)] - 1
    for indices, neighbours in asked:
        stacks = slices(indices, neighbours)
        assert stacks.shape[:2] == (len(indices), 1 + 2 * neighbours)
        for index, stack in zip(indices, stacks, strict=True):
            for place, found in enumerate(stack, start=index - neighbours):
                if not 0 <= place <= last:
                    assert not found.any()
                    continue
                clean = take_slices(VOLUME, plane, (place,))
                expected = corrupt(clean, CHAIN, seed=3, plane=plane, indices=[place])
                assert torch.equal(found, expected[0, 0])


@pytest.mark.parametrize("counts", [(0,), (0, 0), (2, 0), (0, 2), (1, 2, 0)])
def test_each_is_corrupted_once(counts: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []
    apply = GaussianNoise.apply

    def count(self, slices, source):
        drawn.extend(source.indices)
        return apply(self, slices, source)

    monkeypatch.setattr(GaussianNoise, "apply", count)
    slices = CorruptedSlices(VOLUME, CHAIN[:1], plane="coronal", seed=0)
    for index in (4, 5, 3, 6, 2, 7, 1, 8, 0):  # outward, as they are filled
        for neighbours in counts:
            slices((index,), neighbours)
    assert sorted(drawn) == list(range(9))
    assert len(slices._remembered) <= 10


@pytest.mark.parametrize("neighbours", [0, 2])
@pytest.mark.parametrize("index", [-1, 9])
def test_a_slice_that_is_not_there_is_no_empty_one(index: int, neighbours: int) -> None:
    slices = CorruptedSlices(VOLUME, CHAIN, plane="coronal", seed=0)
    with pytest.raises(IndexError):
        slices((4, index), neighbours)
    with pytest.raises(IndexError):
        take_slices(VOLUME, "coronal", (4, index), neighbours)

"""Fields that belong to slices, and batches from a generator."""

import hashlib

import numpy as np
import pytest
import torch

from napari_mri_cae.corruptions import BatchSource, SliceSource, random


def test_a_field_is_philox_keyed_by_what_it_belongs_to() -> None:
    like = torch.zeros(2, 1, 4, 6)
    source = SliceSource(2**33 + 5, "sagittal", [3, 70]).for_corruption("pixel-dropout", 2)
    fields = source.uniform((4, 6), like)
    kind = np.frombuffer(hashlib.sha256(b"pixel-dropout").digest()[:8], "<u4")
    key = [5, 2, 2, 70, *kind.tolist(), 2]
    expected = np.random.Generator(np.random.Philox(np.random.SeedSequence(key)))
    np.testing.assert_array_equal(fields[1], expected.random((4, 6), dtype=np.float32))


def test_a_seed_means_the_same_for_good() -> None:
    # Published results name a seed; should a new numpy draw otherwise, this has to be known.
    like = torch.zeros(2, 1, 4, 4)
    source = SliceSource(0, "axial", [0, 90])
    normal = source.for_corruption("gaussian-noise").normal((2, 3), like)
    np.testing.assert_allclose(
        normal[1].ravel(), [0.3030, -0.3147, -0.9652, 0.4043, -0.6909, 0.4686], atol=6e-5
    )
    uniform = source.for_corruption("pixel-dropout", 1).uniform((3,), like)
    np.testing.assert_allclose(uniform[0], [0.3033, 0.6555, 0.7902], atol=6e-5)


def test_who_changes_a_field_has_one_of_their_own() -> None:
    like, source = torch.zeros(1, 1, 4, 4), SliceSource(3, "coronal", [7])
    first = source.normal((4, 4), like)
    kept = first.clone()
    first.mul_(2)
    assert torch.equal(source.normal((4, 4), like), kept)
    assert not torch.equal(source.uniform((4, 4), like), kept)
    assert source.normal((2, 4), like).shape == (1, 2, 4)


def test_large_fields_are_the_same_and_not_remembered() -> None:
    like, source = torch.zeros(1, 1, 4, 4), SliceSource(3, "coronal", [7])
    before = random._field.cache_info()
    field = source.uniform((1, 2**19 + 1), like)
    assert torch.equal(source.uniform((1, 2**19 + 1), like), field)
    assert random._field.cache_info() == before
    torch.testing.assert_close(field.mean().item(), 0.5, rtol=0, atol=2e-3)


def test_distributions() -> None:
    like = torch.zeros(2, 1, 1, 1)
    source = SliceSource(1, "axial", [5, 6])
    generator = BatchSource(torch.Generator().manual_seed(0))
    for each in (source, generator):
        normal, uniform = each.normal((300, 300), like), each.uniform((300, 300), like)
        assert normal.shape == uniform.shape == (2, 300, 300)
        assert abs(normal.mean()) < 0.01
        assert abs(normal.std() - 1) < 0.01
        assert abs((normal**4).mean() - 3) < 0.1
        assert uniform.min() >= 0
        assert uniform.max() < 1
        assert abs(uniform.mean() - 0.5) < 0.01
        assert abs(uniform.var() - 1 / 12) < 0.002
        assert normal.dtype == torch.float32
        assert each.normal((2,), like.double()).dtype == torch.float64


def test_a_batch_is_its_generators() -> None:
    like = torch.zeros(3, 1, 8, 8)
    first = BatchSource(torch.Generator().manual_seed(5))
    again = BatchSource(torch.Generator().manual_seed(5))
    one, two = first.normal((8, 8), like), first.for_corruption("gaussian-noise", 1).normal((8, 8), like)
    assert not torch.equal(one, two)
    assert torch.equal(again.normal((8, 8), like), one)
    assert torch.equal(again.normal((8, 8), like), two)


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_a_seed_out_of_range_is_refused(seed: int) -> None:
    with pytest.raises(ValueError, match="seed"):
        SliceSource(seed, "axial", [0])


def test_a_wrong_slice_index_is_refused() -> None:
    with pytest.raises(ValueError, match="slice indices"):
        SliceSource(0, "axial", [3, -1])
    with pytest.raises(ValueError, match="3 slices were given with 2 slice indices"):
        SliceSource(0, "axial", [3, 4]).normal((2,), torch.zeros(3, 1, 2, 2))

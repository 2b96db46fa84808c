import os
import sys

import numpy as np
import pytest

from napari_mri_cae import Volume
from napari_mri_cae.brain import brain_mask
from napari_mri_cae.errors import InputError
from napari_mri_cae.planes import PLANES
from napari_mri_cae.training.data import Source, cache_volume
from napari_mri_cae.training.data.cache import trim
from napari_mri_cae.volume.parts import volume_checksum


def _source(path):
    return Source("data", path.stem, "training", path, volume_checksum(path))


@pytest.fixture
def source(write_volume, rng):
    voxels = rng.normal(500, 200, (12, 14, 10))
    voxels[0, 0, :4] = [np.nan, np.inf, -np.inf, 5000]
    return _source(write_volume("a.nii.gz", voxels, (2.0, 1.5, 1.0)))


def test_a_cached_volume_is_the_volume(source):
    volume, cached = Volume.load(source.path), cache_volume(source)
    assert np.array_equal(np.clip(cached.voxels, 0, 1), volume.normalized)
    assert cached.spacing == pytest.approx((2.0, 1.5, 1.0))
    # What the window clips is still there.
    low, high = cached.window
    assert cached.voxels[0, 0, 3] * (high - low) + low == pytest.approx(5000, rel=1e-5)
    expected = volume.normalized
    for axis, plane in enumerate(PLANES):
        assert np.array_equal(cached.slices(plane, [3, 5])[1].clip(0, 1), expected.take(5, axis))
        for index in (0, 4):
            one = expected.take(index, axis)
            assert cached.content[plane][index] == pytest.approx((one > 0.1).mean())
            assert cached.means[plane][index] == pytest.approx(one.mean(), rel=1e-6)
            assert cached.highest[plane][index] == cached.voxels.take(index, axis).max()
            assert cached.lowest[plane][index] == cached.voxels.take(index, axis).min()
    assert cached.moments == pytest.approx((expected.mean(), expected.std()), rel=1e-5)


def test_it_is_decoded_once(source, cache):
    first = cache_volume(source)
    source.path.unlink()
    assert np.array_equal(cache_volume(source).voxels, first.voxels)
    assert sorted(path.name.split(".", 1)[1] for path in cache.iterdir()) == ["decoded2.npy", "decoded2.npz"]


def test_the_brain_is_kept_beside_the_voxels(write_volume, cache):
    voxels = np.zeros((12, 14, 10))
    voxels[2:10, 3:12, 2:8] = np.arange(100, 100 + 8 * 9 * 6).reshape(8, 9, 6)
    source = _source(write_volume("brain.nii", voxels))
    volume = cache_volume(source)
    assert np.array_equal(volume.brain, brain_mask(Volume.load(source.path)))
    assert np.array_equal(volume.brain, voxels > 0)
    assert volume.brain_shares("axial")[2] == pytest.approx(9 * 6 / (14 * 10))
    (kept,) = cache.glob("*.brain3.npz")
    written = kept.stat().st_ino
    assert np.array_equal(cache_volume(source).brain, volume.brain)
    assert kept.stat().st_ino == written


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits the size of files")
def test_a_full_disk_is_said_in_a_sentence_and_leaves_nothing_half_written(source, cache):
    import resource

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    try:
        with pytest.raises(InputError, match=r"cannot be written .*: free some space, or set NAPARI_MRI_CAE"):
            cache_volume(source)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(cache.iterdir()) == []
    cache_volume(source)


def test_a_cache_that_cannot_be_made_is_said_in_a_sentence(source, cache):
    cache.write_text("in the way")
    with pytest.raises(InputError, match="cannot be written"):
        cache_volume(source)


def test_what_has_not_been_used_for_longest_goes(cache):
    cache.mkdir()
    for age, name in enumerate(["new", "middle", "old", "used"]):
        path = cache / f"{name}.decoded2.npy"
        path.write_bytes(bytes(1000))
        os.utime(path, (10_000 - age, 10_000 - age))
    (cache / "notes.txt").write_bytes(bytes(5000))
    (cache / "being-written.part").touch()
    (cache / "killed.part").touch()
    os.utime(cache / "killed.part", (10_000, 10_000))
    trim([Source("data", "s", "training", cache, "used")], limit=2500)
    assert sorted(path.name.split(".")[0] for path in cache.iterdir()) == [
        "being-written",
        "new",
        "notes",
        "used",
    ]

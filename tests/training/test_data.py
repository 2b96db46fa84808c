import numpy as np
import pytest
import torch

from napari_mri_cae import Volume
from napari_mri_cae.errors import InputError
from napari_mri_cae.training.data import Patches, cache_volume, find_sources, take_slices, validation_slices


def _volumes(config, part):
    sources = [source for folder in config.data for source in find_sources(folder, config.root)]
    return [cache_volume(source) for source in sources if source.part == part]


def _with(config, number, **fields):
    return config.data[number].model_copy(update=fields)


def test_volumes_are_split_by_subject(config):
    sources = find_sources(config.data[0], config.root) + find_sources(config.data[1], config.root)
    assert [(s.data, s.subject, s.part) for s in sources] == [
        ("bids", "sub-1", "training"),
        ("bids", "sub-2", "validation"),
        ("bids", "sub-3", "test"),
        ("plain", "scan", "training"),
    ]
    assert len({s.sha256 for s in sources}) == 4


def test_only_the_named_training_subjects_are_used(config):
    sources = find_sources(_with(config, 0, training=("sub-1",), test=()), config.root)
    assert [s.subject for s in sources] == ["sub-1", "sub-2"]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"folder": "elsewhere"}, "there is no data folder"),
        ({"pattern": "*.mgz"}, r"matches \*\.mgz"),
        ({"test": ("sub-9",)}, "has no subject sub-9"),
        ({"test": ("sub-2",)}, "sub-2 of bids is named twice"),
    ],
)
def test_a_wrong_split_is_said_in_a_sentence(config, fields, said):
    with pytest.raises(InputError, match=said):
        find_sources(_with(config, 0, **fields), config.root)


def test_cached_voxels_are_the_normalized_volume_in_the_pose_of_the_planes(config):
    volume = _volumes(config, "test")[0]
    expected = Volume.load(volume.source.path).normalized
    assert np.array_equal(volume.voxels, expected)
    assert np.array_equal(take_slices(volume, "axial", [3])[0], expected[3])
    assert np.array_equal(take_slices(volume, "coronal", [5])[0], expected[:, 5])
    assert np.array_equal(take_slices(volume, "sagittal", [7])[0], expected[:, :, 7])


def test_a_batch_depends_on_its_number_alone(config):
    patches = Patches(_volumes(config, "training"), config, lambda: 2)
    numbers, batches = zip(*patches, strict=True)
    assert numbers == (2, 3)
    assert torch.equal(batches[1], patches.batch(3))
    assert not torch.equal(batches[0], batches[1])
    assert batches[0].shape == (2, 1, 16, 16)


def test_patches_are_pieces_of_the_volumes_also_of_slices_smaller_than_a_patch(config):
    config = config.model_copy(update={"patch_size": 26, "batch_size": 8})
    volumes = _volumes(config, "training")
    seen = np.unique(np.concatenate([volume.voxels.ravel() for volume in volumes]))
    batch = Patches(volumes, config, lambda: 0).batch(0)
    assert np.isin(batch.numpy(), seen).all()
    assert (batch.amax((1, 2, 3)) > 0).float().mean() > 0.7  # A few show background alone, on purpose.


def test_validation_slices_have_content_in_every_plane(config):
    found = validation_slices(_volumes(config, "validation"), config)
    assert [(part.data, part.plane) for part in found] == [("bids", plane) for plane in config.planes]
    assert all(part.slices.shape[:2] == (1, 1) and part.slices.max() > 0 for part in found)
    with pytest.raises(InputError, match="no validation slices"):
        validation_slices([], config)

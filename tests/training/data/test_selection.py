import numpy as np
import pytest

from napari_mri_cae.errors import InputError
from napari_mri_cae.training.config import (
    AllSlices,
    ContentSlices,
    MeanSlices,
    MiddleSlices,
    SliceRange,
)
from napari_mri_cae.training.data import Source, cache_volume, find_data, prepare
from napari_mri_cae.training.data.selection import choose_slices
from napari_mri_cae.volume.parts import volume_checksum


@pytest.fixture
def volume(write_volume):
    """Axial slice k of 11 has 10 * k of its 100 pixels at 0.5, and one pixel somewhere is at 1."""
    voxels = np.zeros((11, 10, 10))
    for k in range(11):
        voxels[k].ravel()[: 10 * k] = 500
    # The 99.95th percentile of 1100 voxels lies between the two largest.
    voxels[10, 9, 8:] = 1000
    path = write_volume("a.nii", voxels)
    return cache_volume(Source("data", "a", "training", path, volume_checksum(path)))


@pytest.mark.parametrize(
    ("rule", "kept"),
    [
        (AllSlices(), range(11)),
        (MiddleSlices(count=4), range(3, 7)),
        (MiddleSlices(count=5), range(3, 8)),
        (MiddleSlices(count=99), range(11)),
        (SliceRange(first=2, last=5), range(2, 5)),
        (SliceRange(first=9, last=50), range(9, 11)),
        (SliceRange(first=20, last=50), range(0)),
        (ContentSlices(above=0.1, least=0.35), range(4, 11)),
        (ContentSlices(above=0.6, least=0.01), range(10, 11)),
        (MeanSlices(least=0.2), range(4, 11)),
    ],
)
def test_a_rule_keeps_what_it_says(volume, rule, kept):
    assert choose_slices(rule, volume, "axial").tolist() == list(kept)


def test_published_ranges():
    # 51 of 207 are 78 to 128.
    class Long:
        def n_slices(self, plane):
            return 207

    assert choose_slices(MiddleSlices(count=51), Long(), "coronal").tolist() == list(range(78, 129))


def test_a_table_has_a_row_for_every_slice_that_is_kept(scans, make_config):
    config = make_config(
        planes=["sagittal", "axial"],
        slices={"rule": "brain", "least": 0.3},
        data=[{"folder": "scans", "validation": ["s1"], "test": ["s4"]}],
    )
    table = prepare(find_data(config)).table
    # Of 12 x 14 x 10 voxels, 8 x 9 x 6 in the middle are brain.
    sagittal, axial = list(range(2, 8)), list(range(2, 10))
    assert table.index.tolist() == (sagittal + axial) * 4
    assert table.plane.tolist() == ([0] * 6 + [1] * 8) * 4
    assert table.volume.tolist() == [number for number in range(4) for _ in range(14)]
    assert table.rows("validation").tolist() == list(range(14, 28))
    assert len(table.rows("test")) == 0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"slices": {"rule": "range", "first": 50, "last": 60}},
            "keeps no slice for training, those from 50",
        ),
        ({"data": [{"folder": "scans", "training": ["s1"]}]}, "no volume is left for validation"),
        (
            {"data": [{"folder": "scans", "validation": ["s0", "s1", "s2", "s3", "s4"]}]},
            "no volume is left to train on",
        ),
    ],
)
def test_nothing_left_is_said_in_a_sentence(scans, make_config, changes, said):
    with pytest.raises(InputError, match=said):
        prepare(find_data(make_config(**changes)))

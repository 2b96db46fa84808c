import numpy as np
import pytest
from skimage.transform import resize

from napari_mri_cae import Volume
from napari_mri_cae.errors import InputError
from napari_mri_cae.training.data import find_data, prepare
from napari_mri_cae.training.data.packed import pack_slices


def _packed(config):
    prepared = prepare(find_data(config))
    return prepared, pack_slices(prepared)


@pytest.fixture
def unequal(write_volume, rng):
    """Two volumes on different scales, whose brightest voxels the window clips."""
    found = {}
    for name, low, extent in (("s0", 50, 100), ("s1", 0, 3000)):
        voxels = rng.uniform(low, low + extent, (14, 20, 16))
        voxels[:2] = -7 - low  # only in slices that are left out
        voxels[5, 3, 4] = voxels[6, 3, 4] = low + 3 * extent
        found[name] = voxels
        write_volume(f"scans/{name}.nii", voxels)
    return found


def _unequal(make_config, **changes):
    return make_config(
        data=[{"folder": "scans", "validation": ["s1"]}],
        slices={"rule": "range", "first": 2, "last": 14},
        **changes,
    )


def test_dataset_min_max_is_that_of_all_selected_slices_as_in_the_files(unequal, make_config):
    _, slices = _packed(_unequal(make_config, intensity="dataset-min-max"))
    chosen = np.concatenate([voxels[2:] for voxels in unequal.values()])
    low, high = chosen.min(), chosen.max()
    assert high == 9000
    np.testing.assert_allclose(slices, (chosen - low) / (high - low), atol=1e-5)
    assert slices.min() == pytest.approx(0, abs=1e-5)
    assert slices.max() == pytest.approx(1, abs=1e-5)


def test_volume_min_max_is_that_of_the_selected_slices_of_each(unequal, make_config):
    _, slices = _packed(_unequal(make_config, intensity="volume-min-max"))
    for number, voxels in enumerate(unequal.values()):
        chosen = voxels[2:]
        expected = (chosen - chosen.min()) / (chosen.max() - chosen.min())
        np.testing.assert_allclose(slices[12 * number : 12 * (number + 1)], expected, atol=1e-5)


@pytest.mark.parametrize("intensity", ["volume", "slice-min-max", "slice-percentile", "slice-z-score"])
def test_the_scalings_of_slices_start_from_the_volume_scale(unequal, make_config, intensity):
    _, slices = _packed(_unequal(make_config, intensity=intensity))
    scaled = Volume.from_array(unequal["s0"]).normalized[2:].astype(np.float64)
    if intensity == "slice-min-max":
        low, high = scaled.min((1, 2), keepdims=True), scaled.max((1, 2), keepdims=True)
        scaled = (scaled - low) / (high - low)
    elif intensity == "slice-percentile":
        low, high = np.percentile(scaled, (1, 99), axis=(1, 2), keepdims=True)
        scaled = (scaled - low) / (high - low)
    elif intensity == "slice-z-score":
        scaled = (scaled - scaled.mean((1, 2), keepdims=True)) / scaled.std((1, 2), keepdims=True)
    np.testing.assert_allclose(slices[:12], scaled, atol=1e-5)


def test_a_volumes_z_score_is_that_of_its_whole_scale(unequal, make_config):
    _, slices = _packed(_unequal(make_config, intensity="volume-z-score"))
    whole = Volume.from_array(unequal["s1"]).normalized
    np.testing.assert_allclose(slices[12:], (whole[2:] - whole.mean()) / whole.std(), atol=1e-5)


@pytest.mark.parametrize(("at", "rows", "columns"), [("start", 3, 3), ("end", 0, 0), ("both", 1, 1)])
def test_rows_and_columns_of_zeros_are_added(write_volume, make_config, rng, at, rows, columns):
    for name in ("s0", "s1"):
        write_volume(f"scans/{name}.nii", rng.uniform(1, 2, (4, 13, 29)))
    sampling = {"kind": "slices", "pad_at": at}
    prepared, slices = _packed(make_config(sampling=sampling, multiple_of=16, split={"validation": 0.5}))
    assert slices.shape == (8, 16, 32)
    inside = slices[:, rows : rows + 13, columns : columns + 29]
    assert np.array_equal(inside[0], prepared.volumes[0].slices("axial", [0])[0].clip(0, 1))
    assert np.count_nonzero(slices) == np.count_nonzero(inside)


def test_the_background_of_a_z_score_is_what_is_added(scans, make_config):
    sampling = {"kind": "slices", "pad_to": [16, 16], "pad_at": "start"}
    _, slices = _packed(make_config(sampling=sampling, intensity="slice-z-score"))
    middle = slices[5]
    assert middle[0, 0] == middle[2:, 6:].min() < -0.5
    assert (middle[:2] == middle[0, 0]).all()


@pytest.mark.parametrize("size", [(6, 7), (8, 5), (24, 20)])
def test_resizing_is_bilinear_without_antialiasing(scans, make_config, size):
    sampling = {"kind": "slices", "resize_to": size}
    prepared, slices = _packed(make_config(sampling=sampling))
    clean = prepared.volumes[0].slices("axial", [5])[0].clip(0, 1)
    expected = resize(clean, size, order=1, mode="edge", anti_aliasing=False)
    np.testing.assert_allclose(slices[5], expected, atol=1e-5)


def test_slices_of_all_shapes_get_the_largest_size(write_volume, make_config, rng):
    write_volume("scans/s0.nii", rng.uniform(1, 2, (3, 5, 6)))
    write_volume("scans/s1.nii", rng.uniform(1, 2, (4, 3, 7)))
    config = make_config(planes=["axial", "coronal"], split={"validation": 0.5})
    assert _packed(config)[1].shape == (3 + 5 + 4 + 3, 5, 7)
    small = config.model_copy(update={"sampling": config.sampling.model_copy(update={"pad_to": (5, 6)})})
    with pytest.raises(InputError, match="pad_to: 5 x 6 is less than the slices have, 5 x 7"):
        _packed(small)


def test_the_file_is_made_once_for_the_same_slices_alone(scans, make_config, cache):
    def files():
        return {path.name for path in cache.glob("*.packed1.npy")}

    config = make_config()
    _packed(config)
    first = files()
    _packed(config.model_copy(update={"seed": 9, "epochs": 3}))
    assert files() == first
    _packed(config.model_copy(update={"intensity": "slice-min-max"}))
    _packed(config.model_copy(update={"multiple_of": 8}))
    assert len(files()) == 3

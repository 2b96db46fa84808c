import numpy as np
import pytest

from napari_mri_cae import Volume
from napari_mri_cae.brain import brain_mask
from napari_mri_cae.errors import InputError


def _affine(spacing):
    affine = np.zeros((4, 4))
    affine[2, 0], affine[1, 1], affine[0, 2] = (-mm for mm in spacing)
    affine[3, 3] = 1
    return affine


def _head(spacing, center=(100.0, 115.0, 90.0), extent=(200, 230, 180)):
    """A brain of 1.46 litres with a ventricle, in fluid, bone, scalp and noise; and where the brain is."""
    axes = [np.arange(0.0, mm, step) for mm, step in zip(extent, spacing, strict=True)]
    x, y, z = (place - c for place, c in zip(np.meshgrid(*axes, indexing="ij"), center, strict=True))

    def inside(a, b, c):
        return (x / a) ** 2 + (y / b) ** 2 + (z / c) ** 2 < 1

    image = np.zeros(x.shape, np.float32)
    image[inside(85, 100, 80)] = 900  # scalp
    image[inside(80, 95, 75)] = 40  # bone
    image[inside(69, 84, 64)] = 150  # fluid
    brain = inside(66, 81, 61)
    image[brain] = 600
    image[inside(10, 25, 8)] = 150  # ventricle
    noise = np.random.default_rng(0).normal(0, 15, image.shape)
    return Volume.from_array(np.abs(image + noise), _affine(spacing)), inside(69, 84, 64), brain


@pytest.mark.parametrize(
    ("spacing", "center"),
    [((2, 2, 2), (100, 115, 90)), ((1, 1.4, 1.2), (100, 115, 90)), ((2.5, 2, 3), (110, 105, 85))],
)
def test_the_brain_of_a_whole_head_is_found_with_its_ventricle(spacing, center):
    volume, with_fluid, brain = _head(spacing, center)
    mask = brain_mask(volume)
    assert mask.shape == volume.data.shape
    assert mask.dtype == bool
    # What lies between the brain and the bone may go either way.
    assert mask[brain].mean() > 0.97
    assert with_fluid[mask].mean() > 0.97


def test_a_brain_that_the_border_cuts_is_found_up_to_it():
    volume, with_fluid, brain = _head((2, 2, 2))
    planes = 70
    mask = brain_mask(Volume.from_array(volume.data[:planes], _affine((2, 2, 2))))
    assert mask[brain[:planes]].mean() > 0.97
    assert with_fluid[:planes][mask].mean() > 0.97


def test_without_a_skull_the_brain_is_all_but_the_background():
    whole, _, brain = _head((2, 2, 2))
    # An N4-corrected background need not be 0, nor the minimum.
    mask = brain_mask(Volume.from_array(np.where(brain, whole.data, 40.0), _affine((2, 2, 2))))
    assert np.mean(mask != brain) < 1e-3


def test_what_is_no_head_is_masked_by_its_background(rng):
    small = np.zeros((20, 24, 16), np.float32)
    small[5:15, 5:18, 4:12] = rng.uniform(0.5, 1, (10, 13, 8))
    assert np.array_equal(brain_mask(Volume.from_array(small)), small > 0)
    assert not brain_mask(Volume.from_array(np.ones((4, 5, 6)))).any()
    assert not brain_mask(Volume.from_array(np.ones((100, 100, 100)))).any()


def test_noise_alone_has_a_mask_too(rng):
    noise = rng.normal(size=(60, 60, 60))
    assert brain_mask(Volume.from_array(noise, _affine((3, 3, 3)))).shape == noise.shape


def test_a_series_is_refused():
    with pytest.raises(InputError, match="choose one frame"):
        brain_mask(Volume.from_array(np.zeros((2, 4, 4, 4))))

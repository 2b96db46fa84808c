"""Synthetic heads and brains against a model's domain."""

import numpy as np
import pytest

from napari_mri_cae.errors import InputError
from napari_mri_cae.models import Card, Domain, domain_of, head_of, unfamiliar, with_domain
from napari_mri_cae.volume import Volume

_SHAPE_MM = (190, 220, 180)


def _affine(spacing):
    affine = np.zeros((4, 4))
    affine[3, 3] = 1
    for row, column in enumerate((2, 1, 0)):
        affine[row, column] = -spacing[column]
    return affine


def _ellipsoid(shape, spacing, radii, centre=(0.5, 0.5, 0.5)):
    axes = [
        (np.arange(n) - (n - 1) * c) * mm / r
        for n, mm, r, c in zip(shape, spacing, radii, centre, strict=True)
    ]
    return sum(axis**2 for axis in np.ix_(*axes)) < 1


def _volume(kind, spacing=(2.0, 2.0, 2.0), *, seed=0, name="sub-01_T1w", noise=0.0, gamma=1.0, offset=0.0):
    """A brain of 1.4 l of three tissues, in nothing or in a head with a neck and with noise in the air."""
    rng = np.random.default_rng(seed)
    shape = tuple(round(length / mm) for length, mm in zip(_SHAPE_MM, spacing, strict=True))
    image = np.zeros(shape)
    if kind == "whole":
        image[_ellipsoid(shape, spacing, (95, 100, 78))] = 0.7
        image[shape[0] // 2 :][_ellipsoid(shape, spacing, (1e9, 60, 55))[shape[0] // 2 :]] = 0.4
        image[_ellipsoid(shape, spacing, (78, 88, 70))] = 0.1
    for radius, value in ((1.0, 0.25), (0.95, 0.55), (0.75, 0.8)):
        image[_ellipsoid(shape, spacing, (65 * radius, 80 * radius, 64 * radius))] = value
    tissue = image > 0
    image[tissue] += rng.normal(0, 0.05, tissue.sum())
    image = np.clip(image, 0, 1) ** gamma
    if kind == "whole":
        image[~tissue] = np.abs(rng.normal(0, 0.01, (~tissue).sum()))
    image += noise * rng.normal(size=shape)
    if offset:
        image[0, 0, 0] = -offset
    return Volume.from_array(1000 * image, _affine(spacing), name=name)


@pytest.fixture(scope="module")
def volumes():
    return {kind: [_volume(kind, seed=seed) for seed in range(3)] for kind in ("stripped", "whole")}


def _card(**fields):
    return Card(name="x", architecture="skip-unet", **fields)


@pytest.mark.parametrize("kind", ["stripped", "whole"])
@pytest.mark.parametrize("spacing", [(2.0, 2.0, 2.0), (5.0, 1.5, 1.5)])
def test_heads_are_told_apart(kind, spacing):
    assert head_of(_volume(kind, spacing)) == kind


def test_what_is_not_plain_is_not_said():
    assert head_of(_volume("stripped", noise=0.05)) is None
    assert head_of(Volume.from_array(np.zeros((8, 9, 10)))) is None
    assert head_of(Volume.from_array(np.full((1, 1, 1), np.nan))) is None
    slab = _volume("whole").data[20:35]
    assert head_of(Volume.from_array(np.where(slab < 50, 0, slab), _affine((2, 2, 2)))) is None


def test_the_domain_says_what_the_volumes_look_like(volumes):
    domain = domain_of(iter(volumes["whole"]))
    assert (domain.spacings, domain.head, domain.contrast) == ((2, 2), "whole", "T1w")
    (histogram,) = domain.histograms
    assert histogram.head == "whole"
    assert 0 <= histogram.background[0] <= histogram.background[1] < 0.03
    low, high = histogram.quantiles["0.75"]
    tissue = volumes["whole"][0].normalized
    assert low - 0.02 < np.quantile(tissue[tissue > 0.06], 0.75) < high + 0.02
    assert domain_of([*volumes["whole"], *volumes["stripped"]]).head == "both"
    assert domain_of([*volumes["whole"], _volume("stripped", name="sub-02_FLAIR")]).contrast == ""


def test_pixels_are_those_that_the_network_sees():
    volume = _volume("stripped", (5.0, 1.5, 1.2))
    assert domain_of([volume], plane="axial").spacings == (1.2, 1.5)
    assert domain_of([volume], plane="sagittal").spacings == (1.5, 5.0)
    rows, columns = volume.data.shape[:2]
    resized = domain_of([volume], plane="sagittal", fixed_size=(rows // 2, columns))
    assert resized.spacings == (1.5, 5.0 * rows / (rows // 2))
    padded = domain_of([volume], plane="sagittal", fixed_size=(2 * rows, columns))
    assert padded.spacings == (1.5, 5.0)


@pytest.mark.parametrize("kind", ["stripped", "whole"])
def test_what_looks_like_the_training_volumes_is_familiar(kind, volumes):
    both = with_domain(_card(), [*volumes["stripped"], *volumes["whole"]])
    assert unfamiliar(_volume(kind, (2.2, 1.8, 1.8), seed=9), "coronal", both) == ()
    assert unfamiliar(volumes[kind][0], "axial", with_domain(_card(plane="axial"), volumes[kind])) == ()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"spacing": (2.0, 3.0, 3.0)}, "pixels are 3 x 3 mm; the model was trained on pixels of 2 mm"),
        ({"name": "sub-01_FLAIR"}, "the volume is FLAIR; the model was trained on T1w"),
        ({"gamma": 3.0}, "distributed otherwise"),
        ({"offset": 0.3}, "background lies at 0.2"),
    ],
)
def test_each_difference_is_one_sentence(change, said, volumes):
    card = with_domain(_card(), volumes["stripped"])
    (sentence,) = unfamiliar(_volume("stripped", **change), "axial", card)
    assert said in sentence
    assert sentence.endswith(".")


def test_the_other_kind_of_head_is_said(volumes):
    for trained, given in (("whole", "stripped"), ("stripped", "whole")):
        (sentence,) = unfamiliar(volumes[given][0], "axial", with_domain(_card(), volumes[trained]))
        assert ("looks like a skull-stripped brain" in sentence) == (given == "stripped")


def test_the_plane_and_labels_are_said_without_a_domain(volumes):
    volume = volumes["stripped"][0]
    (sentence,) = unfamiliar(volume, "axial", _card(plane="sagittal"))
    assert sentence == "The slices are axial; the model was trained on sagittal ones."
    labels = Volume.from_array(np.zeros((4, 4, 4)), is_label=True)
    assert unfamiliar(labels, "axial", _card()) == (
        "The volume holds labels; the model was trained on images.",
    )


def test_intensities_that_each_slice_scales_are_not_compared(volumes):
    card = with_domain(_card(intensity="slice-min-max"), volumes["stripped"])
    assert unfamiliar(_volume("stripped", gamma=3.0), "axial", card) == ()


def test_what_cannot_be_described_is_refused(volumes):
    with pytest.raises(InputError, match="no volume"):
        domain_of([])
    series = Volume.from_array(np.zeros((2, 4, 4, 4)))
    with pytest.raises(InputError, match="choose one frame"):
        unfamiliar(series, "axial", _card(domain=Domain()))


def test_a_card_keeps_its_domain_and_may_lack_one(volumes):
    card = with_domain(_card(), volumes["whole"])
    assert Card.from_json(card.to_json()) == card
    assert Card.from_json('{"name": "x", "architecture": "skip-unet"}').domain is None


def test_slices_far_apart_are_said_of_a_model_that_looks_at_neighbours(volumes):
    thick = _volume("stripped", (6.0, 1.0, 1.0))
    beside = _card(architecture_parameters={"neighbours": 2})
    (said,) = unfamiliar(thick, "axial", beside)
    assert said.startswith("The slices lie 6 mm apart; the model also looks at those beside each")
    # In the other planes the pixels are as long as the slices are apart there.
    assert unfamiliar(thick, "coronal", beside) == ()
    assert unfamiliar(thick, "axial", _card()) == ()
    assert unfamiliar(volumes["whole"][0], "axial", beside) == ()

"""What is usual for a model, slice by slice: checked by hand and against scikit-image."""

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio

from napari_mri_cae.comparison import Comparison
from napari_mri_cae.comparison.noteworthy import typicality, worst_slices
from napari_mri_cae.corruptions import GaussianNoise
from napari_mri_cae.errors import InputError
from napari_mri_cae.models import Card, Model, SliceBin, SliceStatistics
from napari_mri_cae.slice_statistics import (
    SliceMeasurement,
    slice_statistics,
    statistics_of,
    tissue_shares,
    z_scores,
)
from napari_mri_cae.volume import Volume


class Dim(torch.nn.Module):
    """Takes a tenth away."""

    def forward(self, slices: torch.Tensor) -> torch.Tensor:
        return slices * 0.9


def model(**fields: object) -> Model:
    return Model(Dim().eval(), Card(name="dim", architecture="none", **fields))


def ball(seed: int = 0, *, radius: float = 12.0, background: float = 0.0) -> Volume:
    """A textured ball, smaller towards the ends of every axis."""
    grid = np.indices((32, 32, 32)) - 15.5
    inside = np.sqrt((grid**2).sum(0)) < radius
    texture = np.random.default_rng(seed).uniform(0.3, 1.0, inside.shape)
    return Volume.from_array(np.where(inside, texture, background).astype(np.float32), name="ball")


def by_hand(scores: tuple[float, float], tissue: float = 0.2) -> SliceStatistics:
    return SliceStatistics(
        plane="axial",
        volumes=3,
        bins=(
            SliceBin(tissue=tissue / 2, slices=9, psnr=(34.0, 2.0), ssim=(0.9, 0.01)),
            SliceBin(tissue=tissue, slices=9, psnr=scores, ssim=(0.8, 0.02)),
        ),
    )


@pytest.mark.parametrize("background", [0.0, 0.2])
def test_tissue_is_counted_in_every_plane(background: float) -> None:
    array = np.full((8, 10, 12), background, np.float32)
    array[2:4, 5:9, 1:7] = 0.7
    shares = tissue_shares(array)
    np.testing.assert_allclose(shares["axial"][2], 4 * 6 / 120)
    np.testing.assert_allclose(shares["coronal"][5], 2 * 6 / 96)
    np.testing.assert_allclose(shares["sagittal"][6], 2 * 4 / 80)
    assert [np.count_nonzero(one) for one in shares.values()] == [2, 4, 6]


def test_statistics_are_those_of_the_slices_measured_one_by_one() -> None:
    volumes = [ball(seed) for seed in range(3)]
    (found,) = slice_statistics(model(), volumes, planes=["coronal"])
    rows = []
    for volume in volumes:
        array = volume.normalized
        for index, share in enumerate(tissue_shares(array)["coronal"]):
            if share >= 0.01:
                one = array[:, index]
                rows.append((share, peak_signal_noise_ratio(one, one * np.float32(0.9), data_range=1)))
    share, psnr = np.transpose(rows)
    bins = iter(found.bins)
    for low in (0.01, 0.02, 0.04, 0.08, 0.16, 0.32):
        inside = (share > low) & (share <= 2 * low)
        if inside.sum() >= 8:
            one = next(bins)
            assert one.slices == inside.sum()
            np.testing.assert_allclose(one.psnr, (psnr[inside].mean(), psnr[inside].std(ddof=1)), atol=2e-3)
    assert next(bins, None) is None
    assert (found.volumes, found.plane, found.corruptions) == (3, "coronal", ())


@pytest.mark.parametrize("chain", [(), (GaussianNoise(sigma=0.05),)])
def test_slices_are_measured_as_a_comparison_measures_them(chain: tuple[GaussianNoise, ...]) -> None:
    volume, own = ball(3), model(plane="sagittal", intensity="slice-min-max")
    (found,) = slice_statistics(own, [volume], conditions=[chain])
    comparison = Comparison(volume, own, chain, plane="sagittal", exact=True, device="cpu")
    for _ in comparison.run():
        pass
    assert sum(one.slices for one in found.bins) >= 20
    for one in found.bins:
        at = np.searchsorted([0.02, 0.04, 0.08, 0.16, 0.32, 0.64], comparison.tissue)
        inside = (at == np.searchsorted([0.02, 0.04, 0.08, 0.16, 0.32, 0.64], one.tissue)) & (
            comparison.tissue >= 0.01
        )
        for metric in ("psnr", "ssim"):
            values = comparison.metrics[f"{metric}_reconstructed"][inside]
            scores = values.mean(), values.std(ddof=1)
            np.testing.assert_allclose(getattr(one, metric), scores, atol=1e-3 if metric == "psnr" else 1e-5)


def test_a_sample_takes_as_many_slices_of_each_bin_the_same_ones_again() -> None:
    measured = []
    for _ in range(2):
        measurement = SliceMeasurement(model(), planes=["axial"])
        for seed in range(5):
            measurement.add(ball(seed), per_bin=2)
        measured.append(measurement.statistics())
    assert measured[0] == measured[1]
    assert {one.slices for one in measured[0][0].bins} == {10}
    # With their own volume's slices, not always with the same ones.
    tissues = [one.tissue for one in slice_statistics(model(), map(ball, range(5)), planes=["axial"])[0].bins]
    assert [one.tissue for one in measured[0][0].bins] != tissues
    with pytest.raises(InputError, match="give 1 or more"):
        SliceMeasurement(model()).add(ball(), per_bin=0)


def test_z_scores_are_interpolated_between_bins_and_left_out_of_background() -> None:
    statistics = by_hand((30.0, 1.0))
    z = z_scores(statistics, "psnr", [26.0, 34.0, 32.0, 32.0, np.nan], [0.2, 0.05, np.sqrt(0.02), 0.001, 0.2])
    np.testing.assert_allclose(z, [-4.0, 0.0, 0.0, np.nan, np.nan], atol=1e-9)
    # A model that never misses is not unusual for missing by nothing much, and equal is just very close.
    exact = by_hand((50.0, 0.0))
    np.testing.assert_allclose(z_scores(exact, "psnr", [np.inf, 84.0, 49.0], [0.2] * 3), [0, 0, -4])


def test_a_card_speaks_of_its_own_plane_head_and_corruptions_only() -> None:
    noise = GaussianNoise(sigma=0.03)
    volumes = [ball(seed) for seed in range(2)]
    found = slice_statistics(model(), volumes, planes=["axial"], conditions=[(), (noise,)])
    card = model(slice_statistics=found).card
    again = Card.from_json(card.to_json())
    assert again == card
    clean = statistics_of(again, plane="axial", head=None, corruptions=())
    noisy = statistics_of(again, plane="axial", head=None, corruptions=(GaussianNoise(sigma=0.03),))
    assert clean is not None
    assert noisy is not None
    assert noisy.bins[0].psnr < clean.bins[0].psnr
    assert statistics_of(again, plane="axial", head=None, corruptions=(GaussianNoise(sigma=0.04),)) is None
    assert statistics_of(again, plane="coronal", head=None, corruptions=()) is None
    assert statistics_of(again, plane="axial", head="whole", corruptions=()) is None


def test_nothing_to_measure_is_said() -> None:
    empty = Volume.from_array(np.eye(32, dtype=np.float32)[None].repeat(32, 0)[:, :, :1].repeat(32, 2) * 0)
    with pytest.raises(InputError, match="too few slices"):
        slice_statistics(model(), [empty])


def test_an_odd_slice_is_unusual_and_the_worst() -> None:
    trained = slice_statistics(model(), [ball(seed) for seed in range(4)], planes=["axial"])
    odd = ball(9).data.copy()
    odd[17][odd[17] > 0] = 1.0
    comparison = Comparison(Volume.from_array(odd), model(slice_statistics=trained), exact=True, device="cpu")
    assert np.isnan(typicality(comparison).psnr).all()
    assert worst_slices(comparison) == ()
    for _ in comparison.run():
        pass
    found = typicality(comparison)
    assert found.reason == ""
    assert np.flatnonzero(found.is_unusual("psnr")).tolist() == [17]
    assert found.psnr[17] < -3
    order = worst_slices(comparison)
    assert order[0] == 17
    values = comparison.metrics["psnr_reconstructed"]
    assert order == tuple(sorted(order, key=lambda index: values[index]))
    # Of a ball the first and the last slices are empty: equal to their originals, and no slice to look at.
    assert not set(order) & set(np.flatnonzero(comparison.tissue < 0.01))
    assert worst_slices(comparison, count=3) == order[:3]
    comparison.change(corruptions=[GaussianNoise(sigma=0.5)])
    assert "none" in typicality(comparison).reason

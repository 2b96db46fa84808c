"""mri-cae metrics."""

import math
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from skimage.metrics import structural_similarity

from napari_mri_cae import Comparison, Volume
from napari_mri_cae.corruptions import GaussianNoise
from napari_mri_cae.models import load_model


def _saved(path: Path, like: Path, change: Callable[[np.ndarray], np.ndarray]) -> Path:
    image = nib.load(like)
    nib.save(nib.Nifti1Image(change(image.get_fdata()).astype(np.float32), image.affine), path)
    return path


def test_values(cli: Callable, tmp_path: Path, volume_file: Path, rng: np.random.Generator) -> None:
    test = _saved(tmp_path / "test.nii", volume_file, lambda array: array + rng.normal(0, 30, array.shape))
    result = cli("metrics", volume_file, test, "--json").json

    # File axes: left, anterior, superior; SSIM and the mean PSNR are over axial slices.
    reference, other = (nib.load(path).get_fdata() for path in (volume_file, test))
    low, high = reference.min(), np.percentile(reference, 99.95)
    clipped = np.clip((reference - low) / (high - low), 0, 1)
    other = (other - low) / (high - low)
    other = np.where(clipped == 1, np.minimum(other, 1), other)
    error = (clipped - other) ** 2
    similarities = [
        structural_similarity(
            clipped[..., k],
            other[..., k],
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=1.0,
        )
        for k in range(clipped.shape[2])
    ]
    assert result["mse"] == pytest.approx(error.mean(), rel=1e-5)
    assert result["psnr"] == pytest.approx(-10 * math.log10(error.mean()), abs=1e-4)
    assert result["psnr_slices"] == pytest.approx(-10 * np.log10(error.mean((0, 1))).mean(), abs=1e-4)
    assert result["ssim"] == pytest.approx(np.mean(similarities), abs=1e-4)
    assert result["dssim"] == pytest.approx((1 - np.mean(similarities)) / 2, abs=1e-4)
    assert (result["data_range"], result["plane"], result["n_slices"]) == (1.0, "axial", clipped.shape[2])


def test_agrees_with_the_comparison(
    cli: Callable, tmp_path: Path, volume_file: Path, model_file: Path
) -> None:
    noisy = tmp_path / "noisy.nii.gz"
    cli("corrupt", volume_file, noisy, "--gaussian", 0.05, "--plane", "coronal")
    result = cli("metrics", volume_file, noisy, "--plane", "coronal", "--json").json
    comparison = Comparison(
        Volume.load(volume_file), load_model(model_file), [GaussianNoise(sigma=0.05)], plane="coronal"
    )
    for _ in comparison.run():
        pass
    summary = comparison.summary()
    # Noise above the window counts in the one and not in the other, at one voxel in two thousand.
    assert result["psnr"] == pytest.approx(summary["psnr_corrupted"], abs=0.01)
    assert result["ssim"] == pytest.approx(summary["ssim_corrupted"], abs=1e-3)


def test_a_volume_equals_itself(cli: Callable, volume_file: Path) -> None:
    result = cli("metrics", volume_file, volume_file, "--json").json
    assert (result["psnr"], result["mse"], result["ssim"]) == (None, 0, 1)
    assert "infinite dB" in cli("metrics", volume_file, volume_file).out


def test_another_axis_order_is_the_same_grid(cli: Callable, tmp_path: Path, volume_file: Path) -> None:
    turned = tmp_path / "turned.nii"
    nib.save(nib.as_closest_canonical(nib.load(volume_file)), turned)
    assert cli("metrics", volume_file, turned, "--json").json["mse"] < 1e-9


def test_other_grids_are_refused(cli: Callable, tmp_path: Path, volume_file: Path) -> None:
    image = nib.load(volume_file)
    for name, array, shift in (
        ("smaller.nii", image.get_fdata()[:-1], 0.0),
        ("moved.nii", image.get_fdata(), 0.1),
    ):
        affine = image.affine.copy()
        affine[0, 3] += shift
        nib.save(nib.Nifti1Image(array, affine), tmp_path / name)
        ended = cli("metrics", volume_file, tmp_path / name)
        assert ended.status == 1
        assert "different grids" in ended.err
        assert ended.err.count("\n") == 1


def test_a_constant_reference_is_refused(cli: Callable, tmp_path: Path, volume_file: Path) -> None:
    flat = _saved(tmp_path / "flat.nii", volume_file, np.ones_like)
    ended = cli("metrics", flat, volume_file)
    assert ended.status == 1
    assert "constant" in ended.err


def test_one_volume_of_a_series(cli: Callable, tmp_path: Path, series_file: Path) -> None:
    frame = tmp_path / "frame.nii"
    image = nib.load(series_file)
    nib.save(nib.Nifti1Image(image.get_fdata()[..., 1], image.affine), frame)
    assert cli("metrics", series_file, frame, "--frame", 1, "--json").json["mse"] == 0
    assert cli("metrics", series_file, frame, "--json").json["mse"] > 0
    assert cli("metrics", frame, series_file, "--frame", 1, "--json").json["mse"] == 0
    assert "has no frame 1" in cli("metrics", frame, frame, "--frame", 1).err

"""mri-cae corrupt."""

import json
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from napari_mri_cae import Comparison, Volume
from napari_mri_cae.corruptions import (
    BiasField,
    BlankOut,
    Blobs,
    Corruption,
    Downsampling,
    GaussianBlur,
    GaussianNoise,
    Ghosting,
    GibbsRinging,
    Motion,
    PixelDropout,
    Spikes,
)
from napari_mri_cae.models import load_model


def _intensities(path: Path) -> np.ndarray:
    """Read a file's voxels by nibabel alone."""
    return np.asarray(nib.load(path).dataobj)


def _compared(
    path: Path, model: Path, chain: list[Corruption], plane: str = "axial", seed: int = 0
) -> np.ndarray:
    """Return a comparison's corrupted volume in intensities, in I-P-L order."""
    volume = Volume.load(path)
    comparison = Comparison(volume, load_model(model), chain, plane=plane, seed=seed)
    for _ in comparison.run():
        pass
    return volume.to_intensities(comparison.corrupted)


def test_what_had_to_be_assumed_is_told(cli: Callable, tmp_path: Path) -> None:
    voxels = np.arange(64, dtype=np.float32).reshape(4, 4, 4)
    voxels[0, 0, 0] = np.nan
    image = nib.Nifti1Image(voxels, None)
    nib.save(image, tmp_path / "in.nii")
    for command, *options in (("corrupt", "--gaussian", 0.1), ("reconstruct",)):
        ended = cli(command, tmp_path / "in.nii", tmp_path / f"{command}.nii", *options)
        assert ended.status == 0
        lines = ended.err.splitlines()
        assert lines[0].startswith("note: No orientation in the header: left, anterior and superior")
        assert lines[1].startswith("note: 1 voxel is NaN or infinite")


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_is_what_a_comparison_shows(
    cli: Callable, tmp_path: Path, volume_file: Path, model_file: Path, plane: str
) -> None:
    output = tmp_path / "out.nii.gz"
    ended = cli(
        "corrupt", volume_file, output, "--gaussian", 0.05, "--dropout", 0.1, "--plane", plane, "--seed", 7
    )
    assert ended.status == 0
    assert ended.err == ""
    chain = [GaussianNoise(sigma=0.05), PixelDropout(rate=0.1)]
    np.testing.assert_array_equal(
        Volume.load(output).data, _compared(volume_file, model_file, chain, plane, seed=7)
    )


def test_keeps_grid_and_intensities(cli: Callable, tmp_path: Path, volume_file: Path) -> None:
    output = tmp_path / "out.nii.gz"
    cli("corrupt", volume_file, output, "--gaussian", 0)
    before, after = nib.load(volume_file), nib.load(output)
    assert after.shape == before.shape
    assert after.get_data_dtype() == np.float32
    np.testing.assert_array_equal(after.affine, before.affine)
    for code in ("qform_code", "sform_code", "xyzt_units"):
        assert after.header[code] == before.header[code]
    intensities = _intensities(volume_file)
    expected = np.minimum(intensities, np.percentile(intensities, 99.95))
    np.testing.assert_allclose(_intensities(output), expected, rtol=1e-6)


def test_order_of_the_options_counts(
    cli: Callable, tmp_path: Path, volume_file: Path, model_file: Path
) -> None:
    first, second = tmp_path / "first.nii", tmp_path / "second.nii"
    cli("corrupt", volume_file, first, "--blur", 1, "--gaussian", 0.1)
    cli("corrupt", volume_file, second, "--gaussian", 0.1, "--blur", 1)
    chain = [GaussianBlur(sigma=1), GaussianNoise(sigma=0.1)]
    for output, expected in ((first, chain), (second, chain[::-1])):
        np.testing.assert_array_equal(Volume.load(output).data, _compared(volume_file, model_file, expected))
    assert not np.array_equal(_intensities(first), _intensities(second))


def test_options_repeat_and_are_modified(
    cli: Callable, tmp_path: Path, volume_file: Path, model_file: Path
) -> None:
    output = tmp_path / "out.nii"
    cli(
        *("corrupt", volume_file, output, "--gaussian", 0.1, "--dropout", 0.2, "--gaussian", 0.3, "--clip"),
        *("--rescale", "--blank", 4, "--blank-row", 2, "--blank-column", 3),
    )
    chain = [
        GaussianNoise(sigma=0.1, clip=True),
        PixelDropout(rate=0.2, rescale=True),
        GaussianNoise(sigma=0.3, clip=True),
        BlankOut(size=4, row=2, column=3),
    ]
    np.testing.assert_array_equal(Volume.load(output).data, _compared(volume_file, model_file, chain))


def test_artefacts_in_the_order_given(
    cli: Callable, tmp_path: Path, volume_file: Path, model_file: Path
) -> None:
    output = tmp_path / "out.nii"
    ended = cli(
        *(
            "corrupt",
            volume_file,
            output,
            "--bias",
            0.4,
            "--bias-order",
            2,
            "--downsample",
            2.5,
            "--motion",
            3,
        ),
        *("--motion-pixels", 1.5, "--motion-times", 3, "--horizontal", "--gibbs", 0.6, "--spikes", 0.2),
        *("--spikes-number", 2, "--ghosting", 0.7, "--ghosting-number", 3, "--blobs", 2, "--blob-radius", 3),
        *("--blob-contrast", "-0.25", "--plane", "coronal"),
    )
    assert ended.status == 0
    chain = [
        BiasField(coefficient=0.4, order=2),
        Downsampling(factor=2.5, horizontal=True),
        Motion(degrees=3, pixels=1.5, movements=3, horizontal=True),
        GibbsRinging(kept=0.6),
        Spikes(intensity=0.2, number=2),
        Ghosting(intensity=0.7, ghosts=3, horizontal=True),
        Blobs(number=2, radius=3, contrast=-0.25),
    ]
    written = json.loads((tmp_path / "out.json").read_text())["corruptions"]
    assert [Corruption.from_dict(record) for record in written] == chain
    expected = _compared(volume_file, model_file, chain, "coronal")
    np.testing.assert_array_equal(Volume.load(output).data, expected)


def test_is_deterministic(cli: Callable, tmp_path: Path, volume_file: Path) -> None:
    outputs = [tmp_path / f"{name}.nii" for name in ("one", "again", "other")]
    for output, seed in zip(outputs, (1, 1, 2), strict=True):
        cli("corrupt", volume_file, output, "--rician", 0.1, "--seed", seed)
    one, again, other = (output.read_bytes() for output in outputs)
    assert one == again
    assert one != other


def test_one_volume_of_a_series(cli: Callable, tmp_path: Path, series_file: Path) -> None:
    output = tmp_path / "out.nii"
    cli("corrupt", series_file, output, "--gaussian", 0, "--frame", 1)
    frame = _intensities(series_file)[..., 1]
    assert nib.load(output).shape == frame.shape
    np.testing.assert_allclose(
        _intensities(output), np.minimum(frame, np.percentile(frame, 99.95)), rtol=1e-6, atol=1e-4
    )


def test_writes_down_how_it_was_made(cli: Callable, tmp_path: Path, volume_file: Path) -> None:
    output = tmp_path / "sub-01_desc-noisy_T1w.nii.gz"
    printed = cli("corrupt", volume_file, output, "--gaussian", 0.1, "--seed", 5, "--json").json
    written = json.loads((tmp_path / "sub-01_desc-noisy_T1w.json").read_text())
    assert printed == written
    assert written["corruptions"] == [{"kind": "gaussian-noise", "sigma": 0.1, "clip": False}]
    assert (written["seed"], written["plane"], written["model"]) == (5, "axial", None)
    assert written["volume"]["file"] == volume_file.name
    assert set(written["versions"]) >= {"napari-mri-cae", "torch", "numpy"}


@pytest.mark.parametrize("command", ["corrupt", "reconstruct"])
def test_the_sidecar_of_the_scan_stays(
    cli: Callable, tmp_path: Path, volume_file: Path, model_file: Path, command: str
) -> None:
    own = tmp_path / "sub-01_T1w.json"
    own.write_text('{"MagneticFieldStrength": 3}')
    options = ["--gaussian", 0.1] if command == "corrupt" else ["--model", model_file]
    ended = cli(command, volume_file, tmp_path / "sub-01_T1w.nii", *options)
    assert (ended.status, ended.err.count("\n")) == (1, 1)
    assert "sub-01_T1w.json is there already" in ended.err
    assert own.read_text() == '{"MagneticFieldStrength": 3}'
    assert not (tmp_path / "sub-01_T1w.nii").exists()
    # What the command has written itself may be written again.
    for _ in range(2):
        assert cli(command, volume_file, tmp_path / "out.nii", *options).status == 0
    # What belongs to a file that is there may not.
    assert "out.json is there already" in cli(command, volume_file, tmp_path / "out.mgz", *options).err
    (tmp_path / "out.nii").unlink()
    assert cli(command, volume_file, tmp_path / "out.mgz", *options).status == 0

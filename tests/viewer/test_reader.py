"""Files become layers with mm, names and limits, and bad ones become a sentence."""

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels
from napari.utils.notifications import notification_manager
from npe2 import PluginManager

from napari_mri_cae.errors import InputError
from napari_mri_cae.viewer.layers import (
    layer_affine,
    orientation_is_known,
    role_of,
    spatial_attributes,
    volume_of,
)
from napari_mri_cae.viewer.reader import get_reader

PLUGIN = "napari-mri-cae"
AFFINE = np.array([[-0.8, 0, 0, 10], [0, 0.9, 0, -20], [0, 0, 1.2, 5], [0, 0, 0, 1]])


def save(path: Path, data: np.ndarray, image_class: type = nib.Nifti1Image) -> Path:
    nib.save(image_class(data, AFFINE), path)
    return path


@pytest.fixture
def brain(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(100, 20, (5, 6, 7)).astype(np.float32)


@pytest.fixture(autouse=True, scope="module")
def _plugins_are_known() -> None:
    PluginManager.instance().discover()


def open_in_viewer(*paths: Path, stack: bool = False) -> ViewerModel:
    viewer = ViewerModel()
    viewer.open([str(path) for path in paths], plugin=PLUGIN, stack=stack)
    return viewer


def test_a_volume_becomes_an_image_in_millimetres(tmp_path: Path, brain: np.ndarray) -> None:
    path = save(tmp_path / "sub-01_T1w.nii.gz", brain)
    (layer,) = open_in_viewer(path).layers
    assert isinstance(layer, Image)
    assert layer.name == "sub-01_T1w"
    np.testing.assert_allclose(layer.scale, (1.2, 0.9, 0.8), rtol=1e-6)
    assert [str(unit) for unit in layer.units] == ["millimeter"] * 3
    assert layer.axis_labels == ("axial", "coronal", "sagittal")
    # Left, anterior, superior in the file; superior first, anterior first, right first in the layer.
    np.testing.assert_array_equal(layer.data, brain.transpose(2, 1, 0)[::-1, ::-1])
    np.testing.assert_allclose(layer.contrast_limits, (brain.min(), np.percentile(brain, 99.95)), rtol=1e-5)
    assert layer.metadata["file"] == str(path)
    assert layer.metadata["axes"] == "LAS"
    np.testing.assert_allclose(layer.metadata["affine"], AFFINE, rtol=1e-6)

    volume = volume_of(layer)
    assert volume is layer.metadata["napari_mri_cae"]["volume"]
    assert layer.data is volume.data
    assert role_of(layer) == "source"
    assert orientation_is_known(layer)


@pytest.mark.parametrize(
    ("name", "image_class"),
    [
        ("a.nii", nib.Nifti2Image),
        ("a.NII.GZ", nib.Nifti1Image),
        ("a.hdr", nib.Nifti1Pair),
        ("a.img", nib.Nifti1Pair),
        ("a.mgz", nib.MGHImage),
        ("a.mgh", nib.MGHImage),
    ],
)
def test_formats(tmp_path: Path, brain: np.ndarray, name: str, image_class: type) -> None:
    (layer,) = open_in_viewer(save(tmp_path / name, brain, image_class)).layers
    np.testing.assert_allclose(layer.data, brain.transpose(2, 1, 0)[::-1, ::-1])


def test_what_is_not_ours_is_left_to_others(tmp_path: Path) -> None:
    envi = tmp_path / "satellite.hdr"
    envi.write_text("ENVI\nsamples = 100\n")
    envi.with_suffix(".img").write_bytes(b"\0" * 100)
    for path in (envi, envi.with_suffix(".img"), tmp_path / "a.tif", tmp_path / "a.gz"):
        assert get_reader(str(path)) is None
        assert get_reader([str(path)]) is None
    assert get_reader(str(tmp_path / "a.nii.gz")) is not None


@pytest.mark.parametrize("stack", [False, True])
def test_several_files_become_several_layers(tmp_path: Path, brain: np.ndarray, stack: bool) -> None:
    paths = save(tmp_path / "a.nii", brain), save(tmp_path / "b.nii", brain[:4])
    assert [layer.name for layer in open_in_viewer(*paths, stack=stack).layers] == ["a", "b"]


def test_labels_become_labels_and_integers_do_not(tmp_path: Path) -> None:
    values = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    labels, image = open_in_viewer(
        save(tmp_path / "sub-01_dseg.nii.gz", values), save(tmp_path / "sub-01_T1w.nii.gz", values)
    ).layers
    assert isinstance(labels, Labels)
    assert labels.data.dtype == np.int32
    np.testing.assert_array_equal(labels.data, values.transpose(2, 1, 0)[::-1, ::-1])
    assert volume_of(labels) is None
    assert isinstance(image, Image)


def test_a_series_has_time_in_front(tmp_path: Path, rng: np.random.Generator) -> None:
    data = rng.normal(size=(4, 5, 6, 3)).astype(np.float32)
    image = nib.Nifti1Image(data, AFFINE)
    image.header.set_xyzt_units("mm", "msec")
    image.header["pixdim"][4] = 2500
    nib.save(image, tmp_path / "bold.nii")
    viewer = open_in_viewer(tmp_path / "bold.nii")
    (layer,) = viewer.layers
    np.testing.assert_allclose(layer.scale, (2.5, 1.2, 0.9, 0.8), rtol=1e-6)
    assert [str(unit) for unit in layer.units] == ["second", *["millimeter"] * 3]
    assert layer.axis_labels == ("time", "axial", "coronal", "sagittal")

    assert volume_of(layer).data.ndim == 3
    viewer.dims.set_current_step(0, 2)
    frame = volume_of(layer, viewer.dims)
    np.testing.assert_array_equal(frame.data, layer.data[2])
    assert np.shares_memory(frame.data, layer.data)

    # A volume of it beside the series: the same place, and units stay switched on.
    viewer.add_image(frame.data, name="frame", **spatial_attributes(layer))
    assert [str(unit) for unit in viewer.layers.units] == ["second", *["millimeter"] * 3]
    np.testing.assert_allclose(viewer.layers["frame"].scale, layer.scale[1:])


def test_a_constant_volume_and_one_with_nan_can_be_shown(tmp_path: Path) -> None:
    data = np.full((3, 4, 5), 7, np.float32)
    (layer,) = open_in_viewer(save(tmp_path / "a.nii", data)).layers
    assert layer.contrast_limits == [7, 8]
    data[0] = np.nan
    data[1, 1, 1] = 9
    (layer,) = open_in_viewer(save(tmp_path / "b.nii", data)).layers
    assert np.isfinite(layer.contrast_limits).all()


def test_foreign_layers_are_taken_to_be_in_order(rng: np.random.Generator) -> None:
    data = rng.normal(size=(2, 4, 5, 6))
    layer = Image(data, scale=(1, 3000, 2000, 1000), translate=(0, 10, 0, 0), units=("s", "um", "um", "um"))
    volume = volume_of(layer)
    np.testing.assert_allclose(volume.spacing, (3, 2, 1))
    np.testing.assert_array_equal(volume.data, data[0].astype(np.float32))
    # 10 um towards inferior of the origin.
    np.testing.assert_allclose(layer_affine(layer)[:3, 3], (0, 0, -0.01))
    assert not orientation_is_known(layer)
    with pytest.raises(InputError, match="flipped or turned"):
        volume_of(Image(data[0], scale=(1, 1, -1)))
    for no_volume in (Image(data[0, 0]), Image(np.zeros((4, 5, 3), np.uint8), rgb=True)):
        assert volume_of(no_volume) is None


def test_metadata_that_travelled_to_other_voxels_is_not_believed(tmp_path: Path, brain: np.ndarray) -> None:
    (layer,) = open_in_viewer(save(tmp_path / "a.nii", brain)).layers
    filtered = Image(layer.data * 2, metadata=layer.metadata, **spatial_attributes(layer))
    volume = volume_of(filtered)
    np.testing.assert_array_equal(volume.data, filtered.data)
    np.testing.assert_allclose(volume.ipl_affine, volume_of(layer).ipl_affine)
    copied = Image(layer.data.copy(), metadata=layer.metadata, **spatial_attributes(layer))
    assert volume_of(copied) is volume_of(layer)


def test_a_file_without_orientation_is_known_to_have_none(tmp_path: Path, brain: np.ndarray) -> None:
    image = nib.Nifti1Image(brain, None)
    image.header["sform_code"] = image.header["qform_code"] = 0
    nib.save(image, tmp_path / "a.nii")
    (layer,) = open_in_viewer(tmp_path / "a.nii").layers
    assert not orientation_is_known(layer)
    assert any("No orientation" in note for note in layer.metadata["notes"])


def truncated(path: Path) -> None:
    whole = gzip.compress(nib.Nifti1Image(np.ones((30, 30, 30), np.float32), AFFINE).to_bytes())
    path.write_bytes(whole[: len(whole) // 2])


BAD = {
    "truncated.nii.gz": truncated,
    "text.nii": lambda path: path.write_text("not a volume\n" * 100),
    "flat.nii": lambda path: save(path, np.zeros((8, 9), np.float32)),
    "complex.nii": lambda path: save(path, np.zeros((4, 4, 4), np.complex64)),
    "empty.nii.gz": lambda path: path.write_bytes(b""),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_one_sentence_in_a_notification(make_napari_viewer, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    BAD[name](path)
    with pytest.raises(InputError):
        get_reader(str(path))(str(path))

    viewer = make_napari_viewer()
    before = len(notification_manager.records)
    assert viewer.open(path, plugin=PLUGIN) == []
    (notification,) = notification_manager.records[before:]
    assert str(notification.severity) == "error"
    assert name in notification.message
    assert "\n" not in notification.message
    good = save(tmp_path / "good.nii", np.ones((3, 4, 5), np.float32))
    assert len(viewer.open([path, good], plugin=PLUGIN, stack=False)) == 1

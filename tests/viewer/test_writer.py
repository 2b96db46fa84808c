"""What is written lies where it was read, in the values of the file: checked with nibabel alone."""

import json
from itertools import permutations, product
from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels
from nibabel.orientations import apply_orientation, axcodes2ornt, inv_ornt_aff, io_orientation, ornt_transform
from npe2 import PluginManager

from napari_mri_cae.errors import InputError
from napari_mri_cae.viewer.layers import METADATA_KEY, spatial_attributes, volume_layer
from napari_mri_cae.viewer.writer import save_comparison, save_layer, write_layers
from napari_mri_cae.volume import Volume

PLUGIN = "napari-mri-cae"
AXIS_ORDERS = ["".join(one) for order in permutations(("RL", "AP", "SI")) for one in product(*order)]
OBLIQUE = np.array([[-0.8, 0.1, 0, 10], [0.1, 0.9, 0.2, -20], [0, -0.1, 1.2, 5], [0, 0, 0, 1.0]])


@pytest.fixture(autouse=True, scope="module")
def _plugins_are_known() -> None:
    PluginManager.instance().discover()


def image_in(axis_order: str, rng: np.random.Generator) -> nib.Nifti1Image:
    data = rng.normal(500, 100, (5, 6, 7)).astype(np.float32)
    change = ornt_transform(io_orientation(OBLIQUE), axcodes2ornt(axis_order))
    return nib.Nifti1Image(apply_orientation(data, change), OBLIQUE @ inv_ornt_aff(change, data.shape))


@pytest.fixture
def source(tmp_path: Path, rng: np.random.Generator) -> Image:
    nib.save(image_in("LAS", rng), tmp_path / "sub-01.nii.gz")
    data, kwargs, _ = volume_layer(Volume.load(tmp_path / "sub-01.nii.gz"))
    return Image(data, **kwargs)


def panel(source: Image, data: np.ndarray, role: str, **own: object) -> Image:
    volume = source.metadata[METADATA_KEY]["volume"]
    metadata = {METADATA_KEY: {"volume": volume, "role": role, **own}}
    return Image(data, name=role.capitalize(), metadata=metadata, **spatial_attributes(source))


@pytest.mark.parametrize("axis_order", AXIS_ORDERS)
def test_layers_go_back_onto_their_own_grid(
    tmp_path: Path, rng: np.random.Generator, axis_order: str
) -> None:
    nib.save(image_in(axis_order, rng), tmp_path / "a.nii")
    before = nib.load(tmp_path / "a.nii")
    values = before.get_fdata(dtype=np.float32)
    volume = Volume.load(tmp_path / "a.nii")
    data, kwargs, _ = volume_layer(volume)
    source = Image(data, **kwargs)
    (tmp_path / "out").mkdir()
    doubled = panel(source, volume.normalized * 2, "corrupted")
    residual = panel(source, volume.normalized, "residual")
    after = {
        name: nib.load(save_layer(layer, tmp_path / "out" / f"{name}.nii"))
        for name, layer in (("source", source), ("corrupted", doubled), ("residual", residual))
    }
    for image in after.values():
        np.testing.assert_array_equal(image.affine, before.affine)
        assert image.shape == before.shape
    low, high = volume.window.low, volume.window.high
    inside = np.clip(values, low, high)
    np.testing.assert_array_equal(after["source"].get_fdata(dtype=np.float32), values)
    np.testing.assert_allclose(after["corrupted"].get_fdata(), 2 * inside - low, rtol=1e-5)
    np.testing.assert_allclose(after["residual"].get_fdata(), inside - low, rtol=1e-5, atol=1e-3)


def test_napari_saves_one_layer_into_the_file_it_names(tmp_path: Path, source: Image) -> None:
    viewer = ViewerModel()
    viewer.add_layer(source)
    for name in ("one.nii", "one.nii.gz"):
        assert viewer.layers.save(str(tmp_path / name)) == [str(tmp_path / name)]
    np.testing.assert_array_equal(
        nib.load(tmp_path / "one.nii").get_fdata(), nib.load(tmp_path / "sub-01.nii.gz").get_fdata()
    )
    assert write_layers(str(tmp_path / "bare"), [source.as_layer_data_tuple()]) == [
        str(tmp_path / "bare.nii.gz")
    ]


def test_several_layers_get_their_names(tmp_path: Path, source: Image) -> None:
    viewer = ViewerModel()
    viewer.add_layer(source)
    viewer.add_layer(panel(source, source.data, "corrupted"))
    viewer.add_layer(panel(source, source.data, "residual"))
    viewer.layers[2].name = "corrupted"
    viewer.add_labels(np.ones((5, 6, 7), np.uint8), name="Ω / ?")
    written = viewer.layers.save(str(tmp_path / "all.nii.gz"), plugin=PLUGIN)
    assert [Path(path).name for path in written] == [
        "all_sub-01.nii.gz",
        "all_corrupted.nii.gz",
        "all_corrupted-2.nii.gz",
        "all_ω.nii.gz",
    ]
    tuples = [layer.as_layer_data_tuple() for layer in viewer.layers][:2]
    assert write_layers(str(tmp_path / "folder"), tuples) == [
        str(tmp_path / "folder" / "sub-01.nii.gz"),
        str(tmp_path / "folder" / "corrupted.nii.gz"),
    ]


def test_provenance_lies_beside_the_file(tmp_path: Path, source: Image) -> None:
    made = {"seed": 3, "file": Path("x.nii"), "corruptions": [{"kind": "gaussian-noise", "sigma": 0.03}]}
    made |= {"device": "cpu", "created": "2026-11-21T12:00:00+00:00", "versions": {"torch": "2.13.0"}}
    for provenance in (made, lambda: made):
        layer = panel(source, source.data, "corrupted", provenance=provenance)
        save_layer(layer, tmp_path / "c.nii.gz")
        content = json.loads((tmp_path / "c.json").read_text())
        assert content == {"layer": "corrupted", **made, "file": "x.nii"}
    save_layer(source, tmp_path / "s.nii.gz")
    assert not (tmp_path / "s.json").exists()


def test_the_sidecar_of_a_scan_stays(tmp_path: Path, source: Image) -> None:
    scan = tmp_path / "sub-01_corrupted.json"
    scan.write_text('{"RepetitionTime": 2.3}')
    layer = panel(source, source.data, "corrupted", provenance={"seed": 3})
    with pytest.raises(InputError, match=r"sub-01_corrupted\.json is there already"):
        save_layer(layer, tmp_path / "sub-01_corrupted.nii.gz")
    assert json.loads(scan.read_text()) == {"RepetitionTime": 2.3}
    assert not (tmp_path / "sub-01_corrupted.nii.gz").exists()


def test_a_comparison_is_written_as_four(tmp_path: Path, source: Image) -> None:
    volume = source.metadata[METADATA_KEY]["volume"]
    arrays = dict.fromkeys(("original", "corrupted", "reconstructed"), volume.normalized)
    comparison = SimpleNamespace(
        volume=volume, residual=volume.normalized * 0, provenance=lambda: {"seed": 1}, **arrays
    )
    written = save_comparison(comparison, tmp_path / "sub-01.nii.gz")
    assert [path.name for path in written] == [
        "sub-01_original.nii.gz",
        "sub-01_corrupted.nii.gz",
        "sub-01_reconstructed.nii.gz",
        "sub-01_residual.nii.gz",
    ]
    assert json.loads((tmp_path / "sub-01_residual.json").read_text()) == {
        "layer": "residual",
        "seed": 1,
    }


def test_a_foreign_layer_lies_where_its_transform_says(tmp_path: Path, rng: np.random.Generator) -> None:
    data = rng.integers(0, 1000, (4, 5, 6)).astype(np.uint16)
    layer = Image(data, scale=(3, 2, -1), translate=(10, 0, 7))
    image = nib.load(save_layer(layer, tmp_path / "foreign.nii"))
    written = np.asarray(image.dataobj)
    for index in ((0, 0, 0), (3, 1, 5), (2, 4, 3)):
        inferior, posterior, left = layer.data_to_world(index)
        at = np.linalg.solve(image.affine, (-left, -posterior, -inferior, 1))[:3]
        assert written[tuple(np.rint(at).astype(int))] == data[index]
    assert written.dtype.kind in "iu"


def test_a_crop_of_ours_stays_in_its_place(tmp_path: Path, source: Image) -> None:
    crop = Image(
        source.data[2:4, :, 1:],
        metadata=source.metadata,
        scale=source.scale,
        translate=source.scale * (2, 0, 1),
        units=source.units,
    )
    image = nib.load(save_layer(crop, tmp_path / "crop.nii"))
    whole = nib.load(tmp_path / "sub-01.nii.gz")
    values = image.get_fdata()
    for index in np.ndindex(values.shape):
        at = np.linalg.solve(whole.affine, image.affine @ (*index, 1))[:3]
        assert values[index] == whole.get_fdata()[tuple(np.rint(at).astype(int))]


def test_labels_keep_their_numbers(tmp_path: Path) -> None:
    for largest, dtype in ((200, np.uint8), (2000, np.int16), (70000, np.int32)):
        labels = np.zeros((3, 4, 5), np.int64)
        labels[1, 2, 3] = largest
        image = nib.load(save_layer(Labels(labels), tmp_path / "labels.nii.gz"))
        assert image.get_data_dtype() == dtype
        assert np.asarray(image.dataobj).max() == largest
        assert Volume.load(tmp_path / "labels.nii.gz").is_label


def test_what_is_no_volume_is_refused_in_a_sentence(tmp_path: Path) -> None:
    for layer in (
        Image(np.zeros((4, 5, 6, 3), np.uint8), rgb=True),
        Image(np.zeros((4, 5))),
        Image(np.zeros((2, 2, 2, 2, 2))),
    ):
        with pytest.raises(InputError, match="choose"):
            save_layer(layer, tmp_path / "a.nii")
        # napari hides a writer's ValueError behind "no plugin could write this".
        with pytest.raises(RuntimeError, match="choose"):
            write_layers(str(tmp_path / "a.nii"), [layer.as_layer_data_tuple()])
    assert list(tmp_path.iterdir()) == []

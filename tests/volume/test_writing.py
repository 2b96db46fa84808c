import stat
from pathlib import Path

import nibabel
import numpy as np
import pytest

from napari_mri_cae.errors import InputError
from napari_mri_cae.volume import Volume, writing

AFFINE = np.array([[0, 0.1, -2.0, 30], [-1.5, 0, 0, 41.7], [0.2, 1.0, 0, -50.3], [0, 0, 0, 1]])

# What belongs to the stored values of the source and not to its grid.
OF_THE_VALUES = {"datatype", "bitpix", "scl_slope", "scl_inter", "cal_min", "cal_max", "vox_offset", "magic"}


@pytest.fixture
def source(tmp_path: Path, rng: np.random.Generator) -> Path:
    """Write an oblique file of scaled integers with everything in its header."""
    image = nibabel.Nifti1Image(rng.integers(0, 1000, (5, 6, 7)).astype(np.int16), AFFINE)
    image.set_sform(AFFINE, code=4)
    image.set_qform(nibabel.affines.from_matvec(np.diag([1.0, 2.0, 3.0]), [7, 8, 9]), code=1)
    header = image.header
    header.set_xyzt_units("mm", "sec")
    header["descrip"] = b"scanner 7"
    header["aux_file"] = b"something"
    header["pixdim"][4:] = (2.5, 0, 0, 0)
    header["cal_max"] = 900
    header.set_slope_inter(0.25, -10)
    header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"kept"))
    nibabel.save(image, tmp_path / "source.nii.gz")
    return tmp_path / "source.nii.gz"


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_values_come_back_as_given_on_the_same_grid(source: Path, tmp_path: Path, suffix: str) -> None:
    volume = Volume.load(source)
    values = np.where(volume.data > 50, volume.data * np.float32(1.1), np.nan)
    path = tmp_path / f"out{suffix}"
    assert volume.save_like(values, path) == path
    written, original = nibabel.load(path), nibabel.load(source)
    assert written.get_data_dtype() == np.float32
    assert written.header_class is original.header_class
    expected = original.get_fdata().astype(np.float32)
    expected = np.where(expected > 50, expected * np.float32(1.1), np.nan)
    np.testing.assert_array_equal(written.get_fdata(dtype=np.float32), expected)
    for field in original.header:
        if field not in OF_THE_VALUES:
            np.testing.assert_array_equal(written.header[field], original.header[field], err_msg=field)
    assert (written.header["cal_min"], written.header["cal_max"]) == (0, 0)
    assert written.header.extensions == original.header.extensions
    np.testing.assert_array_equal(Volume.load(path).data, values)


def test_the_slope_on_disk_is_one(source: Path, tmp_path: Path) -> None:
    # nibabel hides what it reads there, and NaN or 0 is what other readers stumble over.
    volume = Volume.load(source)
    content = volume.save_like(volume.data, tmp_path / "out.nii").read_bytes()
    assert np.frombuffer(content[112:120], "<f4").tolist() == [1, 0]


@pytest.mark.parametrize("suffix", [".nii.gz", ".mgz"])
@pytest.mark.parametrize(
    ("given", "nifti", "mgh"),
    [
        (np.float32, np.float32, np.float32),
        (np.float64, np.float64, np.float32),
        (np.float16, np.float32, np.float32),
        (np.uint8, np.uint8, np.uint8),
        (np.int16, np.int16, np.uint8),
        (np.uint16, np.uint16, np.uint8),
        (np.int64, np.int32, np.uint8),
        (bool, np.uint8, np.uint8),
    ],
)
def test_types(source: Path, tmp_path: Path, suffix: str, given: type, nifti: type, mgh: type) -> None:
    volume = Volume.load(source)
    values = (volume.data > 100).astype(given)
    written = nibabel.load(volume.save_like(values, tmp_path / f"out{suffix}"))
    assert written.get_data_dtype().newbyteorder("=") == (mgh if suffix == ".mgz" else nifti)
    np.testing.assert_array_equal(written.get_fdata(), nibabel.load(source).get_fdata() > 100)


def test_integers_too_large_for_mgh(source: Path, tmp_path: Path) -> None:
    volume = Volume.load(source)
    values = np.full(volume.data.shape, 2**40)
    assert nibabel.load(volume.save_like(values, tmp_path / "out.nii")).get_fdata().max() == 2**40
    with pytest.raises(InputError, match="cannot hold numbers as large"):
        volume.save_like(values, tmp_path / "out.mgz")
    assert not (tmp_path / "out.mgz").exists()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("image_class", [nibabel.Nifti1Image, nibabel.Nifti1Pair, nibabel.Nifti2Image])
def test_every_kind_of_nifti_becomes_a_single_file(
    tmp_path: Path, rng: np.random.Generator, image_class: type, order: str
) -> None:
    voxels = rng.normal(size=(3, 4, 5)).astype(np.float32)
    image = image_class(voxels, AFFINE, image_class.header_class(endianness=order))
    path = tmp_path / ("a.img" if image_class is nibabel.Nifti1Pair else "a.nii")
    nibabel.save(image, path)
    volume = Volume.load(path)
    written = nibabel.load(volume.save_like(volume.data, tmp_path / "out.nii.gz"))
    assert isinstance(
        written, nibabel.Nifti2Image if image_class is nibabel.Nifti2Image else nibabel.Nifti1Image
    )
    np.testing.assert_array_equal(written.affine, nibabel.load(path).affine)
    np.testing.assert_array_equal(written.get_fdata(), voxels)


@pytest.mark.parametrize("suffix", [".nii.gz", ".mgz"])
def test_an_mgz_keeps_its_place(tmp_path: Path, rng: np.random.Generator, suffix: str) -> None:
    voxels = rng.normal(size=(3, 4, 5)).astype(np.float32)
    affine = nibabel.affines.from_matvec(
        nibabel.eulerangles.euler2mat(0.1, 0.2, 0.3) @ np.diag([1, 1.5, 2]), [9, 8, 7]
    )
    nibabel.save(nibabel.MGHImage(voxels, affine), tmp_path / "a.mgz")
    volume = Volume.load(tmp_path / "a.mgz")
    written = nibabel.load(volume.save_like(volume.data, tmp_path / f"out{suffix}"))
    np.testing.assert_allclose(written.affine, affine, atol=1e-5)
    np.testing.assert_array_equal(written.get_fdata(), voxels)
    if suffix == ".nii.gz":
        # Programs that know only the qform find the volume in the same place.
        np.testing.assert_allclose(written.get_qform(), affine, atol=1e-4)
        assert written.header.get_xyzt_units() == ("mm", "unknown")


def test_a_frame_is_written_as_a_volume(tmp_path: Path, rng: np.random.Generator) -> None:
    voxels = rng.normal(size=(3, 4, 5, 6)).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(voxels, AFFINE), tmp_path / "series.nii")
    series = Volume.load(tmp_path / "series.nii")
    frame = series.frame(4)
    written = nibabel.load(frame.save_like(frame.data, tmp_path / "frame.nii.gz"))
    np.testing.assert_array_equal(written.get_fdata(), voxels[..., 4])
    np.testing.assert_array_equal(written.affine, nibabel.load(tmp_path / "series.nii").affine)
    for suffix in (".nii.gz", ".mgz"):
        whole = nibabel.load(series.save_like(series.data, tmp_path / f"series{suffix}"))
        np.testing.assert_array_equal(whole.get_fdata(), voxels)


def test_fractions_like_a_label_image_are_not_called_labels(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(np.ones((2, 3, 4), np.uint8), np.eye(4))
    image.header.set_intent("label")
    nibabel.save(image, tmp_path / "a.nii")
    volume = Volume.load(tmp_path / "a.nii")
    labels = nibabel.load(volume.save_like(volume.data.astype(np.uint8), tmp_path / "labels.nii"))
    fractions = nibabel.load(volume.save_like(volume.data / 3, tmp_path / "fractions.nii"))
    assert labels.header.get_intent()[0] == "label"
    assert fractions.header.get_intent()[0] == "none"


def test_the_same_volume_is_the_same_file(source: Path, tmp_path: Path) -> None:
    volume = Volume.load(source)
    first = volume.save_like(volume.data, tmp_path / "first.nii.gz").read_bytes()
    assert volume.save_like(volume.data, tmp_path / "second.nii.gz").read_bytes() == first


def test_slabs_meet_without_a_seam(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "_SLAB_BYTES", 250)
    volume = Volume.load(source)
    written = nibabel.load(volume.save_like(volume.data, tmp_path / "out.nii.gz"))
    np.testing.assert_array_equal(written.get_fdata(), nibabel.load(source).get_fdata().astype(np.float32))


class TestRefusals:
    def check(self, volume: Volume, array: object, path: Path, expected: str) -> None:
        before = sorted(path.parent.iterdir()) if path.parent.is_dir() else None
        with pytest.raises(InputError, match=expected) as caught:
            volume.save_like(array, path)
        assert "\n" not in str(caught.value)
        assert before == (sorted(path.parent.iterdir()) if path.parent.is_dir() else None)

    def test_another_shape(self, source: Path, tmp_path: Path) -> None:
        volume = Volume.load(source)
        self.check(volume, volume.data[:-1], tmp_path / "out.nii", "does not fit source")
        self.check(volume, volume.data[None], tmp_path / "out.nii", "does not fit source")

    def test_complex_values(self, source: Path, tmp_path: Path) -> None:
        volume = Volume.load(source)
        self.check(volume, volume.data * 1j, tmp_path / "out.nii", "cannot be saved")

    def test_another_kind_of_file(self, source: Path, tmp_path: Path) -> None:
        volume = Volume.load(source)
        self.check(volume, volume.data, tmp_path / "out.png", "of no kind that can be written")

    def test_no_folder(self, source: Path, tmp_path: Path) -> None:
        volume = Volume.load(source)
        self.check(volume, volume.data, tmp_path / "missing" / "out.nii", "There is no folder")

    def test_a_file_in_the_place_of_a_folder(self, source: Path) -> None:
        volume = Volume.load(source)
        self.check(volume, volume.data, source / "out.nii", "cannot be written|There is no folder")

    def test_a_folder_of_that_name(self, source: Path, tmp_path: Path) -> None:
        (tmp_path / "out.nii").mkdir()
        volume = Volume.load(source)
        self.check(volume, volume.data, tmp_path / "out.nii", "is a folder")

    def test_a_folder_that_may_not_be_written(
        self, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        volume = Volume.load(source)

        def refuse(self: Path, *args: object, **kwargs: object) -> None:
            raise PermissionError(13, "Permission denied", str(self))

        monkeypatch.setattr(Path, "open", refuse)
        self.check(volume, volume.data, tmp_path / "out.nii", r"cannot be written \(Permission denied\)")

    @pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".mgz"])
    def test_a_full_disk_leaves_the_old_file_and_no_other(
        self, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
    ) -> None:
        volume = Volume.load(source)
        path = volume.save_like(volume.data, tmp_path / f"out{suffix}")
        before = path.read_bytes()

        def fill_up(self: Path, target: Path) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Path, "replace", fill_up)
        self.check(volume, volume.data * 2, path, "No space left on device")
        assert path.read_bytes() == before


def test_new_files_have_the_permissions_that_others_have(source: Path, tmp_path: Path) -> None:
    volume = Volume.load(source)
    path = volume.save_like(volume.data, tmp_path / "out.nii")
    (tmp_path / "plain").touch()
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)

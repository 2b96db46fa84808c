import gzip
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
from nibabel.spm99analyze import Spm99AnalyzeImage
from nibabel.testing import data_path

from napari_mri_cae.errors import InputError
from napari_mri_cae.volume import Volume, reading, streams

SHAPE = (5, 6, 7)

# Files that come with nibabel, written by other software: FSL, SPM, AFNI, MINC 1 and 2, Philips scanners.
EXAMPLES = [
    "anatomical.nii",
    "functional.nii",
    "example4d.nii.gz",
    "example_nifti2.nii.gz",
    "standard.nii.gz",
    "small.mnc",
    "minc1_1_scale.mnc",
    "minc1_4d.mnc",
    "minc2_1_scale.mnc",
    "minc2_4d.mnc",
    "scaled+tlrc.HEAD",
    "example4d+orig.HEAD",
    "phantom_varscale.PAR",
]


def to_ipl(voxels: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Reorder as nibabel does, by way of RAS."""
    ras = nibabel.as_closest_canonical(nibabel.Nifti1Image(voxels.astype(np.float64), affine)).get_fdata()
    ipl = ras[::-1, ::-1, ::-1].swapaxes(0, 2)
    return np.moveaxis(ipl, -1, 0) if ipl.ndim == 4 else ipl


def save(path: Path, voxels: np.ndarray, affine: np.ndarray | None = None, **fields: float) -> Path:
    """Write a NIfTI file, then overwrite fields of its header where they lie."""
    image_class = nibabel.Nifti2Image if "nifti2" in path.name else nibabel.Nifti1Image
    image = image_class(voxels, np.eye(4) if affine is None else affine, dtype=voxels.dtype)
    nibabel.save(image, path)
    patch_header(path, **fields)
    return path


def patch_header(path: Path, **fields: float) -> None:
    if not fields:
        return
    with nibabel.openers.ImageOpener(path, "rb") as file:
        content = bytearray(file.read())
    header = nibabel.load(path).header_class
    raw = np.frombuffer(content, header.template_dtype, count=1)[0]
    raw = raw.copy()
    for field, value in fields.items():
        raw[field] = value
    content[: header.template_dtype.itemsize] = raw.tobytes()
    with nibabel.openers.ImageOpener(path, "wb") as file:
        file.write(content)


@pytest.fixture
def voxels(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 1000, SHAPE).astype(np.int16)


@pytest.mark.parametrize("name", EXAMPLES)
def test_reads_what_other_software_wrote(name: str) -> None:
    path = Path(data_path) / name
    image = nibabel.load(path)
    theirs, affine = np.squeeze(image.get_fdata()), image.affine
    if name in ("minc1_4d.mnc", "minc2_4d.mnc"):  # nibabel leaves time first, as MINC has it
        theirs = np.moveaxis(theirs, 0, -1)
    if name.endswith(".PAR"):
        image.dataobj.file_like.close()  # nibabel does not
    volume = Volume.load(path)
    expected = to_ipl(theirs, affine)
    assert volume.data.shape == expected.shape
    np.testing.assert_array_equal(volume.data, expected.astype(np.float32))
    assert volume.data.flags.c_contiguous
    np.testing.assert_array_equal(volume.affine, affine)
    assert volume.is_series == (expected.ndim == 4)


@pytest.mark.parametrize(
    "suffix", [".nii", ".nii.gz", ".nii.bz2", ".nifti2.nii", ".hdr", ".img", ".mgh", ".mgz", ".analyze.img"]
)
def test_reads_every_kind_of_file(tmp_path: Path, voxels: np.ndarray, suffix: str) -> None:
    affine = np.array([[0, 0, 2.0, -3], [-1.5, 0, 0, 4], [0, 1, 0, -5], [0, 0, 0, 1]])
    path = tmp_path / f"volume{suffix}"
    if suffix in (".mgh", ".mgz"):
        nibabel.save(nibabel.MGHImage(voxels, affine), path)
    elif suffix == ".analyze.img":
        affine = np.diag([-1.0, 1, 1, 1])
        affine[:3, 3] = (2, -2.5, -3)  # what nibabel takes for an Analyze file: its centre is the origin
        nibabel.save(nibabel.AnalyzeImage(voxels, affine), path)
    else:
        save(path, voxels, affine)
    volume = Volume.load(path)
    np.testing.assert_array_equal(volume.data, to_ipl(voxels, affine))
    np.testing.assert_allclose(volume.affine, affine, atol=1e-6)
    assert bool(volume.notes) == (suffix == ".analyze.img")
    assert volume.name == (
        "volume.nifti2" if "nifti2" in suffix else "volume" if "analyze" not in suffix else "volume.analyze"
    )


def test_an_analyze_file_has_the_patients_right_first_unless_spm_says_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "volume.img"
    nibabel.save(nibabel.AnalyzeImage(np.zeros((4, 3, 2), np.float32), None), path)
    volume = Volume.load(path)
    assert nibabel.aff2axcodes(volume.affine)[0] == "L"  # towards the left: the first voxel is the right
    assert "the patient's right is assumed to come first" in volume.notes[0]
    nibabel.save(Spm99AnalyzeImage(np.zeros((4, 3, 2), np.float32), np.diag([2.0, 2, 2, 1])), path)
    volume = Volume.load(path)
    assert nibabel.aff2axcodes(volume.affine)[0] == "R"
    assert not any("assumed" in note for note in volume.notes)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
def test_reads_every_type_as_nibabel_does(
    tmp_path: Path, rng: np.random.Generator, kind: str, order: str
) -> None:
    stored = rng.integers(0, 100, SHAPE).astype(np.dtype(kind).newbyteorder(order))
    header = nibabel.Nifti1Header(endianness=order)
    header.set_data_dtype(stored.dtype)
    path = tmp_path / "volume.nii.gz"
    nibabel.save(nibabel.Nifti1Image(stored, np.eye(4), header), path)
    np.testing.assert_array_equal(Volume.load(path).data, to_ipl(stored, np.eye(4)))
    patch = nibabel.load(path)
    patch_header(path, scl_slope=np.float32(0.3), scl_inter=np.float32(-7.1)) if order == "<" else None
    theirs = nibabel.load(path).get_fdata()
    np.testing.assert_array_equal(Volume.load(path).data, to_ipl(theirs, patch.affine).astype(np.float32))


@pytest.mark.parametrize(
    ("slope", "inter", "expected"),
    [(np.nan, np.nan, 1), (0, 5, 1), (np.inf, 0, 1), (2, 0, 2), (2, np.nan, 2), (-1, 0, -1)],
)
def test_a_slope_that_is_none_is_no_scaling(
    tmp_path: Path, voxels: np.ndarray, slope: float, inter: float, expected: float
) -> None:
    path = save(tmp_path / "volume.nii", voxels, scl_slope=slope, scl_inter=inter)
    np.testing.assert_array_equal(Volume.load(path).data, expected * to_ipl(voxels, np.eye(4)))


@pytest.mark.parametrize("shape", [(1, 6, 7), (5, 6, 1), (5, 1, 7), (1, 1, 1), (3, 3, 3)])
def test_single_slices_and_odd_sizes(
    tmp_path: Path, rng: np.random.Generator, shape: tuple[int, ...]
) -> None:
    voxels = rng.integers(0, 9, shape).astype(np.uint8)
    volume = Volume.load(save(tmp_path / "volume.nii.gz", voxels))
    np.testing.assert_array_equal(volume.data, to_ipl(voxels, np.eye(4)))
    assert volume.normalized.shape == volume.data.shape


def test_slabs_meet_without_a_seam(
    tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_SLAB_VOXELS", (64, 64))
    voxels = rng.integers(0, 1000, (5, 6, 37)).astype(np.int16)
    # Here the slowest axis becomes the slowest; and here the fastest.
    for name, affine in (("a", np.eye(4)), ("b", np.eye(4)[[2, 1, 0, 3]])):
        path = save(tmp_path / f"{name}.nii.gz", voxels, affine)
        np.testing.assert_array_equal(Volume.load(path).data, to_ipl(voxels, affine))


@pytest.mark.parametrize("axes", [[0, 1, 2], [2, 1, 0]])
def test_a_volume_is_never_held_twice(tmp_path: Path, rng: np.random.Generator, axes: list[int]) -> None:
    voxels = rng.integers(0, 1000, (96, 100, 104)).astype(np.int16)
    path = save(tmp_path / "volume.nii.gz", voxels, np.eye(4)[[*axes, 3]], scl_slope=0.5)

    def peak(read: Callable[[], np.ndarray]) -> int:
        read()  # what is imported on first use is no part of it
        tracemalloc.start()
        try:
            read()
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    theirs = peak(lambda: nibabel.load(path).get_fdata())
    assert peak(lambda: Volume.load(path).data) < 0.6 * theirs


@pytest.mark.parametrize("decoder", [streams.decoder, zlib])
def test_a_gzip_file_of_several_members(
    tmp_path: Path, voxels: np.ndarray, decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "decoder", decoder)
    content = save(tmp_path / "volume.nii", voxels).read_bytes()
    path = tmp_path / "volume.nii.gz"
    path.write_bytes(gzip.compress(content[:500]) + gzip.compress(content[500:]) + bytes(512))
    np.testing.assert_array_equal(Volume.load(path).data, to_ipl(voxels, np.eye(4)))


def test_what_is_not_finite_is_kept(tmp_path: Path) -> None:
    voxels = np.arange(24, dtype=np.float64).reshape(2, 3, 4)
    voxels[0, 0, :3] = np.nan, np.inf, -np.inf
    volume = Volume.load(save(tmp_path / "volume.nii.gz", voxels))
    np.testing.assert_array_equal(volume.data, to_ipl(voxels, np.eye(4)))
    (note,) = volume.notes
    assert note.startswith("3 voxels are NaN or infinite")
    assert volume.window.low == 3.0
    np.testing.assert_array_equal(volume.normalized[~np.isfinite(volume.data)], np.float32([0, 1, 0]))


@pytest.mark.parametrize(("value", "says"), [(np.nan, "No voxel is a number"), (5.0, "All voxels are 5")])
def test_a_volume_without_contrast_says_so(value: float, says: str, tmp_path: Path) -> None:
    volume = Volume.load(save(tmp_path / "volume.nii.gz", np.full((2, 3, 4), value)))
    assert volume.notes[0].startswith(says)
    assert not volume.normalized.any()


def test_intensities_beyond_single_precision_are_told(tmp_path: Path) -> None:
    volume = Volume.load(save(tmp_path / "volume.nii.gz", np.full((2, 2, 2), 1e300)))
    assert np.isposinf(volume.data).all()
    assert "single precision" in volume.notes[0]


class TestSeries:
    def test_time_comes_first_and_a_frame_shares_it(self, tmp_path: Path, rng: np.random.Generator) -> None:
        voxels = rng.normal(size=(*SHAPE, 3)).astype(np.float32)
        series = Volume.load(save(tmp_path / "sub-01_bold.nii.gz", voxels))
        assert (series.is_series, series.n_frames, series.data.shape) == (True, 3, (3, 7, 6, 5))
        frame = series.frame(1)
        np.testing.assert_array_equal(frame.data, to_ipl(voxels[..., 1], np.eye(4)))
        assert np.shares_memory(frame.data, series.data)
        assert (frame.n_frames, frame.is_series, frame.name) == (1, False, "sub-01_bold")
        assert frame.frame(0) is frame

    def test_there_is_no_other_frame(self, tmp_path: Path) -> None:
        series = Volume.load(save(tmp_path / "s.nii", np.zeros((2, 2, 2, 3), np.int16)))
        for frame in (3, -1):
            with pytest.raises(InputError, match="choose 0 to 2"):
                series.frame(frame)

    def test_a_series_has_no_window_of_its_own(self, tmp_path: Path) -> None:
        series = Volume.load(save(tmp_path / "s.nii", np.zeros((2, 2, 2, 3), np.int16)))
        for use in (lambda: series.window, lambda: series.normalized, lambda: series.to_intensities(1.0)):
            with pytest.raises(InputError, match="series of 3 volumes: choose one frame"):
                use()

    @pytest.mark.parametrize("shape", [(2, 3, 4, 1), (2, 3, 4, 1, 1), (2, 3, 4, 1, 5)])
    def test_axes_of_one_are_left_out_and_written_again(self, tmp_path: Path, shape: tuple[int, ...]) -> None:
        voxels = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
        volume = Volume.load(save(tmp_path / "volume.nii.gz", voxels))
        assert volume.data.shape == ((5, 4, 3, 2) if shape[-1] == 5 else (4, 3, 2))
        back = nibabel.load(volume.save_like(volume.data, tmp_path / "back.nii.gz"))
        assert back.shape == shape
        np.testing.assert_array_equal(back.get_fdata(), voxels)


class TestAffine:
    def test_a_file_without_orientation_says_so(self, tmp_path: Path, voxels: np.ndarray) -> None:
        path = save(tmp_path / "volume.nii", voxels, sform_code=0, qform_code=0)
        volume = Volume.load(path)
        np.testing.assert_array_equal(volume.affine, nibabel.load(path).affine)
        assert "No orientation in the header" in volume.notes[0]

    @pytest.mark.parametrize("bad", [0.0, np.nan, np.inf])
    def test_a_useless_sform_gives_way_to_the_qform(
        self, tmp_path: Path, voxels: np.ndarray, bad: float
    ) -> None:
        affine = np.diag([-2.0, 3, 4, 1])
        path = tmp_path / "volume.nii"
        image = nibabel.Nifti1Image(voxels, affine)
        image.set_qform(affine, code=1)
        nibabel.save(image, path)
        patch_header(path, srow_x=bad)
        volume = Volume.load(path)
        np.testing.assert_allclose(volume.affine, affine)
        assert any("sform" in note for note in volume.notes)
        written = nibabel.load(volume.save_like(volume.data, tmp_path / "written.nii"))
        np.testing.assert_allclose(written.affine, affine)

    @pytest.mark.parametrize("bad", [5.0, np.nan])
    def test_a_useless_qform_gives_way_to_the_voxel_size(
        self, tmp_path: Path, voxels: np.ndarray, bad: float
    ) -> None:
        path = save(
            tmp_path / "volume.nii",
            voxels,
            np.diag([2.0, 3, 4, 1]),
            sform_code=0,
            qform_code=1,
            quatern_b=bad,
        )
        volume = Volume.load(path)
        assert volume.spacing == (4.0, 3.0, 2.0)
        assert any("qform" in note for note in volume.notes)
        written = nibabel.load(volume.save_like(volume.data, tmp_path / "written.nii"))
        np.testing.assert_array_equal(written.affine, volume.affine)

    @pytest.mark.parametrize("bad", [0.0, np.nan, np.inf, -2.0])
    def test_a_voxel_size_that_is_no_length(self, tmp_path: Path, voxels: np.ndarray, bad: float) -> None:
        pixdim = [1, bad, 3, 4, 1, 1, 1, 1]
        path = save(tmp_path / "volume.nii", voxels, sform_code=0, qform_code=0, pixdim=pixdim)
        volume = Volume.load(path)
        assert volume.spacing == (4.0, 3.0, 2.0 if bad == -2 else 1.0)

    def test_a_singular_mgh_affine_gives_way_to_the_voxel_size(
        self, tmp_path: Path, voxels: np.ndarray
    ) -> None:
        path = tmp_path / "volume.mgh"
        image = nibabel.MGHImage(voxels, np.diag([2.0, 3, 4, 1]))
        image.header["Mdc"][:] = 1
        with path.open("wb") as file:
            image.header.writehdr_to(file)
            file.write(voxels.astype(">i2").tobytes(order="F"))
            image.header.writeftr_to(file)
        volume = Volume.load(path)
        assert volume.spacing == (4.0, 3.0, 2.0)
        assert "cannot be inverted" in volume.notes[0]


class TestLabels:
    def save_labels(self, path: Path, values: np.ndarray, intent: str = "none") -> Volume:
        image = nibabel.Nifti1Image(values, np.eye(4))
        image.header.set_intent(intent)
        nibabel.save(image, path)
        return Volume.load(path)

    @pytest.mark.parametrize(
        ("name", "intent", "is_label"),
        [
            ("sub-01_T1w", "none", False),
            ("sub-01_T1w", "label", True),
            ("sub-01_dseg", "none", True),
            ("sub-01_label-WM_mask", "none", True),
            ("patient07_lesions", "none", True),
            ("mask", "none", True),
            ("sub-01_DSEG", "none", True),
            ("sub-01_label-WM_probseg", "none", False),
            ("sub-mask_T1w", "none", False),
            ("maskedT1w", "none", False),
        ],
    )
    def test_intent_and_suffix_decide_and_not_the_type(
        self, tmp_path: Path, name: str, intent: str, is_label: bool
    ) -> None:
        for dtype in (np.uint8, np.float32):
            volume = self.save_labels(tmp_path / f"{name}.nii.gz", np.ones((2, 3, 4), dtype), intent)
            assert volume.is_label is is_label

    def test_a_mask_of_fractions_is_an_image(self, tmp_path: Path) -> None:
        assert not self.save_labels(tmp_path / "a_mask.nii", np.full((2, 3, 4), 0.3, np.float32)).is_label


class TestFromArray:
    def test_voxels_of_1_mm(self) -> None:
        data = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
        volume = Volume.from_array(data, name="made up")
        assert volume.data is data
        assert (volume.spacing, volume.name, volume.path, volume.header) == ((1, 1, 1), "made up", None, None)
        # One voxel further along I is 1 mm further down; along P, back; along L, to the left.
        np.testing.assert_array_equal(volume.ipl_affine[:3, 0], [0, 0, -1])
        np.testing.assert_array_equal(volume.ipl_affine[:3, 1], [0, -1, 0])
        np.testing.assert_array_equal(volume.ipl_affine[:3, 2], [-1, 0, 0])

    def test_the_affine_of_another_volume(self, tmp_path: Path, voxels: np.ndarray) -> None:
        volume = Volume.load(save(tmp_path / "volume.nii", voxels, np.diag([2.0, 3, 4, 1])))
        made = Volume.from_array(volume.data, volume.ipl_affine)
        np.testing.assert_array_equal(made.ipl_affine, volume.ipl_affine)
        path = made.save_like(made.data, tmp_path / "made.nii.gz")
        np.testing.assert_array_equal(Volume.load(path).data, volume.data)
        np.testing.assert_allclose(nibabel.load(path).affine, volume.ipl_affine)

    def test_a_series(self) -> None:
        series = Volume.from_array(np.zeros((3, 4, 5, 6)))
        assert (series.n_frames, series.frame(2).data.shape) == (3, (4, 5, 6))

    @pytest.mark.parametrize(
        ("data", "affine"),
        [
            (np.zeros((3, 4)), None),
            (np.zeros((0, 3, 4)), None),
            (np.zeros((2, 3, 4), complex), None),
            (np.zeros((2, 3, 4)), np.eye(4)),
            (np.zeros((2, 3, 4)), np.zeros((4, 4))),
        ],
    )
    def test_what_is_no_volume(self, data: np.ndarray, affine: np.ndarray | None) -> None:
        with pytest.raises(InputError):
            Volume.from_array(data, affine)


@pytest.mark.parametrize(
    ("code", "mm"), [(0, 1.0), (1, 1e3), (2, 1.0), (3, 1e-3), (2 | 8, 1.0), (5, 1.0), (63, 1.0)]
)
def test_lengths_are_in_mm_whatever_the_unit_of_the_file(tmp_path: Path, code: int, mm: float) -> None:
    # NIfTI's own codes: 1 m, 2 mm, 3 um, 8 s; 5 and 63 are none of the standard's.
    affine = np.diag([2.0, 3.0, 4.0, 1.0])
    path = save(tmp_path / "v.nii", np.ones(SHAPE, np.int16), affine, xyzt_units=code)
    volume = Volume.load(path)
    np.testing.assert_allclose(volume.spacing, np.multiply((4, 3, 2), mm))
    np.testing.assert_array_equal(volume.affine, affine)
    corner = volume.ipl_affine @ [SHAPE[2] - 1, SHAPE[1] - 1, SHAPE[0] - 1, 1]
    np.testing.assert_allclose(corner, [0, 0, 0, 1], atol=1e-9)
    written = nibabel.load(volume.save_like(volume.data, tmp_path / "again.nii"))
    np.testing.assert_array_equal(written.affine, affine)
    assert int(written.header["xyzt_units"]) == code
    # FreeSurfer's format has mm alone.
    copied = Volume.load(volume.save_like(volume.data, tmp_path / "again.mgz"))
    np.testing.assert_allclose(copied.spacing, volume.spacing, rtol=1e-6)
    np.testing.assert_allclose(copied.ipl_affine, volume.ipl_affine, atol=1e-6)

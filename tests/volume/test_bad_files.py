"""Whatever is wrong with a file, the user reads one sentence."""

import contextlib
import gzip
import os
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest

from napari_mri_cae.errors import InputError
from napari_mri_cae.volume import Volume, opening

Make = Callable[[Path], Path]


def good(folder: Path, name: str = "good.nii.gz", shape: tuple[int, ...] = (20, 21, 22)) -> Path:
    voxels = np.random.default_rng(0).integers(0, 1000, shape).astype(np.int16)
    image_class = nibabel.MGHImage if name.endswith((".mgh", ".mgz")) else nibabel.Nifti1Image
    nibabel.save(image_class(voxels, np.eye(4)), folder / name)
    return folder / name


def cut(name: str, keep: float) -> Make:
    def make(folder: Path) -> Path:
        path = good(folder, name)
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
        return path

    return make


def content(name: str, data: bytes) -> Make:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(data)
        return folder / name

    return make


def typed(dtype: object, shape: tuple[int, ...] = (2, 3, 4)) -> Make:
    def make(folder: Path) -> Path:
        image = nibabel.Nifti1Image(np.zeros(shape, dtype), np.eye(4))
        nibabel.save(image, folder / "typed.nii.gz")
        return folder / "typed.nii.gz"

    return make


def claim(suffix: str, dimensions: tuple[int, ...]) -> Make:
    """Write a header that claims these voxels, and next to nothing after it."""

    def make(folder: Path) -> Path:
        header = nibabel.Nifti2Header()
        header.set_data_dtype(np.float32)
        header["dim"][: len(dimensions) + 1] = (len(dimensions), *dimensions)
        header["vox_offset"] = 544
        data = header.binaryblock + bytes(4 + 4000)
        path = folder / f"claim{suffix}"
        path.write_bytes(gzip.compress(data) if suffix.endswith(".gz") else data)
        return path

    return make


def damaged(folder: Path) -> Path:
    path = good(folder)
    data = bytearray(path.read_bytes())
    data[-6] ^= 0xFF  # in the checksum: every voxel can be decoded, and one cannot know whether it is right
    path.write_bytes(data)
    return path


def half_a_pair(folder: Path) -> Path:
    path = good(folder, "pair.img")
    path.unlink()
    return folder / "pair.hdr"


def nameless_data_type(folder: Path) -> Path:
    path = good(folder, "type.nii")
    data = bytearray(path.read_bytes())
    data[70:72] = (9999).to_bytes(2, "little")
    path.write_bytes(data)
    return path


def surface(folder: Path) -> Path:
    path = folder / "surface.dscalar.nii"
    axes = (
        nibabel.cifti2.ScalarAxis(["a"]),
        nibabel.cifti2.BrainModelAxis.from_mask(np.ones(4, bool), name="other"),
    )
    nibabel.save(nibabel.Cifti2Image(np.zeros((1, 4), np.float32), axes), path)
    return path


BAD = {
    "truncated gzip": (cut("cut.nii.gz", 0.6), "ends before its voxels do"),
    "gzip cut in its header": (cut("cut.nii.gz", 0.005), "damaged"),
    "gzip without its checksum": (cut("cut.nii.gz", 0.9999), "ends before its voxels do"),
    "truncated mgz": (cut("cut.mgz", 0.6), "cut.mgz"),
    "truncated nii": (cut("cut.nii", 0.6), "too small for the 20 x 21 x 22 voxels"),
    "damaged gzip": (damaged, "good.nii.gz is damaged: copy or download it again"),
    "text": (content("text.nii", b"This is my shopping list.\n" * 40), "text.nii is not what its name says"),
    "short text": (content("text.nii", b"milk\n"), "text.nii is not what its name says"),
    "text called gzip": (content("text.nii.gz", b"milk\n" * 500), "not compressed by gzip"),
    "gzipped text": (content("text.nii.gz", gzip.compress(b"milk\n" * 500)), "not what its name says"),
    "text called mgz": (content("text.mgz", gzip.compress(b"milk\n" * 500)), "text.mgz"),
    "text called minc": (content("text.mnc", b"milk\n" * 500), "text.mnc"),
    "gzip called nii": (lambda folder: good(folder).rename(folder / "a.nii"), "rename it to a.nii.gz"),
    "2-D image": (typed(np.int16, (5, 6)), r"2-D image \(5 x 6\)"),
    "6-D image": (typed(np.int16, (2, 2, 2, 2, 1, 2)), "6 axes"),
    "complex": (typed(np.complex64), "complex numbers"),
    "RGB": (typed([("R", "u1"), ("G", "u1"), ("B", "u1")]), "colour image"),
    "10^12 voxels": (claim(".nii", (10_000, 10_000, 10_000)), "too small for the 10000 x 10000 x 10000"),
    "10^12 voxels, gzip": (claim(".nii.gz", (10_000, 10_000, 10_000)), "too small for the 10000 x 10000"),
    "10^12 voxels, bzip2": (claim(".nii.bz2", (10_000, 10_000, 10_000)), "claim.nii.bz2"),
    "10^57 voxels": (claim(".nii", (2**62, 2**62, 2**62)), "too small for the"),
    "no voxels": (claim(".nii", (0, 4, 4)), "no voxels"),
    "fewer than no voxels": (claim(".nii", (-3, 4, 4)), "no voxels"),
    "half a pair": (half_a_pair, "without pair.img"),
    "a type of voxel that nobody knows": (nameless_data_type, "type.nii cannot be read as a volume"),
    "surface": (surface, "no volume on a grid"),
    "folder": (lambda folder: folder, "is a folder"),
    "folder called nii": (lambda folder: (folder / "a.nii").mkdir() or folder / "a.nii", "is a folder"),
    "missing": (lambda folder: folder / "nothing.nii", "There is no file"),
    "empty": (content("empty.nii.gz", b""), "empty.nii.gz is empty"),
    "another kind": (content("picture.png", b"\x89PNG"), "of no kind that can be opened"),
    "no suffix": (content("volume", b"abc"), "of no kind that can be opened"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_sentence(tmp_path: Path, case: str, capfd: pytest.CaptureFixture[str]) -> None:
    make, expected = BAD[case]
    path = make(tmp_path)
    with pytest.raises(InputError, match=expected) as caught:
        Volume.load(path)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    assert len(sentence) < 250 + len(str(path))
    # nibabel reports on headers by a handler of its own.
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="whoever is root may read everything"
)
def test_a_file_without_read_permission(tmp_path: Path) -> None:
    path = good(tmp_path)
    path.chmod(0)
    with pytest.raises(InputError, match="may not be read"):
        Volume.load(path)


def test_a_file_that_the_system_refuses_to_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = good(tmp_path)

    def refuse(self: Path, *args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InputError, match="may not be read: ask for read permission"):
        Volume.load(path)


def test_a_volume_larger_than_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = good(tmp_path)
    monkeypatch.setattr(opening.os, "sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 2}.__getitem__)
    with pytest.raises(InputError, match="of memory"):
        Volume.load(path)


@pytest.mark.parametrize("case", range(60))
def test_a_header_of_random_bytes_never_raises_anything_else(tmp_path: Path, case: int) -> None:
    rng = np.random.default_rng(case)
    data = bytearray(good(tmp_path, "good.nii", (4, 5, 6)).read_bytes())
    for position in rng.integers(0, 344, 1 + case // 4):
        data[position] = rng.integers(256)
    path = tmp_path / "random.nii"
    path.write_bytes(data)
    # Whatever else is raised fails the test.
    with contextlib.suppress(InputError):
        volume = Volume.load(path)
        assert np.isfinite(volume.affine).all()
        assert np.isfinite(volume.frame(0).normalized).all()

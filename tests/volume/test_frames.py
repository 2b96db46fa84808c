"""The frames of a series are read when they are looked at."""

from pathlib import Path

import nibabel
import numpy as np
import pytest

from napari_mri_cae.errors import InputError
from napari_mri_cae.volume import Frames, Volume
from napari_mri_cae.volume.reading import Slabs

AFFINE = np.array([[-2.0, 0, 0, 1], [0, 0, 1.5, 2], [0, 1.0, 0, 3], [0, 0, 0, 1]])


@pytest.fixture
def voxels(rng: np.random.Generator) -> np.ndarray:
    """Five frames of noise that hardly compresses, so that every frame takes its share of the file."""
    return rng.integers(-3000, 3000, (9, 8, 7, 5)).astype(np.int16)


def save(path: Path, voxels: np.ndarray) -> Path:
    image = nibabel.Nifti1Image(voxels, AFFINE)
    image.header.set_slope_inter(0.5, -3)
    nibabel.save(image, path)
    return path


def expected(voxels: np.ndarray) -> np.ndarray:
    image = nibabel.as_closest_canonical(nibabel.Nifti1Image(voxels, AFFINE))
    ras = np.asarray(image.dataobj)
    return np.moveaxis(ras[::-1, ::-1, ::-1] * np.float32(0.5) - 3, -1, 0).transpose(0, 3, 2, 1)


def loaded(path: Path) -> tuple[Volume, Frames]:
    volume = Volume.load(path)
    assert isinstance(volume.frames, Frames)
    return volume, volume.frames


def test_of_a_plain_file_only_the_frames_that_are_looked_at_are_read(tmp_path, voxels) -> None:
    volume, frames = loaded(save(tmp_path / "s.nii", voxels))
    assert (frames.n_read, volume.shape, repr(volume)[:28]) == (
        0,
        (5, 8, 7, 9),
        "Volume('s', 5 x 8 x 7 x 9, 1",
    )
    np.testing.assert_array_equal(volume.frame(3).data, expected(voxels)[3])
    assert frames.n_read == 1
    np.testing.assert_array_equal(frames[1, 2:4, ::2], expected(voxels)[1, 2:4, ::2])
    assert frames.n_read == 2
    assert np.shares_memory(volume.frame(3).data, volume.data)
    np.testing.assert_array_equal(volume.data, expected(voxels))


def test_a_compressed_file_is_read_up_to_the_frame_and_no_further(tmp_path, voxels) -> None:
    volume, frames = loaded(save(tmp_path / "s.nii.gz", voxels))
    for t, n_read in ((0, 1), (2, 3), (1, 3), (4, 5)):
        np.testing.assert_array_equal(volume.frame(t).data, expected(voxels)[t])
        assert frames.n_read == n_read


@pytest.mark.parametrize(
    "key", [..., 2, -1, slice(1, 3), [4, 0], (slice(None), 3), (..., 0), (None, 1), np.arange(5) > 2]
)
def test_it_is_indexed_like_an_array(tmp_path, voxels, key) -> None:
    _, frames = loaded(save(tmp_path / "s.nii.gz", voxels))
    np.testing.assert_array_equal(frames[key], expected(voxels)[key])
    assert (len(frames), frames.ndim, frames.size) == (5, 4, voxels.size)
    np.testing.assert_array_equal(np.asarray(frames), expected(voxels))
    np.testing.assert_array_equal(np.stack(list(frames)), expected(voxels))
    with pytest.raises(IndexError):
        frames[5]


def test_a_file_that_ends_early_still_has_the_frames_before(tmp_path, voxels) -> None:
    path = save(tmp_path / "s.nii.gz", voxels)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    volume, _ = loaded(path)
    np.testing.assert_array_equal(volume.frame(1).data, expected(voxels)[1])
    for _ in range(2):
        with pytest.raises(InputError, match="ends before its voxels do"):
            volume.frame(4)


def test_intensities_beyond_single_precision_are_told_with_their_frame(tmp_path) -> None:
    voxels = np.zeros((2, 2, 2, 3))
    voxels[..., 1] = 1e300
    path = tmp_path / "s.nii"
    nibabel.save(nibabel.Nifti1Image(voxels, AFFINE), path)
    volume, _ = loaded(path)
    assert "single precision" not in " ".join(volume.frame(0).notes)
    assert "single precision" in volume.frame(1).notes[0]


def test_frames_of_a_bzip2_stream(tmp_path, voxels) -> None:
    _, frames = loaded(save(tmp_path / "s.nii.bz2", voxels))
    np.testing.assert_array_equal(frames[1], expected(voxels)[1])
    np.testing.assert_array_equal(frames.all(), expected(voxels))


def test_a_stream_that_was_interrupted_within_a_frame_is_read_anew(tmp_path, voxels, monkeypatch) -> None:
    _, frames = loaded(save(tmp_path / "s.nii.gz", voxels))
    read, calls = Slabs.read, []

    def interrupted(self, stream, frame) -> None:
        calls.append(frame)
        if calls == [0, 1]:
            stream.readinto(memoryview(bytearray(7)))
            raise KeyboardInterrupt
        read(self, stream, frame)

    monkeypatch.setattr(Slabs, "read", interrupted)
    with pytest.raises(KeyboardInterrupt):
        frames[2]
    np.testing.assert_array_equal(frames[2], expected(voxels)[2])
    np.testing.assert_array_equal(frames[1], expected(voxels)[1])


def test_a_damaged_end_is_told_every_time(tmp_path, voxels) -> None:
    path = save(tmp_path / "s.nii.gz", voxels)
    content = bytearray(path.read_bytes())
    content[-8] ^= 1  # of the checksum
    path.write_bytes(content)
    _, frames = loaded(path)
    for _ in range(2):
        with pytest.raises(InputError, match="is damaged"):
            frames.all()

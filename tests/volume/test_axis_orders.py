"""A left-right mistake is the worst bug this software can have: marked volumes, in every axis order."""

import itertools
from pathlib import Path

import nibabel
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hypothesis_numpy
from nibabel.affines import apply_affine

from napari_mri_cae.volume import Volume
from napari_mri_cae.volume.orientation import Orientation

# Every order of the three axes, each of them in both directions.
AXIS_ORDERS = [
    "".join(letters)
    for pairs in itertools.permutations(("LR", "PA", "IS"))
    for letters in itertools.product(*pairs)
]

# 9 voxels of 2 mm from left to right, 7 of 3 mm from back to front, 5 of 4 mm from bottom to top, around 0.
STEP = {"LR": 2.0, "PA": 3.0, "IS": 4.0}
COUNT = {"LR": 9, "PA": 7, "IS": 5}

# RAS mm: the first is 6 mm to the patient's right.
MARKS = {100: (6.0, 0.0, 0.0), 200: (0.0, 6.0, 0.0), 300: (0.0, 0.0, 4.0)}

# Counted by hand from the top, the front and the patient's right: each mark is one voxel from its border.
IPL_PLACES = {100: [2, 3, 1], 200: [2, 1, 4], 300: [1, 3, 4]}


def marked_file(folder: Path, axis_order: str) -> Path:
    """Write, with nibabel alone, a volume marked at the patient's right, front and top."""
    affine, shape = np.diag([0.0, 0, 0, 1]), []
    for axis, letter in enumerate(axis_order):
        pair = next(pair for pair in STEP if letter in pair)
        step = STEP[pair] if letter == pair[1] else -STEP[pair]
        row = list(STEP).index(pair)
        affine[row, axis] = step
        affine[row, 3] = -step * (COUNT[pair] - 1) / 2
        shape.append(COUNT[pair])
    voxels = np.zeros(shape, np.int16)
    for value, place in MARKS.items():
        voxels[file_index(affine, place)] = value
    path = folder / f"{axis_order}.nii.gz"
    nibabel.save(nibabel.Nifti1Image(voxels, affine), path)
    assert "".join(nibabel.aff2axcodes(nibabel.load(path).affine)) == axis_order
    return path


def file_index(affine: np.ndarray, place: tuple[float, ...]) -> tuple[int, ...]:
    """Return the voxel that lies at a place in RAS mm."""
    index = np.linalg.solve(affine, [*place, 1.0])[:3]
    np.testing.assert_allclose(index, np.rint(index), atol=1e-4)
    return tuple(int(i) for i in np.rint(index))


def test_there_are_48_axis_orders() -> None:
    assert len(set(AXIS_ORDERS)) == 48


@pytest.mark.parametrize("axis_order", AXIS_ORDERS)
def test_marks_are_read_and_written_in_their_places(tmp_path: Path, axis_order: str) -> None:
    path = marked_file(tmp_path, axis_order)
    volume = Volume.load(path)
    assert volume.file_axes == axis_order
    assert volume.data.shape == (5, 7, 9)
    assert volume.spacing == (4.0, 3.0, 2.0)
    assert volume.data.dtype == np.float32
    assert volume.data.flags.c_contiguous
    for value, place in IPL_PLACES.items():
        assert np.argwhere(volume.data == value).tolist() == [place]
        np.testing.assert_allclose(apply_affine(volume.ipl_affine, place), MARKS[value], atol=1e-6)

    for suffix in (".nii", ".nii.gz", ".mgz"):
        written = nibabel.load(volume.save_like(volume.data + 1, tmp_path / f"written{suffix}"))
        np.testing.assert_allclose(written.affine, nibabel.load(path).affine, atol=1e-6)
        voxels = np.asanyarray(written.dataobj)
        for value, place in MARKS.items():
            assert voxels[file_index(written.affine, place)] == value + 1
            assert np.count_nonzero(voxels == value + 1) == 1


@pytest.mark.parametrize("axis_order", ["RAS", "PSR", "SLA", "IPL"])
def test_frames_of_a_series_are_oriented_alike(tmp_path: Path, axis_order: str) -> None:
    image = nibabel.load(marked_file(tmp_path, axis_order))
    voxels = np.asanyarray(image.dataobj)
    series = np.stack([voxels, voxels + 1, voxels * 2], axis=3)
    path = tmp_path / "series.nii.gz"
    nibabel.save(nibabel.Nifti1Image(series, image.affine), path)
    volume = Volume.load(path)
    assert volume.data.shape == (3, 5, 7, 9)
    assert volume.data[(1, *IPL_PLACES[100])] == 101
    assert volume.data[(2, *IPL_PLACES[300])] == 600
    back = nibabel.load(volume.save_like(volume.data, tmp_path / "back.nii.gz"))
    np.testing.assert_array_equal(back.get_fdata(), series)


@st.composite
def affines(draw: st.DrawFn) -> np.ndarray:
    """Draw an affine that turns, stretches and shears, and can be inverted."""
    quaternion = draw(hypothesis_numpy.arrays(float, 4, elements=st.floats(-1, 1)))
    if np.linalg.norm(quaternion) < 0.1:
        quaternion = np.array([1.0, 0, 0, 0])
    rotation = nibabel.quaternions.quat2mat(quaternion)
    shear = np.eye(3)
    shear[np.triu_indices(3, 1)] = draw(hypothesis_numpy.arrays(float, 3, elements=st.floats(-0.3, 0.3)))
    zooms = draw(hypothesis_numpy.arrays(float, 3, elements=st.floats(0.25, 8)))
    mirror = draw(st.sampled_from([-1.0, 1.0]))
    affine = np.eye(4)
    affine[:3, :3] = rotation @ shear @ np.diag(zooms) * mirror
    affine[:3, 3] = draw(hypothesis_numpy.arrays(float, 3, elements=st.floats(-200, 200)))
    return affine


@given(affine=affines(), shape=st.tuples(*[st.integers(1, 6)] * 3))
def test_every_voxel_stays_at_its_place_in_the_room(affine: np.ndarray, shape: tuple[int, int, int]) -> None:
    orientation = Orientation.of(affine)
    ipl_affine = orientation.ipl_affine(affine, shape)
    file_places = apply_affine(affine, np.moveaxis(np.indices(shape), 0, -1))
    ipl_indices = np.moveaxis(np.indices(orientation.ipl_shape(shape)), 0, -1)
    for axis in range(3):
        np.testing.assert_allclose(
            orientation.to_ipl(file_places[..., axis]),
            apply_affine(ipl_affine, ipl_indices)[..., axis],
            atol=1e-8,
        )
        np.testing.assert_array_equal(
            orientation.to_file(orientation.to_ipl(file_places[..., axis])), file_places[..., axis]
        )


@given(turn=st.tuples(*[st.floats(-0.4, 0.4)] * 3), axis_order=st.sampled_from(AXIS_ORDERS))
def test_an_oblique_volume_keeps_its_nearest_axes(turn: tuple[float, ...], axis_order: str) -> None:
    straight = nibabel.orientations.inv_ornt_aff(nibabel.orientations.axcodes2ornt(axis_order), (4, 5, 6))
    oblique = nibabel.affines.from_matvec(nibabel.eulerangles.euler2mat(*turn)) @ straight
    assert Orientation.of(oblique) == Orientation.of(straight)
    # Whatever the tilt, I, P and L each run mostly down, back and to the left.
    columns = Orientation.of(oblique).ipl_affine(oblique, (4, 5, 6))[:3, :3]
    assert np.abs(columns).argmax(axis=0).tolist() == [2, 1, 0]
    assert (columns[[2, 1, 0], [0, 1, 2]] < 0).all()


@pytest.mark.parametrize("shear", [0.0, 0.2])
def test_an_oblique_file_is_written_back_obliquely(
    tmp_path: Path, rng: np.random.Generator, shear: float
) -> None:
    affine = nibabel.affines.from_matvec(
        nibabel.eulerangles.euler2mat(0.3, -0.2, 0.1) @ np.array([[0.9, shear, 0], [0, 1.1, 0], [0, 0, 2.0]]),
        [-7.5, 11.25, 3.0],
    )
    path = tmp_path / "oblique.nii.gz"
    voxels = rng.normal(size=(4, 5, 6)).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(voxels, affine), path)
    volume = Volume.load(path)
    assert any("oblique" in note for note in volume.notes)
    written = nibabel.load(volume.save_like(volume.data, tmp_path / "written.nii.gz"))
    source = nibabel.load(path)
    np.testing.assert_array_equal(written.affine, source.affine)
    np.testing.assert_array_equal(written.get_fdata(), source.get_fdata())
    np.testing.assert_array_equal(volume.affine, source.affine)

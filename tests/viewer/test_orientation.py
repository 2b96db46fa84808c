"""Left stays left: marked volumes in every axis order, through file, volume, layer and real pixels."""

from itertools import permutations, product
from pathlib import Path

import napari
import nibabel as nib
import numpy as np
import numpy.typing as npt
import pytest
from napari.components import ViewerModel
from nibabel.orientations import apply_orientation, axcodes2ornt, inv_ornt_aff, io_orientation, ornt_transform

from napari_mri_cae.viewer.layers import spatial_attributes, volume_layer
from napari_mri_cae.viewer.orientation import ORDERS, PlaneView
from napari_mri_cae.volume import Volume

AXIS_ORDERS = ["".join(letters) for order in permutations(("RL", "AP", "SI")) for letters in product(*order)]
# A blob on the patient's left, a brighter one anterior, the brightest superior: three sizes of one alphabet,
# so that no flip, swap or rotation of them is mistaken for another.
MARKS = {"L": (1000.0, (-1, 0, 0)), "A": (2000.0, (0, 1, 0)), "S": (3000.0, (0, 0, 1))}


def marked_image(axis_order: str) -> nib.Nifti1Image:
    """Return a head with marks at known places in space, stored in `axis_order`."""
    shape = np.array((25, 29, 33))
    ras = np.zeros(shape, np.float32)
    centre = (shape - 1) // 2
    for value, direction in MARKS.values():
        at = centre + np.array(direction) * 8
        ras[tuple(slice(one - 2, one + 3) for one in at)] = value
    affine = np.diag([1.0, 1.5, 2.0, 1.0])
    affine[:3, 3] = (-11, -20, -30)
    change = ornt_transform(io_orientation(affine), axcodes2ornt(axis_order))
    return nib.Nifti1Image(apply_orientation(ras, change), affine @ inv_ornt_aff(change, ras.shape))


def load(axis_order: str, folder: Path) -> Volume:
    path = folder / f"{axis_order}.nii"
    nib.save(marked_image(axis_order), path)
    return Volume.load(path)


def centre_of(image: npt.NDArray[np.floating], value: float) -> npt.NDArray[np.float64]:
    return np.argwhere(np.abs(image - value) < 1).mean(axis=0)


def on_canvas(viewer: ViewerModel, world: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return where the camera puts world points: (right, up, towards the eye)."""
    camera, dims = viewer.scene.camera, viewer.dims
    points = np.atleast_2d(np.asarray(world, dtype=float))[:, list(dims.displayed)]
    if dims.ndisplay == 2:
        _, vertical, horizontal = map(str, camera.orientation)
        right = points[:, 1] * (1 if horizontal == "right" else -1)
        return np.column_stack([right, points[:, 0] * (1 if vertical == "up" else -1)])
    # A camera that is not right-handed draws its columns the other way round.
    view, up = np.array(camera.view_direction), np.array(camera.up_direction)
    right = np.cross(view, up) * (1 if str(camera.handedness) == "right" else -1)
    return np.column_stack([points @ right, points @ up, -points @ view])


@pytest.mark.parametrize("axis_order", AXIS_ORDERS)
def test_slices_lie_as_the_rule_says_in_all_48_axis_orders(axis_order: str, tmp_path: Path) -> None:
    volume = load(axis_order, tmp_path)
    data, kwargs, _ = volume_layer(volume)
    viewer = ViewerModel()
    layer = viewer.add_image(data, **kwargs)
    view = PlaneView(viewer)
    view.apply()
    middle = np.array([layer.data_to_world((np.array(data.shape) - 1) // 2)])
    marks = {
        letter: np.array([layer.data_to_world(centre_of(data, value))])
        for letter, (value, _) in MARKS.items()
    }
    # By the file's own affine the marks are where their letters say.
    ijk = {
        letter: centre_of(nib.load(volume.path).get_fdata(), value) for letter, (value, _) in MARKS.items()
    }
    place = {letter: nib.affines.apply_affine(volume.affine, index) for letter, index in ijk.items()}
    assert place["L"][0] < place["A"][0]
    assert place["A"][1] > place["L"][1]
    assert place["S"][2] > place["L"][2]

    for plane, convention in product(ORDERS, ("radiological", "neurological")):
        view.plane, view.convention = plane, convention
        moved = {
            letter: (on_canvas(viewer, mark) - on_canvas(viewer, middle))[0] for letter, mark in marks.items()
        }
        left = 8.0 if convention == "radiological" else -8.0
        expected = {
            "axial": {"L": (left, 0), "A": (0, 12), "S": (0, 0)},
            "coronal": {"L": (left, 0), "A": (0, 0), "S": (0, 16)},
            "sagittal": {"L": (0, 0), "A": (-12, 0), "S": (0, 16)},
        }[plane]
        for letter, where in expected.items():
            np.testing.assert_allclose(
                moved[letter], where, atol=0.01, err_msg=f"{plane} {convention} {letter}"
            )

    viewer.dims.ndisplay = 3
    for convention in ("radiological", "neurological"):
        view.convention = convention
        assert str(viewer.scene.camera.handedness) == "right"
        left, anterior, superior = (
            (on_canvas(viewer, marks[letter]) - on_canvas(viewer, middle))[0] for letter in "LAS"
        )
        # Anterior x left = superior of every head that is not mirrored, however it is turned.
        assert np.dot(np.cross(anterior, left), superior) > 0
        side = 1 if convention == "radiological" else -1
        assert left[0] * side > 5
        assert anterior[1] > 5
        # Seen from the feet superior is far away, seen from above it is near.
        assert superior[2] * side < -5


def looked_at(viewer: napari.Viewer) -> npt.NDArray[np.int64]:
    shot = viewer.screenshot(canvas_only=True, flash=False, size=(240, 240))
    return shot[..., :3].astype(int)


def blob(picture: npt.NDArray[np.int64], channel: int) -> npt.NDArray[np.float64]:
    """Return (right, up) of the pixels of one colour, from the picture's centre."""
    others = [one for one in range(3) if one != channel]
    where = np.argwhere((picture[..., channel] > 120) & (picture[..., others].max(axis=-1) < 90))
    assert len(where), f"nothing of colour {channel} in the picture"
    row, column = where.mean(axis=0)
    return np.array([column - picture.shape[1] / 2, picture.shape[0] / 2 - row])


def add_marks(viewer: napari.Viewer, volume: Volume) -> None:
    """Show each mark as a layer of its own colour: left red, anterior green, superior blue."""
    data, kwargs, _ = volume_layer(volume)
    source = viewer.add_image(data, **kwargs)
    for colour, (value, _) in zip(("red", "green", "blue"), MARKS.values(), strict=True):
        only = (np.abs(data - value) < 1).astype(np.float32)
        viewer.add_image(
            only, **spatial_attributes(source), colormap=colour, blending="additive", contrast_limits=(0, 1)
        )
    source.visible = False


@pytest.mark.parametrize("axis_order", ["LPS", "RAS", "SAL", "PIR"])
def test_the_pixels_of_a_real_window_agree(make_napari_viewer, axis_order: str, tmp_path: Path) -> None:
    viewer = make_napari_viewer(show=True)
    add_marks(viewer, load(axis_order, tmp_path))
    view = PlaneView(viewer)
    view.apply()
    middle = [(length - 1) // 2 for length in viewer.layers[0].data.shape]
    for convention, side in (("radiological", 1), ("neurological", -1)):
        view.convention = convention
        view.plane = "axial"
        viewer.dims.current_step = middle
        picture = looked_at(viewer)
        right, up = blob(picture, 0)
        assert right * side > 15
        assert abs(up) < 15
        assert blob(picture, 1)[1] > 15

        view.plane = "coronal"
        viewer.dims.current_step = middle
        picture = looked_at(viewer)
        assert blob(picture, 0)[0] * side > 15
        assert blob(picture, 2)[1] > 15

        view.plane = "sagittal"
        viewer.dims.current_step = middle
        picture = looked_at(viewer)
        assert blob(picture, 1)[0] < -15
        assert blob(picture, 2)[1] > 15


@pytest.mark.parametrize("convention", ["radiological", "neurological"])
def test_a_head_rendered_in_3d_is_no_mirror_image(
    make_napari_viewer, convention: str, tmp_path: Path
) -> None:
    viewer = make_napari_viewer(show=True)
    add_marks(viewer, load("LAS", tmp_path))
    view = PlaneView(viewer, "coronal", convention)
    view.apply()
    viewer.dims.ndisplay = 3
    assert viewer.dims.order == (0, 1, 2)
    # Look a standing patient in the face: their left is on our right, whatever the convention.
    viewer.scene.camera.set_view_direction(view_direction=(0, 1, 0), up_direction=(-1, 0, 0))
    viewer.fit_to_view()
    picture = looked_at(viewer)
    assert blob(picture, 0)[0] > 15
    assert blob(picture, 2)[1] > 15
    # And from behind it is on our left.
    viewer.scene.camera.set_view_direction(view_direction=(0, -1, 0), up_direction=(-1, 0, 0))
    picture = looked_at(viewer)
    assert blob(picture, 0)[0] < -15
    assert blob(picture, 2)[1] > 15


def letters(viewer: ViewerModel) -> str:
    overlays = viewer.canvas.overlays
    return "".join(
        overlays[key].text if overlays[key].visible else "-"
        for key in ("mri_cae_left", "mri_cae_right", "mri_cae_top", "mri_cae_bottom")
    )


@pytest.fixture
def viewer() -> ViewerModel:
    model = ViewerModel()
    model.add_image(np.zeros((4, 5, 6), np.float32))
    return model


def test_letters_tell_what_is_on_each_side(viewer: ViewerModel) -> None:
    view = PlaneView(viewer)
    view.apply()
    assert letters(viewer) == "RLAP"
    view.convention = "neurological"
    assert letters(viewer) == "LRAP"
    view.plane = "coronal"
    assert letters(viewer) == "LRSI"
    view.plane = "sagittal"
    assert letters(viewer) == "APSI"
    view.orientation_known = False
    assert letters(viewer) == "A?P?S?I?"
    viewer.dims.ndisplay = 3
    assert letters(viewer) == "----"


def test_what_the_user_does_by_hand_is_followed_or_said(viewer: ViewerModel) -> None:
    view = PlaneView(viewer)
    heard: list[tuple[str | None, str]] = []
    view.changed.connect(lambda *now: heard.append(now))
    view.apply()
    assert heard.pop() == ("axial", "Axial, radiological: anterior is up, the patient's right on your left.")

    viewer.dims.roll()
    assert heard.pop()[0] == view.plane == "sagittal"
    viewer.dims.transpose()
    plane, sentence = heard.pop()
    assert plane is view.shown is None
    assert "by hand" in sentence
    assert letters(viewer) == "SIAP"

    view.plane = "coronal"
    assert heard.pop()[0] == "coronal"
    viewer.scene.camera.orientation = ("away", "down", "left")
    assert view.convention == "neurological"
    assert heard.pop()[0] == "coronal"
    viewer.scene.camera.orientation = ("towards", "up", "right")
    assert heard.pop()[0] is None
    assert letters(viewer) == "RLIS"
    view.plane = "coronal"
    assert heard.pop()[0] == "coronal"
    assert not any(plane is None for plane, _ in heard)


def test_3d_keeps_the_axes_in_order_and_2d_comes_back_to_the_plane(viewer: ViewerModel) -> None:
    view = PlaneView(viewer, "coronal")
    heard: list[tuple[str | None, str]] = []
    view.changed.connect(lambda *now: heard.append(now))
    view.apply()
    viewer.dims.ndisplay = 3
    assert viewer.dims.order == (0, 1, 2)
    viewer.dims.transpose()
    assert viewer.dims.order == (0, 1, 2)
    assert "mirror" in heard[-1][1]
    viewer.dims.ndisplay = 2
    assert viewer.dims.order == (1, 0, 2)
    assert view.shown == "coronal"


def test_time_stays_in_front(viewer: ViewerModel) -> None:
    view = PlaneView(viewer, "sagittal")
    view.apply()
    viewer.add_image(np.zeros((3, 4, 5, 6), np.float32))
    assert viewer.dims.order == (0, 3, 1, 2)
    view.plane = "coronal"
    assert viewer.dims.order == (0, 2, 1, 3)
    assert letters(viewer) == "RLSI"
    viewer.layers.pop()
    assert viewer.dims.order == (1, 0, 2)
    viewer.layers.clear()
    assert view.shown is None
    assert letters(viewer) == "----"
    viewer.add_image(np.zeros((4, 5, 6), np.float32))
    assert view.shown == "coronal"
    assert viewer.dims.order == (1, 0, 2)


def test_restore_gives_back_what_the_user_had(viewer: ViewerModel) -> None:
    viewer.dims.order = (2, 1, 0)
    viewer.scene.camera.orientation = ("away", "up", "left")
    camera, overlays = viewer.scene.camera.orientation, dict(viewer.canvas.overlays)
    view = PlaneView(viewer, "coronal", "neurological")
    view.apply()
    view.apply()
    assert viewer.dims.order == (1, 0, 2)
    view.restore()
    assert viewer.dims.order == (2, 1, 0)
    assert viewer.scene.camera.orientation == camera
    assert dict(viewer.canvas.overlays) == overlays
    viewer.dims.roll()
    assert not view.is_applied
    view.restore()


def test_letters_stand_in_every_panel_and_leave_no_trace(make_napari_viewer) -> None:
    viewer = make_napari_viewer(show=True)
    for _ in range(4):
        viewer.add_image(np.zeros((20, 20, 20), np.float32), contrast_limits=(0, 1))
    viewer.canvas.grid.shape = (2, 2)
    viewer.canvas.grid.enabled = True

    def lit() -> list[bool]:
        shot = viewer.screenshot(canvas_only=True, flash=False, size=(400, 400))
        picture = shot[..., :3].max(axis=-1)
        halves = (picture[:200], picture[200:])
        return [bool((part > 200).sum() > 20) for half in halves for part in (half[:, :200], half[:, 200:])]

    assert lit() == [False] * 4
    view = PlaneView(viewer)
    view.apply()
    assert lit() == [True] * 4
    viewer.layers[1].visible = False
    assert sum(lit()) == 3
    viewer.layers[1].visible = True
    assert lit() == [True] * 4
    view.restore()
    assert lit() == [False] * 4


def test_a_window_may_close_first(make_napari_viewer) -> None:
    viewer = make_napari_viewer()
    viewer.add_image(np.zeros((4, 5, 6), np.float32))
    view = PlaneView(viewer)
    view.apply()
    viewer.close()
    view.plane = "sagittal"
    view.restore()

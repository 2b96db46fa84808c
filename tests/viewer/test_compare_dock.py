"""The Compare dock in a real window: opening, choosing, looking, closing."""

import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from qtpy.QtCore import Qt, QThreadPool
from qtpy.QtWidgets import QApplication, QLabel, QLineEdit

from napari_mri_cae.corruptions import GaussianNoise
from napari_mri_cae.models import load_model
from napari_mri_cae.viewer.compare import open_comparison
from napari_mri_cae.viewer.widgets import NOTHING
from napari_mri_cae.volume import Volume

IN_ORDER = [
    ("Original", (0, 0)),
    ("Corrupted", (0, 1)),
    ("Reconstructed", (1, 0)),
    ("Residual", (1, 1)),
]


def assert_shows(window, role: str, array: np.ndarray) -> None:
    """Check that napari draws the slice that the dock says it does."""
    axis = {"axial": 0, "coronal": 1, "sagittal": 2}[window.state.plane]
    np.testing.assert_array_equal(window.on_screen(role), np.moveaxis(array, axis, 0)[window.index])


# ---- opening


def test_it_opens_on_the_layer_that_is_there(
    make_napari_viewer, qtbot, sentences, no_threads_left, volume_file: Path, compare_window, tmp_path: Path
) -> None:
    viewer = make_napari_viewer(show=True)
    viewer.open(str(volume_file), plugin="napari-mri-cae")
    window = compare_window(viewer, qtbot, sentences)
    comparison = window.until_compared("sub-01_T1w")
    source = window.viewer.layers[0]
    assert not source.visible
    assert window.grid_names() == IN_ORDER
    assert window.viewer.canvas.grid.actual_shape(window.viewer.layers) == (2, 2)
    assert comparison.model.card.name == load_model().card.name
    assert comparison.corruptions == (GaussianNoise(sigma=0.03),)
    assert window.dock.model_box.in_use.text() == comparison.device_description

    original, corrupted, reconstructed, residual = window.panels.values()
    for role, panel in window.panels.items():
        assert panel.data is getattr(comparison, role)
        np.testing.assert_array_equal(panel.scale, source.scale)
        np.testing.assert_allclose(panel.scale, (2.0, 0.9, 1.2), rtol=1e-6)
        assert panel.units == source.units
        assert panel.axis_labels == source.axis_labels
        np.testing.assert_array_equal(panel.affine.affine_matrix, source.affine.affine_matrix)
        assert panel.name_overlay.visible
        assert_shows(window, role, getattr(comparison, role))
    assert window.index == 6

    corrupted.contrast_limits = (0.1, 0.8)
    reconstructed.colormap = "magma"
    for panel in (original, corrupted, reconstructed):
        assert panel.contrast_limits == [0.1, 0.8]
        assert panel.colormap.name == "magma"
    assert residual.contrast_limits == [-0.1, 0.1]
    assert residual.colormap.name == "residual"
    assert np.allclose(residual.colormap.map(0.5), (0, 0, 0, 1), atol=0.02)

    # All four are drawn: something is in each quarter of the picture.
    said: list[str] = []
    window.session.saved.connect(said.append)
    window.session.save_picture(tmp_path / "panels.v2")
    assert said == ["Saved panels.v2.png."]
    with Image.open(tmp_path / "panels.v2.png") as picture:
        assert picture.format == "PNG"
        pixels = np.asarray(picture.convert("L"))
    middle, centre = np.array(pixels.shape) // 2
    for rows in (pixels[:middle], pixels[middle:]):
        for quarter in (rows[:, :centre], rows[:, centre:]):
            assert quarter.std() > 5
    window.session.save_picture(volume_file / "x.png")
    window.until_told("x.png", "cannot be written")

    # Another tab over the dock closes nothing, nor does taking it out of the window.
    cover = viewer.window.add_dock_widget(QLabel("cover"), name="cover", tabify=True, area="right")
    cover.raise_()
    window.until(lambda: window.dock.visibleRegion().isEmpty())
    for floating in (True, False):
        window.dock_widget.setFloating(floating)
        window.state.seed += 1
        assert window.until_done() is comparison
    assert window.sentences == []


def test_open_comparison_takes_a_series_a_model_and_a_chain(make_napari_viewer, tiny_model, voxels) -> None:
    frames = np.stack([voxels, voxels[::-1]]).astype(np.float32)
    noise = GaussianNoise(sigma=0.07)
    dock = open_comparison(
        make_napari_viewer(),
        Volume.from_array(frames, name="run"),
        model=str(tiny_model),
        corruptions=[noise],
    )
    assert dock.wait_until_done(20)
    assert dock.comparison.corruptions == (noise,)
    assert dock.comparison.model.card.name == "tiny"
    assert dock.wait_until_done(1)
    dock.state.fill = False
    dock.state.seed = 5
    assert not dock.wait_until_done(0.3)


# ---- choosing a volume


def test_a_volume_is_dropped_anywhere_on_the_dock(open_window, write_volume, voxels, tiny_model) -> None:
    window = open_window(model=tiny_model, alone=True)
    first, second = write_volume("a.nii.gz"), write_volume("b.nii", voxels[:, ::-1] + 7)
    window.drop(first)
    window.until_compared("a")
    # A text field would take the file's name.
    for field in window.dock.findChildren(QLineEdit):
        assert not field.acceptDrops()
    window.drop(second, on=window.dock.corruption_box.rows[3].form.widget("kernel_size").native)
    comparison = window.until_compared("b")
    assert comparison.volume.path == second
    assert [layer.name for layer in window.viewer.layers if layer.visible] == [name for name, _ in IN_ORDER]
    assert window.dock.source_box.picker.currentText() == "b"
    assert "12 x 16 x 14 voxels, 2 x 0.9 x 1.2 mm" in window.dock.source_box.hint.text()
    assert window.sentences == []


def test_what_cannot_be_opened_is_said_once_and_changes_nothing(alone, tmp_path: Path, write_volume) -> None:
    window = alone
    comparison = window.comparison
    before = [layer.name for layer in window.viewer.layers]
    text = tmp_path / "notes.nii"
    text.write_text("not a volume at all")
    flat = write_volume("flat.nii.gz", np.zeros((5, 6), np.int16))
    mask = write_volume("sub-01_mask.nii.gz")
    for files, words in [
        ([text], ("notes.nii",)),
        ([flat], ("flat.nii.gz",)),
        ([tmp_path / "missing.nii.gz"], ("missing.nii.gz",)),
        ([tmp_path], ()),
        ([mask], ("sub-01_mask", "label")),
        ([text, flat], ("one volume at a time",)),
        (["https://example.org/a.nii.gz"], ("files of this computer",)),
    ]:
        window.drop(*files)
        sentence = window.until_told(*words)
        assert sentence.endswith(".")
        assert "\n" not in sentence
        window.until(lambda: not window.session.is_busy)
        assert window.dock.message.text() == sentence
        assert window.comparison is comparison
        assert [layer.name for layer in window.viewer.layers] == before
    assert "voxels" in window.dock.source_box.hint.text()


def test_the_last_of_several_volumes_wins(open_window, write_volume, voxels, gate) -> None:
    window = open_window(model="gate", alone=True)
    window.drop(write_volume("a.nii.gz"))
    window.until(lambda: gate.calls == 1)
    window.drop(write_volume("b.nii.gz", voxels + 1))
    window.drop(write_volume("c.nii.gz", voxels + 2))
    gate.open()
    window.until_compared("c")
    # What napari opens itself is compared too, and a volume that was overtaken takes no place in the grid.
    files = [str(write_volume(f"{name}.nii.gz", voxels + 3)) for name in "de"]
    window.viewer.open(files, plugin="napari-mri-cae")
    window.until_compared("e")
    assert [name for name, _ in window.grid_names()] == [name for name, _ in IN_ORDER]
    assert window.sentences == []


@pytest.mark.parametrize("frames", [1, 3])
def test_the_panels_stay_as_they_are_until_the_next_volume_is_ready(
    window, write_volume, voxels, frames: int
) -> None:
    """A fifth cell in the grid, and with a series a fourth axis too, was an IndexError of napari's canvas."""
    seen: set[tuple[str, ...]] = set()
    four = tuple(name for name, _ in window.grid_names())
    data = voxels + 1 if frames == 1 else np.stack([voxels + frame for frame in range(frames)], axis=-1)
    window.drop(write_volume("next.nii.gz", data))

    def is_next() -> bool:
        seen.add(tuple(name for name, _ in window.grid_names()))
        return window.comparison.volume.name == "next"

    window.until(is_next)
    window.until_done()
    assert seen == {four}
    assert window.sentences == []
    # Both volumes are the user's, and are shown again in the end.
    window.session.close()
    assert {layer.name for layer in window.viewer.layers if layer.visible} >= {"next"}


def test_the_panels_fill_their_cells_whatever_is_hidden_beside_them(alone) -> None:
    window = alone

    def again() -> tuple[float, ...]:
        for plane in ("coronal", "axial"):
            window.state.plane = plane
        camera = window.viewer.scene.camera
        return camera.zoom, *camera.center

    before = again()
    window.viewer.add_image(np.zeros((40, 200, 300), np.float32), visible=False)
    assert again() == pytest.approx(before)


def test_another_layer_is_picked(alone, voxels) -> None:
    window = alone
    foreign = window.viewer.add_image(
        voxels.astype(np.float32), name="foreign", scale=(1, 2, 3), translate=(5, 0, 0), units="mm"
    )
    window.viewer.add_image(np.zeros((9, 9)), name="flat", units="mm")
    turned = window.viewer.add_image(voxels, name="turned", scale=(1, 1, -1), units="mm")
    picker = window.dock.source_box.picker
    names = [picker.itemText(position) for position in range(picker.count())]
    assert names == ["sub-01_T1w", "foreign", "turned"]

    def pick(name: str) -> None:
        picker.setCurrentIndex(names.index(name))
        picker.activated.emit(picker.currentIndex())

    pick("foreign")
    window.until_compared("foreign")
    assert not foreign.visible
    for panel in window.panels.values():
        np.testing.assert_array_equal(panel.translate, foreign.translate)
        np.testing.assert_array_equal(panel.scale, foreign.scale)
    assert "does not say" in window.dock.view_box.shown.text()
    pick("turned")
    window.until_told("turned", "flipped")
    assert picker.currentText() == "foreign"
    turned.name = "renamed"
    assert picker.itemText(2) == "renamed"
    # Same shape, same scale, elsewhere in space.
    moved = window.viewer.add_image(
        voxels.astype(np.float32), name="moved", scale=(1, 2, 3), translate=(-40, 3, 0), units="mm"
    )
    names = [picker.itemText(position) for position in range(picker.count())]
    pick("moved")
    window.until_compared("moved")
    for panel in window.panels.values():
        np.testing.assert_array_equal(panel.translate, moved.translate)


# ---- looking


def test_plane_buttons_turn_the_view_and_the_computation(alone) -> None:
    window = alone
    box = window.dock.view_box
    for plane, length, order in (
        ("coronal", 16, (1, 0, 2)),
        ("sagittal", 14, (2, 0, 1)),
        ("axial", 12, (0, 1, 2)),
    ):
        window.click(box.planes[plane])
        assert window.state.plane == plane
        assert window.viewer.dims.order == order
        comparison = window.until_done()
        assert comparison.plane == plane
        assert comparison.n_slices == length
        assert box.shown.text().startswith(plane.capitalize())
        for role in window.panels:
            assert_shows(window, role, getattr(comparison, role))
    # The user rolls the axes by hand: the dock follows. He transposes them: a button brings the plane back.
    window.viewer.dims.order = (1, 0, 2)
    assert window.state.plane == "coronal"
    assert box.planes["coronal"].isChecked()
    assert window.until_done().plane == "coronal"
    window.viewer.dims.order = (1, 2, 0)
    assert "turned by hand" in box.shown.text()
    window.click(box.planes["coronal"])
    assert window.viewer.dims.order == (1, 0, 2)
    assert box.shown.text().startswith("Coronal")


def test_the_convention_flips_the_view_only(alone) -> None:
    window = alone
    box, camera = window.dock.view_box, window.viewer.scene.camera
    corrupted = window.comparison.corrupted.copy()
    assert tuple(map(str, camera.orientation)) == ("towards", "down", "right")
    window.choose(box.convention, 1)
    assert window.state.convention == "neurological"
    assert tuple(map(str, camera.orientation)) == ("away", "down", "left")
    assert "right on your right" in box.shown.text()
    np.testing.assert_array_equal(window.comparison.corrupted, corrupted)
    assert window.comparison.is_complete
    # Turned in napari itself: the dock says what is on screen.
    camera.orientation = ("towards", "down", "right")
    assert "right on your left" in box.shown.text()
    assert box.convention.currentText() == "Radiological"


def test_the_numbers_are_those_of_the_slice_on_screen(alone) -> None:
    window = alone
    comparison = window.comparison
    canvas = window.viewer.canvas.overlays
    for plane in ("axial", "sagittal"):
        window.click(window.dock.view_box.planes[plane])
        window.until_done()
        for index in (0, 3, comparison.n_slices - 1):
            window.scroll_to(index)
            window.until(lambda index=index: window.index == index)
            row = comparison.metrics[index]
            assert row["slice"] == index
            for image in ("corrupted", "reconstructed"):
                assert window.cell("slice", "psnr", image) == f"{row[f'psnr_{image}']:.2f}"
                assert window.cell("slice", "ssim", image) == f"{row[f'ssim_{image}']:.4f}"
                assert window.cell("slice", "mse", image) == f"{row[f'mse_{image}']:.1e}"
                summary = comparison.summary()
                assert window.cell("volume", "psnr", image) == f"{summary[f'psnr_{image}']:.2f}"
            assert window.dock.metrics_box.slice_title.text() == f"Slice {index}"
            for role in window.panels:
                assert_shows(window, role, getattr(comparison, role))
            # By the arrays that are drawn, not by the table.
            error = np.mean((window.on_screen("original") - window.on_screen("reconstructed")) ** 2)
            assert window.cell("slice", "mse", "reconstructed") == f"{error:.1e}"
            shown = canvas["mri_cae_psnr"].text
            assert f"slice {index}" in shown
            assert f"{row['psnr_reconstructed']:.2f}" in shown
    window.viewer.dims.ndisplay = 3
    assert window.cell("slice", "psnr", "corrupted") == NOTHING
    assert window.cell("volume", "psnr", "corrupted") != NOTHING
    assert window.dock.metrics_box.slice_title.text() == "Slice"
    assert canvas["mri_cae_psnr"].text == ""
    assert window.viewer.dims.order == (0, 1, 2)
    window.viewer.dims.ndisplay = 2
    assert window.viewer.dims.order == (2, 0, 1)
    assert (
        window.cell("slice", "psnr", "corrupted")
        == f"{comparison.metrics[window.index]['psnr_corrupted']:.2f}"
    )


def test_seed_arithmetic_and_device(alone) -> None:
    window = alone
    comparison, box = window.comparison, window.dock.model_box
    corrupted = comparison.corrupted.copy()
    window.press(box.seed, Qt.Key.Key_Up)
    assert comparison.seed == window.state.seed == 1
    assert not np.array_equal(window.until_done().corrupted, corrupted)
    window.press(box.seed, Qt.Key.Key_Down)
    np.testing.assert_array_equal(window.until_done().corrupted, corrupted)

    window.check(box.exact)
    assert window.state.exact
    assert box.in_use.text() == comparison.device_description
    assert box.in_use.text().endswith("float32")
    window.until_done()

    box.list_devices()
    window.until(lambda: box.device.findData("cpu") >= 0)
    window.choose(box.device, box.device.findData("cpu"))
    assert comparison.device == window.state.device == "cpu"
    window.until_done()


def test_another_model_is_chosen_or_dropped(alone, tiny_model: Path, tmp_path: Path, qtbot) -> None:
    window = alone
    comparison, box = window.comparison, window.dock.model_box
    assert comparison.model.card.name == "tiny"
    assert box.model.currentText() == "tiny"
    shipped = load_model().card.name
    window.choose(box.model, box.model.findData(shipped))
    window.until(lambda: comparison.model.card.name == shipped)
    reconstructed = window.until_done().reconstructed.copy()

    text = tmp_path / "not-a.safetensors"
    text.write_text("nothing of the kind, though it is long enough to look like it")
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(tiny_model.read_bytes()[:-500])
    for file in (text, damaged, tmp_path / "missing.safetensors"):
        window.drop(file)
        window.until_told(file.name)
        window.until(lambda: not window.session.is_busy)
        assert comparison.model.card.name == shipped
        assert window.state.model == shipped
        assert box.model.currentData() == shipped
    window.until_done()
    np.testing.assert_array_equal(comparison.reconstructed, reconstructed)

    window.drop(tiny_model)
    window.until(lambda: comparison.model.card.name == "tiny")
    assert box.model.currentText() == "tiny"
    assert not np.array_equal(window.until_done().reconstructed, reconstructed)


def test_the_range_of_the_residual(alone) -> None:
    window = alone
    slider = window.dock.view_box.residual_range
    window.drag(slider, 0.49)
    assert window.state.residual_range == slider.value() == pytest.approx(0.5, abs=0.1)
    assert window.panels["residual"].contrast_limits == [-slider.value(), slider.value()]
    assert window.panels["original"].contrast_limits == [0, 1]
    window.state.residual_range = 0.2
    assert slider.value() == pytest.approx(0.2)
    assert window.panels["residual"].contrast_limits == [-0.2, 0.2]


# ---- panels in the user's hands


def test_panels_are_deleted_and_shown_again(alone, qtbot) -> None:
    window = alone
    comparison = window.comparison
    for roles in (["residual"], ["original", "corrupted"], ["reconstructed"], ["original"]):
        for role in roles:
            window.viewer.layers.remove(window.panels[role])
        assert " and ".join(roles) in window.dock.message.text()
        assert set(window.panels) == {"original", "corrupted", "reconstructed", "residual"} - set(roles)
        window.state.seed += 1
        window.until_done()
        window.scroll_to(4)
        window.dock.message.linkActivated.emit("restore")
        assert window.dock.message.text() == ""
        assert window.grid_names() == IN_ORDER
        assert window.comparison is comparison
        for role in window.panels:
            assert_shows(window, role, getattr(comparison, role))
    original, corrupted, reconstructed, residual = window.panels.values()
    original.contrast_limits = (0.2, 0.7)
    assert corrupted.contrast_limits == reconstructed.contrast_limits == [0.2, 0.7]
    assert residual.contrast_limits != [0.2, 0.7]
    assert window.sentences == []


def test_panels_are_renamed_hidden_and_moved(alone) -> None:
    window = alone
    window.panels["corrupted"].name = "mine"
    window.panels["residual"].visible = False
    window.viewer.layers.move(4, 0)
    window.viewer.layers.reverse()
    window.state.seed = 3
    comparison = window.until_done()
    window.scroll_to(2)
    assert_shows(window, "corrupted", comparison.corrupted)
    assert window.panels["corrupted"].name == "mine"
    window.panels["residual"].visible = True
    assert_shows(window, "residual", comparison.residual)
    assert window.sentences == []


def test_the_source_is_deleted(alone, look) -> None:
    window = alone
    window.viewer.layers.remove(window.session.source)
    window.scroll_to(3)
    window.click(window.dock.view_box.planes["coronal"])
    window.state.seed = 9
    window.until_done()
    window.viewer.layers.remove(window.panels["corrupted"])
    window.dock.message.linkActivated.emit("restore")
    assert window.grid_names() == IN_ORDER
    assert window.dock.source_box.picker.currentIndex() == -1
    window.dock.close_comparison()
    assert len(window.viewer.layers) == 0
    assert not window.viewer.canvas.grid.enabled


def test_everything_is_deleted_at_once(alone, volume_file: Path) -> None:
    window = alone
    window.state.seed = 2
    window.viewer.layers.clear()
    assert window.dock.comparison is None
    assert not window.viewer.canvas.grid.enabled
    assert window.cell("volume", "psnr", "corrupted") == NOTHING
    window.drop(volume_file)
    window.until_compared("sub-01_T1w")
    assert window.grid_names() == IN_ORDER
    window.viewer.layers.selection = set(window.panels.values())
    window.viewer.layers.remove_selected()
    assert window.dock.comparison is None
    assert [(layer.name, layer.visible) for layer in window.viewer.layers] == [("sub-01_T1w", True)]


# ---- closing


def test_closing_the_dock_gives_the_viewer_back(open_window, write_volume, voxels, gate, look) -> None:
    window = open_window(model="gate")
    viewer, dock_widget = window.viewer, window.dock_widget
    # As users have it, with habits of their own.
    viewer.add_image(voxels.astype(np.float32), name="brain", units="mm")
    viewer.add_points(np.zeros((2, 3)), name="points", units="mm")
    viewer.canvas.grid.shape, viewer.canvas.grid.stride, viewer.canvas.grid.spacing = (1, -1), -1, 0.1
    viewer.dims.order = (2, 1, 0)
    viewer.scene.camera.orientation = ("away", "up", "left")
    before = look(viewer)
    for how in ("hide", "close"):
        gate.shut()
        calls = gate.calls
        window.session.open_layer(viewer.layers["brain"])
        window.until(lambda calls=calls: gate.calls == calls + 1)
        assert window.grid_names() == IN_ORDER
        gate.let(3)
        window.until(lambda calls=calls: gate.calls == calls + 4)
        window.click(window.dock.corruption_box.rows[-1].place)
        window.click(window.dock.view_box.planes["sagittal"])
        # In the middle of the fill.
        if how == "hide":
            window.click(dock_widget.title.hide_button)
        else:
            window.click(dock_widget.title.close_button)
        window.until(lambda: window.dock.comparison is None)
        assert look(viewer) == before
        gate.open()
        window.until(lambda: QThreadPool.globalInstance().activeThreadCount() == 0)
        # While Compare is closed, what napari opens is left alone.
        viewer.open(str(write_volume("later.nii.gz")), plugin="napari-mri-cae")
        viewer.dims.current_step = (1, 1, 1)
        QApplication.processEvents()
        assert not window.session.is_busy
        viewer.layers.remove("later")
        assert look(viewer) == before
        if how == "hide":
            viewer.layers.selection.active = viewer.layers["brain"]
            dock_widget.show()
            window.until_compared("brain")
    assert window.sentences == []


def test_the_window_closes_in_the_middle_of_a_fill(open_window, volume_file: Path, gate) -> None:
    window = open_window(model="gate")
    window.drop(volume_file)
    window.until(lambda: gate.calls == 1)
    gate.let(2)
    window.until(lambda: gate.calls == 3)
    threading.Timer(0.2, gate.open).start()
    window.viewer.close()
    assert window.session.fill is None or not window.session.fill.comparison.is_complete
    assert window.sentences == []


def test_the_window_closes_while_a_volume_is_read(open_window, volume_file: Path, tiny_model: Path) -> None:
    window = open_window(model=tiny_model)
    window.drop(volume_file)
    window.viewer.close()
    assert window.sentences == []

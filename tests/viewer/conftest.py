"""The Compare dock, in a real window and alone, hands to use it with, tiny volumes and tiny models."""

import math
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import napari
import nibabel as nib
import numpy as np
import pytest
import torch
from napari.components import ViewerModel
from napari.layers import Image
from napari.utils.notifications import Notification, notification_manager
from npe2 import PluginManager
from qtpy.QtCore import QEvent, QMimeData, QPoint, QPointF, Qt, QThreadPool, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent, QMouseEvent
from qtpy.QtWidgets import QApplication, QCheckBox, QComboBox, QSlider, QWidget

import napari_mri_cae.models
from napari_mri_cae.comparison import Comparison
from napari_mri_cae.models import Card, Model, save_model
from napari_mri_cae.models.architectures import build
from napari_mri_cae.viewer.compare import CompareDock

PATIENCE_S = 60
PLUGIN = "napari-mri-cae"
# (L, A, S) voxels that are nowhere cubes.
AFFINE = np.array([[-1.2, 0, 0, 9], [0, 0.9, 0, -7], [0, 0, 2.0, -11], [0, 0, 0, 1.0]])
SHAPE = (14, 16, 12)


class Gate(torch.nn.Module):
    """Halves, but one slice for each time it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self._permits = 0.0
        self._changed = threading.Condition()

    def __deepcopy__(self, memo: dict[int, Any]) -> "Gate":
        return self

    def let(self, slices: int = 1) -> None:
        """Let some more slices through."""
        with self._changed:
            self._permits += slices
            self._changed.notify_all()

    def open(self) -> None:
        """Let everything through from now on."""
        with self._changed:
            self._permits = math.inf
            self._changed.notify_all()

    def shut(self) -> None:
        """Let nothing through any more."""
        with self._changed:
            self._permits = 0.0

    def forward(self, slices: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        with self._changed:
            assert self._changed.wait_for(lambda: self._permits > 0, timeout=PATIENCE_S)
            self._permits -= 1
        return slices * 0.5


class Broken(torch.nn.Module):
    """Cannot compute anything."""

    def forward(self, slices: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("the network is broken")


class CompareWindow:
    """A viewer with the Compare dock, and what a user does with it.

    A viewer model without a window has the dock alone on the screen: nothing is painted but the dock, which
    is many times faster.

    Attributes
    ----------
    sentences : list of str
        Every notification the user has got.
    """

    def __init__(self, viewer: napari.Viewer | ViewerModel, qtbot: Any, sentences: list[str]) -> None:
        self.viewer = viewer
        self.qtbot = qtbot
        self.sentences = sentences
        if isinstance(viewer, napari.Viewer):
            self.dock_widget, dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Compare")
        else:
            dock = CompareDock(viewer)
            qtbot.addWidget(dock, before_close_func=lambda dock: dock.close_comparison())
            dock.resize(400, 1000)
            dock.show()
        assert isinstance(dock, CompareDock)
        self.dock = dock
        self.session = dock.session
        self.state = dock.state

    @property
    def comparison(self) -> Comparison:
        assert self.dock.comparison is not None
        return self.dock.comparison

    @property
    def panels(self) -> dict[str, Image]:
        return self.session.panels.layers

    @property
    def index(self) -> int:
        index = self.session.current_slice()
        assert index is not None
        return index

    def until(self, condition: Callable[[], Any]) -> None:
        """Let the viewer work until something holds."""
        self.qtbot.waitUntil(lambda: bool(condition()), timeout=PATIENCE_S * 1000)

    def until_done(self) -> Comparison:
        assert self.dock.wait_until_done(PATIENCE_S)
        return self.comparison

    def until_compared(self, name: str) -> Comparison:
        """Let the viewer work until another volume's comparison is complete."""
        self.until(lambda: self.dock.comparison is not None and self.comparison.volume.name == name)
        return self.until_done()

    def until_told(self, *words: str) -> str:
        """Wait for a single notification, and return its sentence."""
        self.until(lambda: self.sentences)
        (sentence,) = self.sentences
        assert all(word in sentence for word in words), sentence
        self.sentences.clear()
        return sentence

    def drop(self, *files: Path | str, on: QWidget | None = None) -> None:
        """Drag files onto the dock, or on a widget in it, and let go."""
        data = QMimeData()
        data.setUrls([QUrl(file) if "://" in str(file) else QUrl.fromLocalFile(str(file)) for file in files])
        data.setText("\n".join(map(str, files)))
        where = (data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
        enter = QDragEnterEvent(QPoint(30, 30), Qt.DropAction.CopyAction, *where)
        drop = QDropEvent(QPointF(30, 30), Qt.DropAction.CopyAction, *where)
        target = on or self.dock
        while target is not self.dock:
            # As Qt does: the innermost widget that takes it.
            enter.ignore()
            if target.acceptDrops():
                QApplication.sendEvent(target, enter)
                if enter.isAccepted():
                    break
            target = target.parentWidget()
        else:
            QApplication.sendEvent(target, enter)
        assert enter.isAccepted()
        QApplication.sendEvent(target, drop)

    def click(self, button: QWidget) -> None:
        self.qtbot.mouseClick(button, Qt.MouseButton.LeftButton)

    def check(self, box: QCheckBox) -> None:
        """Click on a check box, which takes clicks on its square and its words only."""
        self.qtbot.mouseClick(box, Qt.MouseButton.LeftButton, pos=QPoint(6, box.height() // 2))

    def choose(self, picker: QComboBox, row: int) -> None:
        """Choose a row of a picker with the keys, as the wheel and the list do."""
        while picker.currentIndex() != row:
            key = Qt.Key.Key_Down if picker.currentIndex() < row else Qt.Key.Key_Up
            self.qtbot.keyClick(picker, key)

    def drag(self, slider: QWidget, to: float) -> None:
        """Take a slider's handle with the mouse and drag it along, to a share of its length."""
        inner = slider.findChild(QSlider)
        low, high = inner.minimum(), inner.maximum()
        share = (inner.value() - low) / (high - low)
        ends = [QPoint(round(6 + (inner.width() - 12) * at), inner.height() // 2) for at in (share, to)]
        self.mouse(inner, *ends)

    def mouse(self, widget: QWidget, start: QPoint, end: QPoint) -> None:
        """Press the left button, move with it and let go."""
        left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
        for kind, place, button, buttons in (
            (QEvent.Type.MouseButtonPress, start, left, left),
            (QEvent.Type.MouseMove, (start + end) / 2, none, left),
            (QEvent.Type.MouseMove, end, none, left),
            (QEvent.Type.MouseButtonRelease, end, left, none),
        ):
            where = QPointF(place), QPointF(widget.mapToGlobal(place))
            event = QMouseEvent(kind, *where, button, buttons, Qt.KeyboardModifier.NoModifier)
            QApplication.sendEvent(widget, event)

    def press(self, widget: QWidget, *keys: Qt.Key) -> None:
        widget.setFocus()
        for key in keys:
            self.qtbot.keyClick(widget, key)

    def scroll_to(self, index: int) -> None:
        """Bring a slice of the plane on screen, as napari's slider does."""
        self.viewer.dims.set_current_step(self.viewer.dims.order[-3], index)

    def on_screen(self, role: str) -> np.ndarray:
        """Return the slice that napari draws in a panel."""
        return np.asarray(self.panels[role]._slice.image.raw)

    def cell(self, scope: str, metric: str, image: str) -> str:
        return self.dock.metrics_box.cells[scope, metric, image].text()

    def grid_names(self) -> list[tuple[str, tuple[int, int]]]:
        """Return what is shown in the grid's cells, row by row."""
        layers, grid = self.viewer.layers, self.viewer.canvas.grid
        cells = [(grid.position(i, layers), layer.name) for i, layer in enumerate(layers) if layer.visible]
        return [(name, position) for position, name in sorted(cells)]


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file whose network has learnt nothing, but does something."""
    parameters = {"channels": 4, "levels": 1}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = build("skip-unet", **parameters)
        with torch.no_grad():
            for weight in network.parameters():
                weight.add_(0.05 * torch.randn(weight.shape))
    card = Card(
        name="tiny",
        title="Tiny network",
        architecture="skip-unet",
        architecture_parameters=parameters,
        multiple_of=2,
    )
    return save_model(Model(network.eval(), card), tmp_path_factory.mktemp("models") / "tiny.safetensors")


def _as_model(network: torch.nn.Module) -> Model:
    return Model(network.eval(), Card(name="made up", architecture="none"))


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """A network that waits; `load_model("gate")` has it."""
    gate = Gate()
    _offer(monkeypatch, gate=_as_model(gate))
    yield gate
    gate.open()


@pytest.fixture
def broken_model(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name under which `load_model` has a network that fails."""
    _offer(monkeypatch, broken=_as_model(Broken()))
    return "broken"


def _offer(monkeypatch: pytest.MonkeyPatch, **models: Model) -> None:
    load_model = napari_mri_cae.models.load_model
    monkeypatch.setattr(
        napari_mri_cae.models, "load_model", lambda name=None: models.get(str(name)) or load_model(name)
    )


@pytest.fixture
def voxels(rng: np.random.Generator) -> np.ndarray:
    """A volume in its file's axis order (L, A, S), no two slices alike."""
    smooth = rng.normal(size=SHAPE).cumsum(0).cumsum(1) * 40 + 300
    return np.round(np.clip(smooth, 0, 2000)).astype(np.int16)


@pytest.fixture
def write_volume(tmp_path: Path, voxels: np.ndarray) -> Callable[..., Path]:
    """A function that writes a volume and returns its file."""

    def write(name: str = "sub-01_T1w.nii.gz", data: np.ndarray | None = None) -> Path:
        path = tmp_path / name
        image = nib.Nifti1Image(voxels if data is None else data, AFFINE)
        image.header.set_xyzt_units("mm", "sec")
        nib.save(image, path)
        return path

    return write


@pytest.fixture
def volume_file(write_volume: Callable[..., Path]) -> Path:
    return write_volume()


@pytest.fixture
def sentences() -> Iterator[list[str]]:
    """What the user is notified of."""
    told: list[str] = []

    def remember(notification: Notification) -> None:
        told.append(notification.message)

    notification_manager.notification_ready.connect(remember)
    yield told
    notification_manager.notification_ready.disconnect(remember)


@pytest.fixture
def no_threads_left() -> Iterator[None]:
    """Check, after the window has gone, that its threads have too."""
    yield
    pool = QThreadPool.globalInstance()
    assert pool is not None
    assert pool.waitForDone(PATIENCE_S * 1000)
    assert pool.activeThreadCount() == 0


@pytest.fixture
def open_window(
    no_threads_left: None, make_napari_viewer: Callable[..., napari.Viewer], qtbot: Any, sentences: list[str]
) -> Callable[..., CompareWindow]:
    """A function that opens the Compare dock, in a real window or alone."""

    def open_(*, model: Path | str | None = None, alone: bool = False) -> CompareWindow:
        if alone:
            PluginManager.instance().discover()
            window = CompareWindow(ViewerModel(), qtbot, sentences)
        else:
            viewer = make_napari_viewer(show=True)
            viewer.window.resize(1000, 760)
            window = CompareWindow(viewer, qtbot, sentences)
        if model is not None:
            window.state.model = str(model)
        return window

    return open_


def _compared(window: CompareWindow, file: Path) -> CompareWindow:
    window.dock.open_path(file)
    window.until_compared("sub-01_T1w")
    assert window.sentences == []
    return window


@pytest.fixture
def window(open_window: Callable[..., CompareWindow], volume_file: Path, tiny_model: Path) -> CompareWindow:
    """A real window with a complete comparison of the tiny volume."""
    return _compared(open_window(model=tiny_model), volume_file)


@pytest.fixture
def alone(open_window: Callable[..., CompareWindow], volume_file: Path, tiny_model: Path) -> CompareWindow:
    """The dock alone, with the same comparison."""
    return _compared(open_window(model=tiny_model, alone=True), volume_file)


@pytest.fixture
def look() -> Callable[[napari.Viewer], dict[str, Any]]:
    """A function that notes everything a comparison has to give back."""

    def note(viewer: napari.Viewer) -> dict[str, Any]:
        grid, camera = viewer.canvas.grid, viewer.scene.camera
        return {
            "grid": (grid.enabled, grid.shape, grid.stride, grid.spacing),
            "order": viewer.dims.order,
            "ndisplay": viewer.dims.ndisplay,
            "camera": tuple(map(str, camera.orientation)),
            "pan": (camera.mouse_pan, camera.mouse_zoom),
            "overlays": sorted(viewer.canvas.overlays),
            "layers": [(layer.name, layer.visible) for layer in viewer.layers],
            "drag callbacks": len(viewer.mouse_drag_callbacks),
        }

    return note


@pytest.fixture
def compare_window() -> type[CompareWindow]:
    return CompareWindow

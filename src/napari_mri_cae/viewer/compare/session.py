"""One viewer's comparison: from a file or a layer to four panels that follow the user."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Layer
from psygnal import Signal
from qtpy.QtCore import QThreadPool, QTimer

from napari_mri_cae.comparison import Comparison, FinishedSlices
from napari_mri_cae.errors import InputError
from napari_mri_cae.planes import Plane, plane_axis
from napari_mri_cae.viewer.background import Background
from napari_mri_cae.viewer.compare.canvas_numbers import CanvasNumbers
from napari_mri_cae.viewer.compare.fill import Fill
from napari_mri_cae.viewer.compare.one_paint import OnePaint
from napari_mri_cae.viewer.compare.panels import Panels
from napari_mri_cae.viewer.compare.saving import Saving
from napari_mri_cae.viewer.compare.state import CompareState
from napari_mri_cae.viewer.gl_context import make_canvas_current
from napari_mri_cae.viewer.layers import (
    Role,
    frame_on_screen,
    orientation_is_known,
    role_of,
    spatial_attributes,
    volume_layer,
    volume_of,
)
from napari_mri_cae.viewer.orientation import PlaneView
from napari_mri_cae.volume import Volume

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_mri_cae.models import Model

logger = logging.getLogger(__name__)
_LONGEST_WAIT_MS = 2000


class ComparisonSession:
    """Holds a viewer's comparison together: volume, engine, worker, panels and view.

    Lives in the main thread. It listens to the state that the dock's widgets change and to the viewer, and
    tells what has happened through its signals; it knows no widget.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    state : CompareState

    Attributes
    ----------
    follows_viewer : bool
        Whether a volume that napari itself opens is compared.
    busy : psygnal.Signal(str)
        Something takes a while (what, in words), or nothing does any more ("").
    opened : psygnal.Signal(Comparison)
        A comparison is shown.
    closed : psygnal.Signal
        It is shown no longer, and the viewer is as it was.
    models_changed : psygnal.Signal
        Another model reconstructs, or a second one has come or gone.
    measured : psygnal.Signal
        Metrics have changed, or another slice is on screen.
    progressed : psygnal.Signal
        More slices are finished, or the fill has paused, gone on or ended.
    panels_changed : psygnal.Signal
        The user has deleted a panel, or it is back.
    saved : psygnal.Signal(str)
        What has been written, as a sentence.
    failed : psygnal.Signal(Exception)
        Something could not be done; the comparison that was open still is.
    """

    busy = Signal(str)
    opened = Signal(object)
    closed = Signal()
    models_changed = Signal()
    measured = Signal()
    progressed = Signal()
    panels_changed = Signal()
    saved = Signal(str)
    failed = Signal(object)

    def __init__(self, viewer: "ViewerModel", state: CompareState) -> None:
        self.viewer = viewer
        self.state = state
        self.panels = Panels(viewer)
        self.view = PlaneView(viewer)
        self.comparison: Comparison | None = None
        self.source: Image | None = None
        self.fill: Fill | None = None
        self.follows_viewer = True
        self._numbers = CanvasNumbers(viewer)
        self._paint = OnePaint(viewer)
        self._picture_is_due = False
        self._settings_wait = False
        self._background = Background()
        self._saving = Saving(viewer, self._background)
        self._frame = 0
        self._model: str | None = None
        self._second_model: str | None = None
        self._told: int | None = None
        self._own_change = False
        self._connect()

    @property
    def is_busy(self) -> bool:
        """Whether a volume or a model is being loaded, or a file written."""
        return self._background.is_waiting_for()

    def open_path(self, path: Path) -> None:
        """Read a file in the background, then compare it."""
        self._background.run(
            "volume", lambda: Volume.load(path), self._add_source, f"Reading {path.name} ..."
        )

    def open_volume(self, volume: Volume) -> None:
        """Add a volume's layer to the viewer and compare it."""
        self._add_source(volume)

    def open_layer(self, layer: Layer) -> None:
        """Compare the volume that a layer shows; of a series, the one on screen."""
        if layer is self.source and self.comparison is not None:
            return
        volume = self._volume_of(layer)
        if volume is not None:
            self._prepare(volume, layer)

    def close(self) -> None:
        """End the comparison and give the viewer back as it was."""
        # What is being written is finished, and told.
        self._background.forget(saves=False)
        self._end_fill()
        was_open = self.comparison is not None
        self.comparison = None
        self.source = None
        self._own_change = True
        try:
            self._numbers.remove()
            self.panels.close()
            self.view.restore()
        finally:
            self._own_change = False
        self._background.tell()
        if was_open:
            self.closed.emit()

    def stop(self) -> None:
        """End all work, without touching widgets or layers; for when the window is going away."""
        self._background.forget(saves=True)
        self._saving.give_up(silently=True)
        self.disconnect()
        self._settings_wait = False
        if self.fill is not None:
            self.fill.stop()
        # A batch takes a fraction of a second; a thread that outlives Qt would end in a crash.
        pool = QThreadPool.globalInstance()
        if pool is not None:
            pool.waitForDone(_LONGEST_WAIT_MS)

    def restore_panels(self) -> None:
        """Show the panels again that the user has deleted."""
        if self.comparison is not None and self.source is not None:
            self._show_panels(self.comparison, spatial_attributes(self.source))

    def save(self, path: Path, role: Role | None = None) -> None:
        """Write one of the volumes, or all of them, as NIfTI; once the whole volume is finished.

        Parameters
        ----------
        path : pathlib.Path
            The file; for all of them, each gets its role at the end of its name.
        role : {"original", "corrupted", "reconstructed", "residual"}, optional
            All of them if left out.
        """
        if self.comparison is None:
            self.failed.emit(InputError("There is nothing to save: open a volume first."))
            return
        self._take_waiting_settings()
        self._saving.request(path, role)
        self.state.fill = True
        self._saving.write_finished(self.comparison)

    def export_model(self, path: Path) -> None:
        """Write the model that reconstructs as ONNX."""
        if self.comparison is None:
            self.failed.emit(InputError("There is no model to export: open a volume first."))
            return
        self._saving.write_model(self.comparison.model, path)

    def save_picture(self, path: Path) -> None:
        """Write the panels as they are on screen, as PNG."""
        self._saving.write_picture(path)

    def current_slice(self) -> int | None:
        """Return the index of the slice on screen, or None where no single one is (in 3-D)."""
        comparison = self.comparison
        layer = next(iter(self.panels.layers.values()), None)
        if comparison is None or layer is None or self.viewer.dims.ndisplay == 3:
            return None
        axis = plane_axis(comparison.plane)
        point = np.asarray(self.viewer.dims.point)[-3:]
        index = int(np.round(layer.world_to_data(point)[axis]))
        return index if 0 <= index < comparison.n_slices else None

    def go_to(self, index: int) -> None:
        """Bring a slice of the comparison's plane on screen; from 3-D back to slices."""
        comparison, layer = self.comparison, next(iter(self.panels.layers.values()), None)
        if comparison is None or layer is None:
            return
        dims, axis = self.viewer.dims, plane_axis(comparison.plane)
        point = [0, 0, 0]
        point[axis] = min(max(index, 0), comparison.n_slices - 1)
        if dims.ndisplay == 3:
            dims.ndisplay = 2
        dims.set_point(axis + dims.ndim - 3, float(layer.data_to_world(point)[axis]))

    # ---- opening -------------------------------------------------------------------------------------

    def _add_source(self, volume: Volume) -> None:
        if volume.is_label:
            sentence = f"{volume.name} holds labels: open the image that they belong to."
            self.failed.emit(InputError(sentence))
            return
        layer = Layer.create(*volume_layer(volume))
        # While another volume is compared there is no place for it in the grid, not even until it is ready.
        self.panels.hide_beside(layer)
        self._own_change = True
        try:
            self.viewer.add_layer(layer)
        finally:
            self._own_change = False
        self.open_layer(layer)

    def _volume_of(self, layer: Layer) -> Volume | None:
        """Return the volume that a layer shows, or None after having said why there is none."""
        try:
            volume = volume_of(layer, self.viewer.dims)
        except InputError as error:
            self.failed.emit(error)
            return None
        if volume is None:
            sentence = f"{layer.name} is no volume: choose a three-dimensional image layer."
            self.failed.emit(InputError(sentence))
        return volume

    def _prepare(self, volume: Volume, layer: Layer) -> None:
        """Normalise the volume and load the model in the background, then show the comparison."""
        state = self.state
        model, second_model, frame = state.model, state.second_model, self._frame_on_screen(layer)

        def build() -> Comparison:
            comparison = Comparison(
                volume,
                model,
                corruptions=state.corruptions,
                plane=state.plane,
                seed=state.seed,
                device=state.device,
                exact=state.exact,
                second_model=second_model,
            )
            # Looked at here, in a thread: the main thread asks for it in passing.
            _ = comparison.head
            return comparison

        self._background.run(
            "volume",
            build,
            lambda comparison: self._show(comparison, layer, frame, model, second_model),
            f"Preparing {volume.name} ...",
        )

    def _show(
        self,
        comparison: Comparison,
        layer: Layer,
        frame: int,
        model: str | None,
        second_model: str | None,
    ) -> None:
        if layer not in self.viewer.layers:
            return
        is_other_grid = self.comparison is None or self.comparison.original.shape != comparison.original.shape
        self._end_fill()
        self.comparison = comparison
        self.source = layer
        self._frame, self._model, self._second_model = frame, model, second_model
        # What the user has changed while the volume was being prepared.
        self._on_settings_changed()
        self._change(plane=self.state.plane)
        self._show_panels(comparison, spatial_attributes(layer))
        self._own_change = True
        try:
            self.view.plane = comparison.plane
            self.view.convention = self.state.convention
            self.view.orientation_known = orientation_is_known(layer)
            self.view.apply()
            if is_other_grid:
                self._go_to_middle(comparison)
                self._fit_to_view()
        finally:
            self._own_change = False
        self.fill = Fill(comparison)
        self.fill.background = self.state.fill
        self.fill.finished_slices.connect(self._on_finished_slices)
        self.fill.idle.connect(self._on_idle)
        self.fill.failed.connect(self._on_failed)
        self.opened.emit(comparison)
        self._follow_slice()
        if self.state.model != model:
            self._on_model_changed()
        if self.state.second_model != second_model:
            self._on_second_model_changed()
        self._follow_frame()

    def _show_panels(self, comparison: Comparison, attributes: dict[str, Any]) -> None:
        self._own_change = True
        try:
            self.panels.show(
                comparison,
                attributes=attributes,
                metadata={"volume": comparison.volume, "provenance": comparison.provenance},
                residual_range=self.state.residual_range,
            )
            # Also a volume that was overtaken by this one: it would take a place in the grid.
            for layer in self.viewer.layers:
                if layer is self.source or role_of(layer) == "source":
                    self.panels.hide_beside(layer)
        finally:
            self._own_change = False
        self.panels_changed.emit()

    def _fit_to_view(self) -> None:
        """Fit the panels into their cells, whatever is hidden beside them, such as a training's pictures."""
        shown = (self.source, *self.panels.layers.values())
        layers = [layer for layer in shown if layer is not None and layer in self.viewer.layers]
        # napari (0.9) looks for the axes of the viewer in them, which next to a series only its layer has.
        all_axes = max(layer.ndim for layer in layers) == self.viewer.dims.ndim
        self.viewer.fit_to_view(layers=layers if all_axes else None)

    def _go_to_middle(self, comparison: Comparison) -> None:
        layer = next(iter(self.panels.layers.values()))
        middle = [length // 2 for length in comparison.original.shape]
        offset = self.viewer.dims.ndim - 3
        for axis, value in enumerate(layer.data_to_world(middle)):
            self.viewer.dims.set_point(axis + offset, value)

    # ---- following the state -------------------------------------------------------------------------

    def _connect(self) -> None:
        self._background.busy.connect(self.busy.emit)
        self._background.failed.connect(self._on_failed)
        self._saving.saved.connect(self.saved.emit)
        self._saving.failed.connect(self.failed.emit)
        events = self.state.events
        events.chain.connect(self._on_settings_changed)
        events.seed.connect(self._on_settings_changed)
        events.exact.connect(self._on_settings_changed)
        events.device.connect(self._on_settings_changed)
        events.model.connect(self._on_model_changed)
        events.second_model.connect(self._on_second_model_changed)
        events.plane.connect(self._on_plane_changed)
        events.convention.connect(self._on_convention_changed)
        events.fill.connect(self._on_fill_changed)
        events.residual_range.connect(self.panels.set_residual_range)
        self.view.changed.connect(self._on_view_changed)
        self.viewer.dims.events.current_step.connect(self._on_step)
        self.viewer.dims.events.ndisplay.connect(self._on_step)
        self.viewer.layers.events.inserted.connect(self._on_inserted)
        self.viewer.layers.events.inserted.connect(self._hide_preview)
        self.viewer.layers.events.removed.connect(self._on_removed)
        # Whoever removes a layer of whatever kind. The canvas hears of a removal before any plugin does.
        self.viewer.layers.events.removing.connect(self._prepare_removal)
        self.viewer.layers.events.begin_batch.connect(self._prepare_removal)

    def disconnect(self) -> None:
        """Listen to the viewer no longer."""
        self.viewer.dims.events.current_step.disconnect(self._on_step)
        self.viewer.dims.events.ndisplay.disconnect(self._on_step)
        self.viewer.layers.events.inserted.disconnect(self._on_inserted)
        self.viewer.layers.events.inserted.disconnect(self._hide_preview)
        self.viewer.layers.events.removed.disconnect(self._on_removed)
        self.viewer.layers.events.removing.disconnect(self._prepare_removal)
        self.viewer.layers.events.begin_batch.disconnect(self._prepare_removal)

    def _on_settings_changed(self) -> None:
        # A control that is dragged would else outrun every picture: each would be stale when it arrives.
        self._settings_wait = self._picture_is_due
        if not self._settings_wait:
            self._take_settings()

    def _take_waiting_settings(self) -> None:
        self._picture_is_due = False
        if self._settings_wait:
            self._take_settings()

    def _take_settings(self) -> None:
        state = self.state
        self._settings_wait = False
        self._change(corruptions=state.corruptions, seed=state.seed, device=state.device, exact=state.exact)

    def _on_model_changed(self) -> None:
        if self.comparison is None:
            return
        name = self.state.model

        def use(model: "Model") -> None:
            self._model = name
            self._change(model=model)
            self.models_changed.emit()

        def keep() -> None:
            self.state.model = self._model

        self._background.run("model", lambda: _load(name), use, "Loading the model ...", otherwise=keep)

    def _on_second_model_changed(self) -> None:
        if self.comparison is None:
            return
        name = self.state.second_model

        def use(model: "Model | None") -> None:
            if self.state.second_model != name:
                return  # "None" has been chosen while it was being loaded.
            comparison, source = self.comparison, self.source
            self._second_model = name
            if comparison is not None and source is not None and comparison.compare_with(model):
                self._show_panels(comparison, spatial_attributes(source))
                self._fit_to_view()
                self._follow_slice()
                self._tell_numbers()
                self.models_changed.emit()

        def keep() -> None:
            self.state.second_model = self._second_model

        if name is None:
            use(None)
        else:
            self._background.run(
                "second model", lambda: _load(name), use, "Loading the model ...", otherwise=keep
            )

    def _on_plane_changed(self, plane: Plane) -> None:
        if self.comparison is None:
            return
        self._own_change = True
        try:
            self.view.plane = plane
            self.view.apply()
            self._fit_to_view()
        finally:
            self._own_change = False
        self._change(plane=plane)

    def _on_convention_changed(self) -> None:
        if self.comparison is not None:
            self.view.convention = self.state.convention
            self.view.apply()

    def _on_fill_changed(self, fill: bool) -> None:
        if self.fill is not None:
            if fill:
                self.fill.resume()
            else:
                self.fill.pause()
        self.progressed.emit()

    def _change(self, **changes: Any) -> None:
        comparison = self.comparison
        if comparison is None:
            return
        try:
            changed = comparison.change(**changes)
        except InputError as error:
            self.failed.emit(error)
            return
        if changed:
            if self.fill is not None and self.current_slice() is not None:
                self._picture_is_due = True
                self._paint.hold()
            self._follow_slice()

    # ---- following the viewer ------------------------------------------------------------------------

    def _on_view_changed(self, plane: Plane | None, _sentence: str) -> None:
        """Follow a plane or a convention that the user has chosen in the viewer itself."""
        if self._own_change:
            return
        self.state.convention = self.view.convention
        if plane is not None:
            self.state.plane = plane

    def _on_step(self) -> None:
        if self.comparison is None or self._own_change:
            return
        self._follow_frame()
        self._follow_slice()

    def _follow_frame(self) -> None:
        """Compare the volume of a series that has come on screen, unless one is being prepared anyway."""
        source = self.source
        if source is None or source not in self.viewer.layers or self._background.is_waiting_for("volume"):
            return
        if self._frame_on_screen(source) != self._frame:
            volume = self._volume_of(source)
            if volume is not None:
                self._prepare(volume, source)

    def _frame_on_screen(self, layer: Layer) -> int:
        """Return which volume of a series the viewer shows; 0 of a single volume."""
        return frame_on_screen(layer, self.viewer.dims) if isinstance(layer, Image) else 0

    def _follow_slice(self) -> None:
        comparison, index = self.comparison, self.current_slice()
        if comparison is None or self.fill is None:
            return
        if index is not None:
            comparison.focus = index
        self.fill.ensure_running()
        if index is None or index != self._told or comparison.done[index]:
            self._tell_numbers()
            self.measured.emit()
        # Otherwise the last numbers stay until, in a moment, the new ones are there.
        self.progressed.emit()

    def _on_inserted(self, event: Any) -> None:
        """Compare a volume that napari itself has opened on its canvas."""
        layer = event.value
        if self._own_change or not self.follows_viewer:
            return
        if isinstance(layer, Image) and role_of(layer) == "source":
            self.panels.hide_beside(layer)
            self.open_layer(layer)

    def _hide_preview(self, event: Any) -> None:
        """Keep a training's pictures out of the comparison's grid."""
        if role_of(event.value) == "preview":
            self.panels.hide_beside(event.value)

    def _prepare_removal(self) -> None:
        make_canvas_current(self.viewer)

    def _on_removed(self) -> None:
        if self._own_change or self.comparison is None:
            return
        if self.panels.layers:
            self.panels_changed.emit()
        else:
            self.close()
        # Of several layers that go at once, this may have been the last.
        self._prepare_removal()

    # ---- results -------------------------------------------------------------------------------------

    def _on_finished_slices(self, finished: FinishedSlices) -> None:
        index = self.current_slice()
        if index is not None and index in finished.indices:
            self.panels.refresh()
            self._tell_numbers()
        self.measured.emit()
        self.progressed.emit()
        self._on_picture()

    def _on_picture(self) -> None:
        """Paint what has come, and then go on to what has been asked for meanwhile."""
        self._picture_is_due = False
        self._paint.release()
        if self._settings_wait:
            QTimer.singleShot(0, self._take_waiting_settings)

    def _on_idle(self) -> None:
        self._paint.release()
        self._take_waiting_settings()
        if self.viewer.dims.ndisplay == 3:
            self.panels.refresh()
        self.panels.refresh_thumbnails()
        self._saving.write_finished(self.comparison)
        self.progressed.emit()

    def _on_failed(self, error: Exception) -> None:
        self._on_picture()
        self.failed.emit(error)
        self.progressed.emit()

    def _tell_numbers(self) -> None:
        """Write the current slice's PSNR on the canvas."""
        self._told = self.current_slice()
        self._numbers.show(self.comparison, self._told)

    def _end_fill(self) -> None:
        if self.fill is not None:
            self.fill.stop()
            self.fill = None
        self._picture_is_due = self._settings_wait = False
        self._paint.release()
        self._saving.give_up()


def _load(name: str | None) -> "Model":
    """Open a model; one from a file is remembered, so that its name is in the list from now on."""
    from napari_mri_cae.models import load_model
    from napari_mri_cae.models.user_models import remember_model

    model = load_model(name)
    if model.path is None:
        return model
    try:
        remember_model(model)
    except InputError as error:
        logger.warning("%s", error)
    return model

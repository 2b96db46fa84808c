"""How long a slider move takes until all four panels and the numbers show it.

In one run, in one real window, in turns: the bare forward pass of the network on one slice, one repaint of
the four layers, and a slider move from the event to the painted frame, as ratios to the sum of the first two.
Then how many pictures a second a slider shows that is dragged, and the largest gap of the event loop while
the rest of the volume fills in the background.

    python benchmarks/live_view.py [--size 256] [--slices 64] [--moves 60] [--model NAME] [--plot]

Needs a display, or Xvfb (`xvfb-run -s "-screen 0 1600x1200x24"`). Run it on a machine that does nothing else.
"""

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from functools import cache

import napari
import numpy as np
from qtpy.QtCore import QEventLoop, QTimer
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtWidgets import QApplication
from scipy.ndimage import gaussian_filter

from napari_mri_cae.comparison import FinishedSlices
from napari_mri_cae.corruptions import GaussianNoise
from napari_mri_cae.viewer.compare import CompareDock, open_comparison
from napari_mri_cae.volume import Volume


def main() -> None:
    """Measure, print a table and, with --json, the numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=256, help="rows and columns of a slice")
    parser.add_argument("--slices", type=int, default=64)
    parser.add_argument("--moves", type=int, default=60, help="slider moves that are measured")
    parser.add_argument("--model", help="the default shipped one if left out")
    parser.add_argument("--plot", action="store_true", help="with the plot over the slices open")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()

    viewer = napari.Viewer()
    viewer.window.resize(1500, 950)
    dock = open_comparison(viewer, phantom(options.slices, options.size), model=options.model)
    if not dock.wait_until_done(600):
        raise SystemExit("The comparison was not done within 10 minutes: the machine is busy.")
    dock.state.slice_plot = options.plot
    frames = Frames(viewer)
    forward, repaint, moves = measure_in_turns(dock, frames, options.moves)
    pictures = measure_drag(dock, frames)
    gaps = measure_gaps(dock)
    floor = statistics.median(forward) + statistics.median(repaint)
    result = {
        "machine": f"{platform.machine()}, {dock.comparison.device_description}",
        "slice": f"{options.size} x {options.size}",
        "forward_ms": milliseconds(forward),
        "repaint_ms": milliseconds(repaint),
        "move_ms": milliseconds(moves),
        "move_over_forward_plus_repaint": {
            "median": statistics.median(moves) / floor,
            "p95": float(np.percentile(moves, 95)) / floor,
        },
        "pictures_a_second_while_dragging": pictures,
        "largest_gap_while_filling_ms": 1e3 * max(gaps),
    }
    viewer.close()
    if options.json:
        print(json.dumps(result, indent=1))
        return
    print(f"{result['machine']}; slices {result['slice']}")
    for name in ("forward_ms", "repaint_ms", "move_ms"):
        times = result[name]
        print(f"{name:12} median {times['median']:6.1f}   p95 {times['p95']:6.1f}")
    ratio = result["move_over_forward_plus_repaint"]
    print(f"move / (forward + repaint): median {ratio['median']:.2f}, p95 {ratio['p95']:.2f}")
    print(f"pictures a second while a slider is dragged: {pictures:.0f}")
    print(f"largest event-loop gap while filling: {result['largest_gap_while_filling_ms']:.0f} ms")


def phantom(slices: int, size: int) -> Volume:
    """Return a smooth random volume."""
    noise = np.random.default_rng(0).random((slices, size, size), dtype=np.float32)
    return Volume.from_array(gaussian_filter(noise, 3), name="phantom")


@cache
def heartbeat() -> QTimer:
    """Return what wakes the event loop where nothing else does."""
    timer = QTimer()
    timer.start(10)
    return timer


def turn() -> None:
    """Turn the event loop once; as in the real one the thread sleeps until there is something to do."""
    heartbeat()
    QApplication.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents)


class Frames:
    """Counts the frames that the canvas has put on screen."""

    def __init__(self, viewer: napari.Viewer) -> None:
        self.count = 0
        window = next(
            widget for widget in QApplication.topLevelWidgets() if widget.findChildren(QOpenGLWidget)
        )
        self._canvas = window.findChildren(QOpenGLWidget)[0]
        self._canvas.frameSwapped.connect(self._swapped)

    def _swapped(self) -> None:
        self.count += 1

    def settle(self) -> None:
        """Let the viewer paint what it still has to, so that one measurement does not pay for the last."""
        end = time.perf_counter() + 0.05
        while time.perf_counter() < end:
            turn()

    def wait_for_next(self, ready: Callable[[], bool] = lambda: True) -> None:
        """Let the viewer work until `ready`, and then until the next frame is on screen."""
        while not ready():
            turn()
        seen = self.count
        self._canvas.update()
        while self.count == seen:
            turn()


def measure_in_turns(
    dock: CompareDock, frames: Frames, repeats: int
) -> tuple[list[float], list[float], list[float]]:
    """Time the bare network, a repaint and a slider move, one after the other, so that they have it alike."""
    forward = bare_network(dock)
    slider = dock.corruption_box.row(GaussianNoise).form.widget("sigma")
    index = dock.session.current_slice()
    times: tuple[list[float], list[float], list[float]] = ([], [], [])

    def repaint() -> None:
        for layer in dock.session.panels.layers.values():
            layer.refresh(thumbnail=False, extent=False, highlight=False)
        frames.wait_for_next()

    def move() -> None:
        slider.value = 0.02 + 0.001 * (len(times[2]) % 50 + 1)
        frames.wait_for_next(lambda: bool(dock.comparison.done[index]) and shown(dock, index))

    for _ in range(repeats):
        for timed, work in zip(times, (forward, repaint, move), strict=True):
            frames.settle()
            start = time.perf_counter()
            work()
            timed.append(time.perf_counter() - start)
    return times


def bare_network(dock: CompareDock) -> Callable[[], None]:
    """Return the bare network on one slice, with the arithmetic that the viewer uses."""
    import torch

    from napari_mri_cae.reconstruction import Reconstructor

    comparison = dock.comparison
    reconstructor = Reconstructor(comparison.model, comparison.device)
    device = reconstructor.device
    network, lower = reconstructor._network, getattr(torch, device.precision)
    channels = 1 + 2 * reconstructor.neighbours
    slices = torch.rand((1, channels, *comparison.original.shape[1:]), device=device.torch_device)
    slices = slices.contiguous(memory_format=torch.channels_last)

    def forward() -> None:
        with (
            torch.inference_mode(),
            torch.autocast(device.torch_device.type, dtype=lower, enabled=lower != torch.float32),
        ):
            network(slices).float().cpu()

    forward()
    return forward


def measure_drag(dock: CompareDock, frames: Frames, seconds: float = 3.0) -> float:
    """Return how many pictures a second are shown while a slider moves every 8 ms, as a mouse drags it."""
    slider = dock.corruption_box.row(GaussianNoise).form.widget("sigma")
    index = dock.session.current_slice()
    pictures: list[float] = []

    def note(finished: FinishedSlices) -> None:
        if index in finished.indices:
            pictures.append(time.perf_counter())

    frames.settle()
    dock.session.fill.finished_slices.connect(note)
    timer = QTimer()
    timer.setInterval(8)
    timer.timeout.connect(lambda: setattr(slider, "value", 0.02 + 0.001 * (time.perf_counter() * 100 % 50)))
    timer.start()
    start = time.perf_counter()
    while time.perf_counter() < start + seconds:
        turn()
    timer.stop()
    dock.session.fill.finished_slices.disconnect(note)
    while not dock.comparison.is_complete:
        turn()
    return len(pictures) / seconds


def shown(dock: CompareDock, index: int) -> bool:
    """Return whether the dock shows the slice's present numbers."""
    value = dock.comparison.metrics["psnr_reconstructed"][index]
    return dock.metrics_box.cells["slice", "psnr", "reconstructed"].text() == f"{value:.2f}"


def measure_gaps(dock: CompareDock) -> list[float]:
    """Return the times between turns of the event loop while the volume fills."""
    dock.state.seed += 1
    gaps, last = [], time.perf_counter()
    while not dock.comparison.is_complete:
        turn()
        now = time.perf_counter()
        gaps.append(now - last)
        last = now
    return gaps


def milliseconds(times: list[float]) -> dict[str, float]:
    """Return the median and the 95th percentile in milliseconds."""
    return {"median": 1e3 * statistics.median(times), "p95": 1e3 * float(np.percentile(times, 95))}


if __name__ == "__main__":
    main()

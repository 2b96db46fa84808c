"""How smooth the viewer stays while a training that was started from its dock uses the whole machine.

In one real window: the times between turns of the event loop at rest, while the dock looks at the data, and
while it follows a run of the default network with one thread for each core; the share that is shorter than
50 ms, and the longest. The window is kept busy as a user would: a volume is scrolled through all the time.

    python benchmarks/train_dock_responsiveness.py [--seconds 60] [--size 128]

Needs a display, or Xvfb (`xvfb-run -s "-screen 0 1600x1200x24"`). Run it on a machine that does nothing else.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

HOME = tempfile.mkdtemp(prefix="mri-cae-")
os.environ["NAPARI_CONFIG"] = ""
os.environ["XDG_DATA_HOME"] = f"{HOME}/data"
os.environ["XDG_CACHE_HOME"] = f"{HOME}/cache"

import napari  # noqa: E402
import nibabel as nib  # noqa: E402
import numpy as np  # noqa: E402
from qtpy.QtWidgets import QApplication  # noqa: E402
from scipy.ndimage import gaussian_filter  # noqa: E402

_SCROLL_S = 0.5


def main() -> None:
    """Measure, and print a table or, with --json, the numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="how long to look at the running training"
    )
    parser.add_argument("--size", type=int, default=128, help="voxels along each axis of the volumes")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()

    viewer = napari.Viewer()
    viewer.window.resize(1500, 950)
    viewer.add_image(smooth(0, options.size), name="volume")
    _, dock = viewer.window.add_plugin_dock_widget("napari-mri-cae", "Train")
    rest = measure(viewer, lambda end: time.perf_counter() < end, 10.0)
    dock.open_folder(write_volumes(Path(HOME) / "volumes", options.size))
    looking = measure(viewer, lambda _: dock.overview_box.is_busy, 0.0)
    dock.state.config = dock.state.config.with_values(
        {
            "epochs": 10_000,
            "steps_per_epoch": 5,
            "schedule": {"kind": "constant"},
            "optimizer.gradient_clip": None,
            "threads": os.cpu_count(),
        }
    )
    turn_until(lambda: not dock.overview_box.is_busy)
    dock.run_box.train_button.click()
    turn_until(lambda: "batch" in dock.progress_box.curves.series or not dock.session.is_going_on)
    if not dock.session.is_going_on:
        raise SystemExit(f"The training did not begin: {dock.progress_box.state.text()}")
    training = measure(viewer, lambda end: time.perf_counter() < end, options.seconds)
    epochs = len(dock.progress_box.curves.series.get("validation", ()))
    speed = dock.progress_box.numbers["speed"].text()
    dock.session.end()
    viewer.close()
    result = {
        "at_rest": summary(rest),
        "looking_at_the_data": summary(looking),
        "training": summary(training),
        "epochs_followed": epochs,
        "slices_per_second": speed,
    }
    if options.json:
        print(json.dumps(result, indent=1))
        return
    for name in ("at_rest", "looking_at_the_data", "training"):
        row = result[name]
        print(
            f"{name:20} {row['turns']:6} turns  below 50 ms: {row['below_50_ms']:.2%}  "
            f"95th percentile {row['p95_ms']:.0f} ms  longest {row['longest_ms']:.0f} ms"
        )
    print(f"{epochs} epochs were followed, at {speed} slices a second")


def measure(viewer: napari.Viewer, goes_on: Callable[[float], bool], seconds: float) -> list[float]:
    """Return the times between turns of the event loop, in seconds, while a volume is scrolled through."""
    end = time.perf_counter() + seconds
    gaps, last = [], time.perf_counter()
    scrolled = last
    while goes_on(end):
        turn()
        now = time.perf_counter()
        gaps.append(now - last)
        last = now
        if now - scrolled > _SCROLL_S:
            scrolled = now
            viewer.dims.set_current_step(0, (viewer.dims.current_step[0] + 1) % 100)
    return gaps


def turn() -> None:
    """Turn the event loop once; like the real one it sleeps in between."""
    QApplication.processEvents()
    time.sleep(0.0005)


def turn_until(condition: Callable[[], bool]) -> None:
    """Turn the event loop until something holds."""
    while not condition():
        turn()


def smooth(seed: int, size: int) -> np.ndarray:
    """Return a smooth random volume."""
    noise = np.random.default_rng(seed).random((size,) * 3, dtype=np.float32)
    return np.asarray(gaussian_filter(noise, 3))


def write_volumes(folder: Path, size: int) -> Path:
    """Write a folder of five volumes."""
    folder.mkdir(parents=True)
    for number in range(5):
        voxels = smooth(number, size)
        voxels = (voxels - voxels.min()) / np.ptp(voxels) * 1000
        nib.save(
            nib.Nifti1Image(voxels.astype(np.int16), np.diag([-1, 1, 1, 1])), folder / f"{number}.nii.gz"
        )
    return folder


def summary(gaps: list[float]) -> dict[str, float]:
    """Return how smooth the loop turned."""
    milliseconds = 1e3 * np.array(gaps)
    return {
        "turns": len(gaps),
        "below_50_ms": float((milliseconds < 50).mean()),
        "p95_ms": float(np.percentile(milliseconds, 95)),
        "longest_ms": float(milliseconds.max()),
    }


if __name__ == "__main__":
    main()

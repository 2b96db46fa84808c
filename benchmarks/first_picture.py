"""How long it takes from a file to its first picture in the Compare dock.

    python benchmarks/first_picture.py FILE... [--repeats 3]

In one real window, with torch and the default model loaded by a small comparison before: from `open_path` to
the frame with all four panels of the slice on screen; beside it, in the same turn, what `Volume.load` alone
takes. Wall time, the best of the repeats. Needs a display, or Xvfb.
"""

import argparse
import time
from pathlib import Path

import napari
import numpy as np

from live_view import Frames, turn
from napari_mri_cae import Volume
from napari_mri_cae.viewer.compare import CompareDock, open_comparison


def main() -> None:
    """Time every file and print it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    viewer = napari.Viewer()
    viewer.window.resize(1500, 950)
    small = Volume.from_array(np.random.default_rng(0).random((16, 64, 64), np.float32), name="small")
    dock = open_comparison(viewer, small)
    if not dock.wait_until_done(300):
        raise SystemExit("The comparison was not done within 5 minutes: the machine is busy.")
    frames = Frames(viewer)
    for file in options.files:
        shown, loaded = [], []
        for _ in range(options.repeats):
            dock.session.close()
            viewer.layers.clear()
            frames.settle()
            start = time.perf_counter()
            Volume.load(file).frame(0)
            loaded.append(time.perf_counter() - start)
            shown.append(first_picture(dock, frames, file))
        print(f"{file.name}: first picture {min(shown):.2f} s, of it reading {min(loaded):.2f} s")
    viewer.close()


def first_picture(dock: CompareDock, frames: Frames, file: Path) -> float:
    """Return the seconds from opening a file to the frame that shows a slice's comparison."""
    start = time.perf_counter()
    dock.open_path(file)

    def is_shown() -> bool:
        index = dock.session.current_slice()
        return index is not None and bool(dock.comparison.done[index])

    frames.wait_for_next(is_shown)
    seconds = time.perf_counter() - start
    dock.state.fill = False
    while dock.session.fill.is_running:
        turn()
    dock.state.fill = True
    return seconds


if __name__ == "__main__":
    main()

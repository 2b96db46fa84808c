"""Peak memory of comparing a volume, in float32 arrays of its size.

    python benchmarks/peak_memory.py [--second] [--viewer] [--sizes 96 144]

For each size a cube is written as .nii.gz and compared from file to summary, in a process of its own: the
largest resident size over that of the same process after a comparison of 16 slices, when torch, the network
and its buffers are there. The slope between two sizes is what a voxel costs; what is left is the constant.
With --viewer it is the Compare dock in a real window that does it, which needs a display, or Xvfb.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import numpy as np

_SECOND: Final = "denoiser-any"
_KILOBYTE: Final = 1 if sys.platform == "darwin" else 1024


def main() -> None:
    """Measure every size in a process of its own and print the slope."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--second", action="store_true", help="with a second model")
    parser.add_argument("--viewer", action="store_true", help="in the Compare dock")
    parser.add_argument("--sizes", type=int, nargs="+", default=[96, 144], help="edges of the cubes")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one is not None:
        compare = compare_in_viewer if options.viewer else compare_in_core
        print(json.dumps(compare(options.one, options.second)))
        return
    flags = [name for name in ("--second", "--viewer") if getattr(options, name[2:])]
    voxels, peaks = [], []
    for edge in options.sizes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"cube-{edge}.nii.gz"
            # Written by another process: a child's peak on Linux begins at its parent's size.
            subprocess.run([sys.executable, "-c", _WRITE, str(path), str(edge)], check=True)
            command = [sys.executable, __file__, "--one", str(path), *flags]
            finished = subprocess.run(command, check=True, capture_output=True, text=True)
        measured = json.loads(finished.stdout.splitlines()[-1])
        voxels.append(edge**3)
        peaks.append(measured["peak"] - measured["before"])
        print(
            f"{edge}^3: {peaks[-1] / 2**20:7.1f} MiB over {measured['before'] / 2**20:.0f} MiB, "
            f"{peaks[-1] / (4 * voxels[-1]):5.2f} arrays"
        )
    if len(peaks) > 1:
        slope = np.polyfit(voxels, peaks, 1)
        print(f"{slope[0] / 4:.2f} float32 arrays a volume and {slope[1] / 2**20:.0f} MiB")


_WRITE = """
import sys, nibabel, numpy as np
path, edge = sys.argv[1], int(sys.argv[2])
axes = np.meshgrid(*(np.linspace(-1, 1, edge),) * 3, indexing="ij", sparse=True)
inside = sum(axis**2 for axis in axes) < 0.6
voxels = np.where(inside, np.random.default_rng(0).normal(600, 60, (edge,) * 3), 0).astype(np.int16)
nibabel.save(nibabel.Nifti1Image(voxels, np.eye(4)), path)
"""


def peak() -> int:
    """Return the largest resident size of this process so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KILOBYTE


def compare_in_core(path: Path, with_second: bool) -> dict[str, int]:
    """Compare by the Python API."""
    from napari_mri_cae import Comparison, Volume
    from napari_mri_cae.corruptions import GaussianNoise

    edge = int(path.name.split("-")[1].split(".")[0])
    second = _SECOND if with_second else None

    def compare(volume: Volume) -> None:
        comparison = Comparison(volume, corruptions=[GaussianNoise(sigma=0.03)], second_model=second)
        for _ in comparison.run():
            pass
        comparison.summary()

    compare(Volume.from_array(np.random.default_rng(0).random((16, edge, edge), np.float32)))
    before = _shrink()
    compare(Volume.load(path))
    return {"before": before, "peak": peak()}


def _shrink() -> int:
    """Forget the peak so far, where the system can, and return the resident size."""
    clear = Path("/proc/self/clear_refs")
    if clear.exists():
        clear.write_text("5")
    return peak()


def compare_in_viewer(path: Path, with_second: bool) -> dict[str, int]:
    """Compare in the Compare dock."""
    import napari

    from napari_mri_cae import Volume
    from napari_mri_cae.viewer.compare import open_comparison

    viewer = napari.Viewer()
    edge = int(path.name.split("-")[1].split(".")[0])
    small = Volume.from_array(np.random.default_rng(0).random((16, edge, edge), np.float32), name="small")
    dock = open_comparison(viewer, small)
    if with_second:
        dock.state.second_model = _SECOND
    assert dock.wait_until_done(600)
    dock.session.close()
    viewer.layers.clear()
    before = _shrink()
    dock.open_path(path)
    while dock.comparison is None:
        dock.wait_until_done(0.1)
    assert dock.wait_until_done(3600)
    after = peak()
    viewer.close()
    return {"before": before, "peak": after}


if __name__ == "__main__":
    main()

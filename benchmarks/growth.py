"""How time and memory grow with the number of slices, with their size and with the number of subjects.

    python benchmarks/growth.py [--repeats 3] [--plot docs/images/growth.svg]

Comparisons of made-up volumes, and evaluations of several of them, by the default model, each in a process of
its own after a first small comparison that loads everything: CPU time, the best of the repeats, and the
largest resident size over that before. Prints a straight line through the points of each, and its R^2.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

_KILOBYTE: Final = 1 if sys.platform == "darwin" else 1024
_WIDTH, _HEIGHT, _MARGIN = 260, 170, 46


@dataclass(frozen=True)
class Series:
    """What is varied: its values, and how they are counted on the axis."""

    name: str
    axis: str
    values: tuple[int, ...]

    def count(self, value: int) -> float:
        """Return the value's place on the axis."""
        return value**2 / 1e3 if self.name == "size" else value


SERIES: Final = (
    Series("slices", "slices of 128 x 128", (32, 64, 96, 128, 192, 256)),
    Series("size", "thousand pixels of each of 32 slices", (64, 96, 128, 160, 192, 224, 256)),
    Series("subjects", "subjects of 32 slices of 128 x 128", (1, 2, 4, 6, 8, 12)),
)


def main() -> None:
    """Measure every point in a process of its own, print the lines and draw them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--plot", type=Path, help="an SVG file for the plots")
    parser.add_argument("--one", nargs=2, metavar=("SERIES", "VALUE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one is not None:
        print(json.dumps(measure(options.one[0], int(options.one[1]))))
        return
    panels = []
    for series in SERIES:
        points = [_best(series.name, value, options.repeats) for value in series.values]
        at = np.array([series.count(value) for value in series.values])
        for quantity, unit in (("time", "s"), ("memory", "MiB")):
            measured = np.array([point[quantity] for point in points])
            slope, start = np.polyfit(at, measured, 1)
            fit = r_squared(measured, start + slope * at)
            print(
                f"{quantity} over {series.axis}: {start:.4g} + {slope:.4g} x {unit}, R^2 = {fit:.4f}; "
                + ", ".join(f"{one:.3g}" for one in measured)
            )
            panels.append((f"{quantity} ({unit})", series.axis, at, measured, (start, slope), fit))
    if options.plot is not None:
        options.plot.write_text(draw(panels), encoding="utf-8")


def r_squared(measured: np.ndarray, fitted: np.ndarray) -> float:
    """Return the share of the variance that a line explains; 1 where there is nothing to explain."""
    total = ((measured - measured.mean()) ** 2).sum()
    return 1 - float(((measured - fitted) ** 2).sum() / total) if total else 1.0


def _best(name: str, value: int, repeats: int) -> dict[str, float]:
    """Return the least of several measurements."""
    command = [sys.executable, __file__, "--one", name, str(value)]
    runs = [
        json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        for _ in range(repeats)
    ]
    return {quantity: min(run[quantity] for run in runs) for quantity in ("time", "memory")}


def measure(name: str, value: int) -> dict[str, float]:
    """Return CPU seconds and MiB of one point."""
    with tempfile.TemporaryDirectory() as folder:
        edge = value if name == "size" else 128
        shape = (value if name == "slices" else 32, edge, edge)
        paths = [Path(folder) / f"sub-{number:02}_T1w.nii.gz" for number in range(12)]
        paths = paths[: value if name == "subjects" else 1]
        command = [sys.executable, "-c", _WRITE, *map(str, shape), *map(str, paths)]
        # Written by another process, which leaves nothing in this one's memory.
        subprocess.run(command, check=True)
        compare(None)
        before, start = peak(), time.process_time()
        if name == "subjects":
            evaluate(paths)
        else:
            compare(paths[0])
        return {"time": time.process_time() - start, "memory": (peak() - before) / 2**20}


_WRITE: Final = """
import sys, nibabel, numpy as np
from scipy.ndimage import gaussian_filter
shape, paths = tuple(map(int, sys.argv[1:4])), sys.argv[4:]
for seed, path in enumerate(paths):
    noise = gaussian_filter(np.random.default_rng(seed).random(shape), 2)
    image = nibabel.Nifti1Image((1e4 * noise).astype(np.int16).transpose(2, 1, 0), np.eye(4))
    nibabel.save(image, path)
"""


def peak() -> int:
    """Return the largest resident size of this process so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KILOBYTE


def compare(path: Path | None) -> None:
    """Compare a file, or something small, from reading to summary."""
    from napari_mri_cae import Comparison, Volume
    from napari_mri_cae.corruptions import GaussianNoise

    if path is None:
        volume = Volume.from_array(np.random.default_rng(0).random((8, 32, 32), np.float32))
    else:
        volume = Volume.load(path)
    comparison = Comparison(volume, corruptions=[GaussianNoise(sigma=0.03)])
    for _ in comparison.run():
        pass
    comparison.summary()


def evaluate(paths: list[Path]) -> None:
    """Evaluate the default model on files, and keep the rows."""
    from napari_mri_cae.corruptions import GaussianNoise
    from napari_mri_cae.evaluation import Evaluation, summarize

    evaluation = Evaluation(paths, [None], [GaussianNoise(sigma=0.03)])
    summarize([row for batch in evaluation.run() for row in batch])


def draw(panels: list[tuple[str, str, np.ndarray, np.ndarray, tuple[float, float], float]]) -> str:
    """Return the panels as SVG: time above, memory below."""
    columns = len(panels) // 2
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{columns * _WIDTH}" height="{2 * _HEIGHT}" '
        'font-family="sans-serif" font-size="10">'
        f'<rect width="{columns * _WIDTH}" height="{2 * _HEIGHT}" fill="white"/>'
    ]
    for number, (quantity, axis, at, measured, (start, slope), fit) in enumerate(panels):
        left, top = (number // 2) * _WIDTH + _MARGIN, (number % 2) * _HEIGHT + 20
        width, height = _WIDTH - _MARGIN - 14, _HEIGHT - 56
        most_x, most_y = 1.05 * at.max(), 1.1 * measured.max()

        def place(
            x: float, y: float, *, box=(left, top, width, height, most_x, most_y)
        ) -> tuple[float, float]:
            return box[0] + box[2] * x / box[4], box[1] + box[3] * (1 - y / box[5])

        parts.append(
            f'<rect x="{left}" y="{top}" width="{width}" height="{height}" fill="none" stroke="#999"/>'
        )
        (x1, y1), (x2, y2) = place(0, max(start, 0)), place(most_x, start + slope * most_x)
        parts.append(f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="#56b4e9" stroke-width="2"/>')
        for x, y in (place(*point) for point in zip(at, measured, strict=True)):
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="#d55e00"/>')
        for x in (0, at.max()):
            parts.append(
                f'<text x="{place(x, 0)[0]:.1f}" y="{top + height + 12}" text-anchor="middle">{x:.4g}</text>'
            )
        for y in (0, measured.max()):
            parts.append(
                f'<text x="{left - 4}" y="{place(0, y)[1] + 3:.1f}" text-anchor="end">{y:.3g}</text>'
            )
        parts.append(
            f'<text x="{left + width / 2}" y="{top + height + 25}" text-anchor="middle">{axis}</text>'
            f'<text x="{left}" y="{top - 6}">{quantity}, R² = {fit:.4f}</text>'
        )
    return "".join(parts) + "</svg>\n"


if __name__ == "__main__":
    main()

"""How long `import napari_mri_cae`, and reading the manifest, take in a fresh interpreter.

    python benchmarks/import_time.py [--runs 15] [--limit 0.3]

Prints the median and the range of each, in seconds, and exits with 1 if a median is over the limit. napari
reads every plugin's manifest when it starts, so this is what the plugin costs people who are not using it.
"""

import argparse
import statistics
import subprocess
import sys

# What is there before the clock starts (npe2, whose own import is no cost of the plugin), and what is timed.
TIMED = {
    "import napari_mri_cae": ("", "import napari_mri_cae"),
    "read the manifest": (
        "from npe2 import PluginManifest",
        "PluginManifest.from_distribution('napari-mri-cae')",
    ),
}

PROGRAM = """
from time import perf_counter
{before}
start = perf_counter()
{timed}
print(perf_counter() - start)
"""


def seconds(before: str, timed: str) -> float:
    """Return how long a statement takes in a fresh interpreter."""
    command = [sys.executable, "-c", PROGRAM.format(before=before, timed=timed)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def main() -> int:
    """Measure, print, and compare with the limit."""
    parser = argparse.ArgumentParser(description="Time the import and the reading of the manifest.")
    parser.add_argument("--runs", type=int, default=15, help="fresh interpreters for each")
    parser.add_argument("--limit", type=float, default=0.3, help="seconds that a median may take")
    options = parser.parse_args()

    slow = False
    for name, (before, timed) in TIMED.items():
        seconds(before, timed)  # the first run fills the file cache and writes the byte code
        times = [seconds(before, timed) for _ in range(options.runs)]
        median = statistics.median(times)
        slow |= median > options.limit
        print(f"{name:24} {median:.3f} s   ({min(times):.3f} to {max(times):.3f}, {options.runs} runs)")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())

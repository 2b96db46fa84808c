"""Time and peak memory of reading a volume, against nibabel, each in processes of their own.

    python benchmarks/read_volume.py [VOLUME] [--repeats N]

Without a file, a made-up 256 x 256 x 176 volume of 16-bit integers with a slope is read. Time is the best of
the repeats, with the libraries imported and the file in the page cache. Peak memory is a fresh process's
largest resident size over what it was before reading. The readers take turns, so that both meet the same
other load.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

READERS = {
    "nibabel get_fdata": "import nibabel\ndef read(path):\n    return nibabel.load(path).get_fdata()",
    "Volume.load": "from napari_mri_cae import Volume\ndef read(path):\n    return Volume.load(path).data",
}

MEASURE = """
import json, resource, sys, tempfile, time
from pathlib import Path
import nibabel, numpy
path, repeats = sys.argv[1], int(sys.argv[2])
{reader}
# Reads something small first, so that imports on first use count for neither.
with tempfile.TemporaryDirectory() as folder:
    small = str(Path(folder) / "small.nii.gz")
    nibabel.save(nibabel.Nifti1Image(numpy.zeros((8, 8, 8), numpy.int16), numpy.eye(4)), small)
    read(small)
kilobyte = 1 if sys.platform == "darwin" else 1024
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * kilobyte
before = peak()
seconds = []
for repeat in range(repeats):
    start = time.perf_counter()
    data = read(path)
    seconds.append(time.perf_counter() - start)
    if repeat == 0:
        bytes_read = peak() - before
    del data
print(json.dumps({{"seconds": min(seconds), "bytes": bytes_read}}))
"""


def measure(reader: str, path: str, repeats: int) -> dict[str, float]:
    """Return the seconds and bytes that one reader takes."""
    program = MEASURE.format(reader=READERS[reader])
    command = [sys.executable, "-c", program, path, str(repeats)]
    finished = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(finished.stdout))


ROUNDS = 3


def make_volume(path: Path) -> None:
    """Write a volume whose voxels compress about as badly as a brain's do."""
    import nibabel
    import numpy as np

    generator = np.random.default_rng(0)
    shape = (256, 256, 176)
    axes = np.meshgrid(*(np.linspace(-1, 1, length) for length in shape), indexing="ij", sparse=True)
    inside = sum(axis**2 for axis in axes) < 0.6
    stored = np.where(inside, generator.normal(600, 60, shape), 0).astype(np.int16)
    image = nibabel.Nifti1Image(stored, np.diag([1, 1, 1, 1]))
    image.header.set_slope_inter(0.5, 0)
    nibabel.save(image, path)


def main() -> None:
    """Print both readers' numbers and their ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("volume", nargs="?")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--make", action="store_true", help="write the made-up volume there and stop")
    arguments = parser.parse_args()
    if arguments.make:
        make_volume(Path(arguments.volume))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = arguments.volume
        if path is None:
            path = str(Path(folder) / "volume.nii.gz")
            # In a process of its own: a child's peak on Linux begins at its parent's size.
            subprocess.run([sys.executable, __file__, "--make", path], check=True)
        rounds = [
            {reader: measure(reader, path, arguments.repeats) for reader in READERS} for _ in range(ROUNDS)
        ]
    results = {
        reader: {unit: min(one[reader][unit] for one in rounds) for unit in ("seconds", "bytes")}
        for reader in READERS
    }
    for reader, result in results.items():
        print(f"{reader:20s} {result['seconds'] * 1e3:8.1f} ms {result['bytes'] / 1e6:8.1f} MB")
    theirs, ours = results.values()
    print(
        f"{'ratio':20s} {ours['seconds'] / theirs['seconds']:8.2f}    {ours['bytes'] / theirs['bytes']:8.2f}"
    )


if __name__ == "__main__":
    main()

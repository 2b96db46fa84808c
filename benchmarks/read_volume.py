"""Time and peak memory of reading a volume, against nibabel, each in processes of their own.

    python benchmarks/read_volume.py [VOLUME] [--repeats N] [--frame T]

Of a .nii.gz also the time to decompress it alone, beside nibabel, isal's `igzip` and indexed_gzip, if they
are installed: CPU time, in turns, the best of the repeats.

With --frame, of a series only that frame. Without a file, a made-up 256 x 256 x 176 volume of 16-bit integers
with a slope is read, or a series of 300 frames of 64 x 64 x 40, plain and compressed. Time is the best of
the repeats, with the libraries imported and the file in the page cache. Peak memory is a fresh process's
largest resident size over what it was before reading. The readers take turns, so that both meet the same
other load.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

READERS = {
    "nibabel get_fdata": "import nibabel\ndef read(path):\n    return nibabel.load(path).get_fdata()",
    "Volume.load": "from napari_mri_cae import Volume\ndef read(path):\n    return Volume.load(path).data",
}
FRAME_READERS = {
    "nibabel dataobj[..., t]": (
        "import nibabel\ndef read(path):\n"
        "    proxy = nibabel.load(path).dataobj\n"
        "    return proxy[..., min({frame}, proxy.shape[-1] - 1)]"
    ),
    "Volume.load, frame(t)": (
        "from napari_mri_cae import Volume\ndef read(path):\n"
        "    volume = Volume.load(path)\n"
        "    return volume.frame(min({frame}, volume.n_frames - 1)).data"
    ),
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
    """Return the seconds and bytes that one reader, a definition of `read`, takes."""
    program = MEASURE.format(reader=reader)
    command = [sys.executable, "-c", program, path, str(repeats)]
    finished = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(finished.stdout))


ROUNDS = 3
_PART = 1 << 20


def decoders(path: str) -> dict[str, Callable[[], int]]:
    """Return, by name, functions that decompress a whole file and return its length."""
    from nibabel.openers import ImageOpener

    from napari_mri_cae.volume.streams import GzipStream

    def drain(stream: Any) -> int:
        buffer, total = memoryview(bytearray(_PART)), 0
        while count := stream.readinto(buffer):
            total += count
        return total

    def ours() -> int:
        with Path(path).open("rb", buffering=0) as file:
            return drain(GzipStream(file))

    def nibabel() -> int:
        with ImageOpener(path, mode="rb") as file:
            return drain(file)

    found = {"ours": ours, "nibabel": nibabel}
    with suppress(ImportError):
        from isal import igzip

        def with_isal() -> int:
            with igzip.open(path, "rb") as file:
                return drain(file)

        found["isal igzip"] = with_isal
    with suppress(ImportError):
        from indexed_gzip import IndexedGzipFile

        def with_index() -> int:
            with IndexedGzipFile(path) as file:
                return drain(file)

        found["indexed_gzip"] = with_index
    return found


def print_decoding(path: str, repeats: int) -> None:
    """Print how long every decoder takes, and that over ours."""
    functions = decoders(path)
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(max(repeats, 3)):
        for name, decode in functions.items():
            start = time.process_time()
            decode()
            seconds[name].append(time.process_time() - start)
    for name, times in seconds.items():
        print(f"decode, {name:12s} {1e3 * min(times):8.1f} ms   {min(times) / min(seconds['ours']):5.2f}")


def make_volume(path: Path, *, is_series: bool) -> None:
    """Write a volume, or a series, whose voxels compress about as badly as a brain's do."""
    import nibabel
    import numpy as np

    generator = np.random.default_rng(0)
    shape = (64, 64, 40) if is_series else (256, 256, 176)
    axes = np.meshgrid(*(np.linspace(-1, 1, length) for length in shape), indexing="ij", sparse=True)
    inside = sum(axis**2 for axis in axes) < 0.6
    frames = [
        np.where(inside, generator.normal(600, 60, shape), 0).astype(np.int16)
        for _ in range(300 if is_series else 1)
    ]
    image = nibabel.Nifti1Image(np.stack(frames, axis=-1) if is_series else frames[0], np.diag([1, 1, 1, 1]))
    image.header.set_slope_inter(0.5, 0)
    nibabel.save(image, path)


def main() -> None:
    """Print both readers' numbers and their ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("volume", nargs="?")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--frame", type=int, help="of a series, read this frame alone")
    parser.add_argument("--make", action="store_true", help="write the made-up file there and stop")
    arguments = parser.parse_args()
    if arguments.make:
        make_volume(Path(arguments.volume), is_series=arguments.frame is not None)
        return
    with tempfile.TemporaryDirectory() as folder:
        paths = [arguments.volume]
        if arguments.volume is None:
            flags = [] if arguments.frame is None else ["--frame", "0"]
            suffixes = (".nii.gz",) if arguments.frame is None else (".nii", ".nii.gz")
            paths = [str(Path(folder) / f"made-up{suffix}") for suffix in suffixes]
            for path in paths:
                # In a process of its own: a child's peak on Linux begins at its parent's size.
                subprocess.run([sys.executable, __file__, "--make", path, *flags], check=True)
        for path in paths:
            print(Path(path).name)
            print_reading(path, arguments.repeats, arguments.frame)
            if path.endswith(".gz"):
                print_decoding(path, arguments.repeats)


def print_reading(path: str, repeats: int, frame: int | None) -> None:
    """Print what both readers take, and ours over theirs."""
    readers = READERS
    if frame is not None:
        readers = {name: reader.format(frame=frame) for name, reader in FRAME_READERS.items()}
    rounds = [
        {name: measure(reader, path, repeats) for name, reader in readers.items()} for _ in range(ROUNDS)
    ]
    results = {
        name: {unit: min(one[name][unit] for one in rounds) for unit in ("seconds", "bytes")}
        for name in readers
    }
    for name, result in results.items():
        print(f"{name:24s} {result['seconds'] * 1e3:8.1f} ms {result['bytes'] / 1e6:8.1f} MB")
    theirs, ours = results.values()
    memory = f"{ours['bytes'] / theirs['bytes']:8.2f}" if theirs["bytes"] else ""
    print(f"{'ratio':24s} {ours['seconds'] / theirs['seconds']:8.2f}    {memory}")


if __name__ == "__main__":
    main()

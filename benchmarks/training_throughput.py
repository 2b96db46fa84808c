"""How many slices a second a training learns from, beside keras.fit on the same network, batch and cores.

Our side is the real thing: `train` on volumes in files, with the recipe's augmentation, recording and all.
Keras's is keras.fit in float32 on arrays in memory, without augmentation. The two take turns, and the median
is shown, and beside it the CPU time for a thousand slices, which other work on the machine disturbs less.

Keras wants an environment of its own:

    python -m venv /tmp/keras && /tmp/keras/bin/pip install keras tensorflow-cpu
    python benchmarks/training_throughput.py --keras /tmp/keras/bin/python
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

# Network, side of its slices, batch.
CASES = (("uoc2021-residual-unet", 128, 32), ("datacamp2018", 176, 32))


def ours(
    network: str, size: int, batch: int, steps: int, epochs: int, threads: int, precision: str
) -> dict[str, Any]:
    """Train a recipe on volumes of noise, and return what `training_throughput_keras.py` prints."""
    from napari_mri_cae import train
    from napari_mri_cae.training import load_recipe

    rates: list[float] = []
    cpu: list[float] = []

    def note(event: Any) -> None:
        if event["event"] == "validation":
            # Of the epoch's training; its validation, on a single slice, is not counted.
            rates.append(event["slices_per_second"])
            cpu.append(time.process_time())

    with tempfile.TemporaryDirectory() as folder:
        os.environ["NAPARI_MRI_CAE_CACHE"] = f"{folder}/cache"
        data = Path(folder) / "data"
        data.mkdir()
        rng = np.random.default_rng(0)
        plane = load_recipe(network).planes[0]
        shape = (size, size, 32) if plane == "sagittal" else (size, 32, size)
        for number in range(-(-batch * 4 // 32) + 1):
            voxels = rng.integers(0, 1000, shape).astype(np.int16)
            affine = np.array([[0, 0, -1, 0], [0, -1, 0, 0], [-1, 0, 0, 0], [0, 0, 0, 1]])
            nib.save(nib.Nifti1Image(voxels, affine), data / f"{number}.nii")
        config = load_recipe(network).with_values(
            {
                "data": [{"folder": str(data), "validation": ["0"]}],
                "slices": {"rule": "all"},
                "sampling.resize_to": None,
                "batch_size": batch,
                "steps_per_epoch": steps,
                "epochs": epochs,
                "early_stopping": None,
                "validation.sigmas": [],
                "validation.slices_per_plane": 1,
                "precision": precision,
                "threads": threads,
            }
        )
        train(config, Path(folder) / "run", on_event=note)
    seconds = np.diff(cpu)
    return {
        "slices_per_second": rates[1:],
        "cpu_seconds_per_1000": (1000 * seconds / (batch * steps)).tolist(),
    }


def in_turn(case: tuple[str, int, int], options: argparse.Namespace) -> None:
    """Measure both sides several times, one after the other, and print a line of the table."""
    network, size, batch = case
    numbers = [str(number) for number in (size, batch, options.steps, options.epochs, options.threads)]
    found: dict[str, list[dict[str, Any]]] = {}
    for _ in range(options.rounds):
        for side in ("float32", "native"):
            command = [sys.executable, __file__, "--side", side, network, *numbers]
            found.setdefault(f"ours, {side}", []).append(_report(command))
        if options.keras:
            script = Path(__file__).with_name("training_throughput_keras.py")
            found.setdefault("keras.fit", []).append(_report([options.keras, str(script), network, *numbers]))
    keras = _median(found.get("keras.fit", []), "slices_per_second")
    print(f"{network}, {size} x {size}, batch {batch}, {options.threads} threads")
    for name, reports in found.items():
        rate = _median(reports, "slices_per_second")
        times = f", {rate / keras:.2f} x" if keras else ""
        cpu = _median(reports, "cpu_seconds_per_1000")
        print(f"  {name:16} {rate:6.1f} slices/s{times}; {cpu:.1f} CPU s / 1000", flush=True)


def _report(command: list[str]) -> dict[str, Any]:
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return report


def _median(reports: list[dict[str, Any]], what: str) -> float:
    values = [value for report in reports for value in report.get(what, [])]
    return statistics.median(values) if values else 0.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--keras", metavar="PYTHON", help="an interpreter that has keras and tensorflow-cpu")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=12, help="in an epoch")
    parser.add_argument("--epochs", type=int, default=4, help="of which the first is not counted")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--only", choices=[case[0] for case in CASES], help="one network alone")
    parser.add_argument("--side", nargs=7, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        side, network, *numbers = options.side
        precision = "32-true" if side == "float32" else "auto"
        print(json.dumps(ours(network, *map(int, numbers), precision=precision)))
        return
    for case in CASES:
        if options.only in (None, case[0]):
            in_turn(case, options)


if __name__ == "__main__":
    main()

"""How far imported models are from Keras itself, for a folder of Keras files.

    python benchmarks/keras_parity.py FOLDER [--references FOLDER] [--keras PYTHON]

FOLDER holds whole models (.h5, .keras), such as those published with the uoc2021 thesis. Keras's own
outputs come from `--references`, files NAME.npz with the arrays x and y, (N, H, W, 1), and from `--keras`,
a Python that has Keras and can open the files: for the published ones TensorFlow 2.15.1, in an environment
of its own (`python -m venv keras && keras/bin/pip install tensorflow-cpu==2.15.1`). That one is given
made-up slices of two sizes, pure noise among them. Each model also goes through our own model file, which
must change no bit.

Columns: the furthest that an output is from Keras's; the furthest that Keras itself, which computes in
float32, is from the same network computed in float64. The exit status is 1 where an output is more than
1e-5 from Keras's, and further than Keras is from the exact result.
"""

import argparse
import copy
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from napari_mri_cae.errors import InputError
from napari_mri_cae.models import import_keras, read_model, save_model
from napari_mri_cae.models.keras import SUFFIXES

ATOL = 1e-5
SIZES = ((128, 128), (96, 160))
Array = npt.NDArray[np.float32]

# Runs in the other Python. The input's size is set free first, so that a model takes slices of any.
KERAS = """
import os, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras, numpy
slices = numpy.load(sys.argv[2])
model = keras.models.load_model(sys.argv[1], compile=False)
config = model.get_config()
for name in ("batch_input_shape", "batch_shape"):
    if name in config["layers"][0]["config"]:
        config["layers"][0]["config"][name] = (None, None, None, 1)
free = type(model).from_config(config)
free.set_weights(model.get_weights())
numpy.savez(sys.argv[3], **{name: numpy.asarray(free(slices[name], training=False)) for name in slices})
"""


def made_up_slices() -> dict[str, Array]:
    """Return, for each size, a slice of noise and one of smooth shapes with some noise, in [0, 1]."""
    rng = np.random.default_rng(0)
    slices = {}
    for height, width in SIZES:
        rows, columns = np.sin(np.arange(height) / 9), np.cos(np.arange(width) / 13)
        noise = rng.random((2, height, width))
        smooth = 0.5 + 0.25 * np.add.outer(rows, columns) + 0.05 * noise[1]
        both = np.stack([noise[0], np.clip(smooth, 0, 1)]).astype(np.float32)
        slices[f"{height} x {width}"] = both[..., None]
    return slices


def ask_keras(python: str, path: Path, slices: dict[str, Array], folder: Path) -> dict[str, Array]:
    """Return what the Keras of another Python makes of slices."""
    given, made = folder / "slices.npz", folder / "outputs.npz"
    np.savez(given, **slices)
    subprocess.run([python, "-c", KERAS, path, given, made], check=True, stderr=subprocess.DEVNULL)
    with np.load(made) as outputs:
        return dict(outputs)


def references(path: Path, arguments: argparse.Namespace, folder: Path) -> Iterator[tuple[str, Array, Array]]:
    """Yield what each reference is, the slices and Keras's outputs."""
    if arguments.references and (stored := arguments.references / f"{path.stem}.npz").exists():
        with np.load(stored) as arrays:
            yield "stored", arrays["x"], arrays["y"]
    if arguments.keras:
        slices = made_up_slices()
        outputs = ask_keras(arguments.keras, path, slices, folder)
        for size, given in slices.items():
            yield size, given, outputs[size]


def run(network: torch.nn.Module, slices: Array) -> Array:
    """Return what a network makes of slices (N, H, W, 1)."""
    with torch.inference_mode():
        outputs: Array = network(torch.from_numpy(slices).permute(0, 3, 1, 2)).permute(0, 2, 3, 1).numpy()
    return outputs


def exact(network: torch.nn.Module, slices: Array) -> npt.NDArray[np.float64]:
    """Return what a network makes of slices (N, H, W, 1) in float64."""
    double = copy.deepcopy(network).double()
    with torch.inference_mode():
        given = torch.from_numpy(slices).double().permute(0, 3, 1, 2)
        outputs: npt.NDArray[np.float64] = double(given).permute(0, 2, 3, 1).numpy()
    return outputs


def main() -> int:
    """Compare as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--references", type=Path, metavar="FOLDER", help="of NAME.npz with x and y")
    parser.add_argument("--keras", metavar="PYTHON", help="a Python with a Keras that opens the files")
    arguments = parser.parse_args()
    paths = [path for path in sorted(arguments.folder.iterdir()) if path.suffix in SUFFIXES]
    if not paths:
        raise SystemExit(f"{arguments.folder} has no Keras files.")
    failed = False
    print(f"{'file':48} {'parameters':>10} {'slices':>10} {'from Keras':>10} {'Keras from exact':>16}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path in paths:
            model = import_keras(path)
            saved = read_model(save_model(model, folder / "model.safetensors"))
            for what, slices, expected in references(path, arguments, folder):
                outputs = run(model.network, slices)
                if not np.array_equal(outputs, run(saved.network, slices)):
                    raise SystemExit(f"{path.name}: our own model file changes the outputs.")
                furthest = float(np.abs(outputs - expected).max())
                rounding = float(np.abs(exact(model.network, slices) - expected).max())
                failed |= furthest > max(ATOL, rounding)
                numbers = f"{model.card.parameters:10,} {what:>10} {furthest:10.1e} {rounding:16.1e}"
                print(f"{path.name:48} {numbers}", flush=True)
    return int(failed)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except InputError as error:
        sys.exit(str(error))

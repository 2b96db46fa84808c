"""What is in a Keras HDF5 file, read by a process that may fail."""

import json
import math
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari_mri_cae.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_PROGRAM: Final = Path(__file__).with_name("hdf5_process.py")
# The process stops itself after so much of its own time; this is for what does not even do that.
_SECONDS: Final = 120.0
_SECONDS_PER_MEGABYTE: Final = 0.5


@dataclass(frozen=True)
class KerasHdf5:
    """The weights of a Keras HDF5 file, and what it says about them."""

    texts: "dict[str, str]"
    """"model_config" and "keras_version", where the file has them."""
    layer_names: tuple[str, ...]
    """In the model's order; empty in the files that do not say."""
    arrays: "dict[str, npt.NDArray[np.float32]]"
    """By path, such as "Conv1/Conv1/kernel:0"."""


def read_hdf5(source: Path | bytes, name: str) -> KerasHdf5:
    """Read a Keras HDF5 file.

    Parameters
    ----------
    source
        The file, or what is in it.
    name
        What errors call it.

    Raises
    ------
    InputError
        If it is damaged, too large to be a model, or refers to anything outside itself.
    """
    # As a file rather than a module, so that nothing but h5py has to be imported; -P keeps the modules beside
    # it from being taken for others of the same name.
    command = [sys.executable, "-P", str(_PROGRAM)]
    if isinstance(source, Path):
        command.append(str(source.absolute()))
        size, given = source.stat().st_size, None
    else:
        size, given = len(source), source
    try:
        done = subprocess.run(
            command,
            input=given,
            stdin=subprocess.DEVNULL if given is None else None,
            capture_output=True,
            timeout=_SECONDS + _SECONDS_PER_MEGABYTE * size / 2**20,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _damaged(name) from None
    if done.returncode > 0:
        # Not the file's fault: whatever that leads to is caught there.
        raise RuntimeError(f"reading HDF5 failed: {done.stderr.decode(errors='replace')[-2000:]}")
    line, _, content = done.stdout.partition(b"\n")
    try:
        head = json.loads(line)
    except ValueError:
        # It was killed, or ran out of memory.
        raise _damaged(name) from None
    if "refused" in head:
        raise InputError(f"{name} cannot be opened: {head['refused']}.")
    if "damaged" in head:
        raise _damaged(name)
    return KerasHdf5(head["texts"], tuple(head["layer_names"]), _unpack(head["arrays"], content))


def _unpack(shapes: list[Any], content: bytes) -> "dict[str, npt.NDArray[np.float32]]":
    import numpy as np

    numbers = np.frombuffer(content, "<f4")
    arrays: dict[str, npt.NDArray[np.float32]] = {}
    start = 0
    for path, shape in shapes:
        end = start + math.prod(shape)
        arrays[path] = numbers[start:end].reshape(shape).astype(np.float32)
        start = end
    return arrays


def _damaged(name: str) -> InputError:
    return InputError(f"{name} is damaged, or is no file that Keras wrote; get it again.")

"""What is in a `.keras` file: a zip archive of JSON and one HDF5 file."""

import json
import zipfile
from pathlib import Path
from typing import Any, Final

from napari_mri_cae.errors import InputError

_LARGEST_JSON: Final = 16 * 2**20
_LARGEST_WEIGHTS: Final = 2**32
# Keras stores without packing, and trained weights hardly compress: what unpacks to far more is no model.
_LARGEST_RATIO: Final = 64


def read_archive(path: Path) -> tuple[dict[str, Any], str, bytes]:
    """Read a `.keras` file.

    Returns
    -------
    config : dict
        What describes the model.
    version : str
        Of the Keras that wrote it, "" where it does not say.
    weights : bytes
        An HDF5 file.

    Raises
    ------
    InputError
        If the file is damaged, unpacks to far more than it should, or lacks one of its parts.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            config = parse_config(_member(path, archive, "config.json", _LARGEST_JSON), path.name)
            metadata = _member(path, archive, "metadata.json", _LARGEST_JSON)
            weights = _member(path, archive, "model.weights.h5", _LARGEST_WEIGHTS)
    except KeyError as error:
        missing = str(error.args[0]) if error.args else ""
        raise InputError(f"{path.name} is no model that Keras wrote: {missing}.") from None
    except InputError:
        raise
    except Exception as error:
        # Half a dozen modules take part in unpacking, and each has errors of its own.
        raise InputError(f"{path.name} is damaged, or is no file that Keras wrote; get it again.") from error
    return config, _version(metadata), weights


def parse_config(text: str | bytes, name: str) -> dict[str, Any]:
    """Return the JSON object that describes a model.

    Raises
    ------
    InputError
        If it is none, or far too long.
    """
    if len(text) > _LARGEST_JSON:
        raise InputError(f"{name} cannot be opened: the description of its model is far too long.")
    try:
        config = json.loads(text)
    except (ValueError, RecursionError):
        config = None
    if not isinstance(config, dict):
        raise InputError(f"{name} is damaged: the description of its model cannot be read; get it again.")
    return config


def _member(path: Path, archive: zipfile.ZipFile, name: str, largest: int) -> bytes:
    member = archive.getinfo(name)
    # Reading stops at the size that the archive claims, and so the claim is what counts.
    if member.file_size > min(largest, _LARGEST_RATIO * path.stat().st_size):
        raise InputError(f"{path.name} cannot be opened: its {name} unpacks to far more than a model has.")
    return archive.read(member)


def _version(metadata: bytes) -> str:
    try:
        version = json.loads(metadata).get("keras_version", "")
    except (ValueError, RecursionError, AttributeError):
        return ""
    return version if isinstance(version, str) else ""

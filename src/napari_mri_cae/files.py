"""Files that are written: whether they can be, and how they were made."""

import hashlib
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from napari_mri_cae.errors import InputError

# What is always written about an output, and by hardly anybody else.
_FACTS: Final = {"device", "created", "versions"}


def check_writable(path: Path, *inputs: Path) -> Path:
    """Return a path to write to, before hours are spent on what goes there.

    Raises
    ------
    InputError
        If its folder is not there or cannot be written to, if it is a folder itself, one of the inputs, or
        a file that may not be changed.
    """
    path = path.expanduser()
    if path.is_dir():
        raise InputError(f"{path} is a folder: give the name of a file.")
    if not path.parent.is_dir():
        raise InputError(f"{path} cannot be written: there is no folder {path.parent}.")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"{path} cannot be written: no permission to write in {path.parent.absolute()}.")
    if any(path.exists() and other.exists() and path.samefile(other) for other in inputs):
        raise InputError(f"{path} is the input itself: choose another name for the output.")
    if path.exists() and not os.access(path, os.W_OK):
        raise InputError(f"{path} may not be changed: choose another name or ask for write permission.")
    return path


def sidecar_of(file: Path) -> Path:
    """Return where it is written how a file was made: beside it, with the same name, ending in .json."""
    name = file.name.removesuffix(".gz")
    return file.with_name(f"{name.rpartition('.')[0] or name}.json")


def check_sidecar(file: Path, *others: Path) -> Path:
    """Return where it will be written how a file was made, before hours are spent on it.

    Parameters
    ----------
    file : pathlib.Path
        The output.
    *others : pathlib.Path
        Inputs, and the other outputs.

    Raises
    ------
    InputError
        If that is the file itself, one of the others, what somebody else has written, or how another file
        was made that is still there.
    """
    path = sidecar_of(file)
    if _is_same(path, file):
        raise InputError(f"{file} cannot end in .json, as how it was made does: choose another ending.")
    if any(_is_same(path, other) for other in others):
        raise InputError(
            f"{path} is where it is written how {file.name} was made: choose another name for one of the two."
        )
    if path.exists() and not _is_sidecar(path, file):
        raise InputError(
            f"{path} is there already, and would be replaced by how {file.name} was made: "
            "choose another name or folder for the output."
        )
    return path


def write_sidecar(file: Path, facts: Mapping[str, Any]) -> Path:
    """Write how a file was made beside it, in `sidecar_of` it."""
    path = sidecar_of(file)
    part = path.with_name(path.name + ".part")
    part.write_text(to_json(facts) + "\n", encoding="utf-8")
    part.replace(path)
    return path


def _is_same(path: Path, other: Path) -> bool:
    # Not everywhere are names told apart by their case.
    return str(path.resolve()).casefold() == str(other.resolve()).casefold()


def _is_sidecar(path: Path, file: Path) -> bool:
    """Tell whether a file says how another was made, as this package writes it, or one that is gone."""
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    if not (isinstance(facts, dict) and facts.keys() >= _FACTS):
        return False
    described = path.parent / Path(str(facts.get("output") or file.name)).name
    return _is_same(described, file) or not described.exists()


def to_json(value: Any) -> str:
    """Return strict JSON text: what is infinite or not a number becomes null."""
    return json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error

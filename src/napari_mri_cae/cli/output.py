"""What commands print and write."""

import json
import math
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from napari_mri_cae.errors import InputError


def print_json(value: Any) -> None:
    """Print a value as strict JSON."""
    print(to_json(value))


def to_json(value: Any) -> str:
    """Return strict JSON text: what is infinite or not a number becomes null."""
    return json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def print_facts(facts: Iterable[tuple[str, str]]) -> None:
    """Print names and values in two columns."""
    rows = [(name, value) for name, value in facts if value]
    width = max((len(name) for name, _ in rows), default=0)
    for name, value in rows:
        print(f"{name:<{width}}  {value}")


def print_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows in columns, the first one to the left and the others to the right."""
    table = [header, *rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for first, *rest in table:
        cells = [f"{cell:>{width}}" for cell, width in zip(rest, widths[1:], strict=True)]
        print("  ".join([f"{first:<{widths[0]}}", *cells]).rstrip())


def decibels(value: float) -> str:
    """Return a PSNR as people read it."""
    return "infinite" if math.isinf(value) else "-" if math.isnan(value) else f"{value:.2f}"


def check_writable(path: Path, *inputs: Path) -> Path:
    """Return a path to write to, before hours are spent on what goes there.

    Raises
    ------
    InputError
        If its folder is not there or cannot be written to, if it is a folder itself, or one of the inputs.
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
    return path


def write_sidecar(image: Path, facts: Mapping[str, Any]) -> Path:
    """Write how an image was made beside it, in a file of the same name that ends in .json."""
    name = image.name.removesuffix(".gz")
    path = image.with_name(f"{name.rpartition('.')[0]}.json")
    path.write_text(to_json(facts) + "\n", encoding="utf-8")
    return path


class Progress:
    """How far a command is, on one line of standard error, where that is a terminal.

    Parameters
    ----------
    what : str
        What is being counted, such as "slices".
    """

    def __init__(self, what: str = "slices") -> None:
        self._what = what
        self._shown = sys.stderr.isatty()

    def __call__(self, done: int, total: int) -> None:
        """Show how many are done, and of how many."""
        if self._shown:
            print(f"\r\033[K{done} of {total} {self._what}", end="", file=sys.stderr, flush=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)

"""What commands print."""

import math
import sys
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any, Self

from napari_mri_cae.files import to_json


def print_json(value: Any) -> None:
    """Print a value as strict JSON."""
    print(to_json(value))


def print_notes(notes: Iterable[str]) -> None:
    """Print what had to be assumed and what does not suit, on standard error; not how a volume is shown."""
    from napari_mri_cae.volume.opening import OBLIQUE

    for note in notes:
        if not note.startswith(OBLIQUE):
            print("note:", note, file=sys.stderr)


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

"""The table of an evaluation: one row per volume, slice, corruption, model and region."""

import csv
import io
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from napari_mri_cae.errors import InputError
from napari_mri_cae.evaluation.settings import REGIONS, Region
from napari_mri_cae.planes import Plane
from napari_mri_cae.slices import OnProgress

if TYPE_CHECKING:
    from napari_mri_cae.evaluation.evaluation import Evaluation

_MISSING = "n/a"

IDENTITY: Final = "identity"
"""The model that stands for the corrupted slice as it is, in every table."""


class Row(NamedTuple):
    """How near to the clean slice one model brought one corrupted slice, in one region.

    Metrics are NaN where the region has no pixel, and the PSNR is infinite where the two are equal.
    """

    volume: str
    subject: str
    plane: Plane
    slice: int
    kind: str
    """Of the corruption; "none" of the clean slice, "chain" of several."""
    strength: float
    """The corruption's first parameter; NaN of a chain and of none."""
    corruption: str
    model: str
    region: Region
    pixels: int
    data_range: float
    psnr: float
    """dB."""
    ssim: float
    dssim: float
    mse: float

    @property
    def job(self) -> tuple[str, str, str, int]:
        """What is computed together: volume, plane, corruption and slice."""
        return self.volume, self.plane, self.corruption, self.slice


def without_unchanged(rows: Sequence[Row]) -> list[Row]:
    """Return the rows that say something about a model: those whose corruption changed the region.

    A square that was blanked out beside the brain leaves the brain as it was. What a model makes of it says
    how it treats clean slices, and is left out here, of every model alike. Clean slices that were asked for
    as such stay.
    """
    unchanged = _unchanged(rows)
    return [row for row in rows if (row.job, row.region) not in unchanged]


def count_unchanged(rows: Sequence[Row]) -> Counter[tuple[str, str, str]]:
    """Return how many slices each plane, region and corruption has that it left as they were."""
    return Counter((job[1], region, job[2]) for job, region in _unchanged(rows))


def write_table(rows: Iterable[Row], path: Path) -> Path:
    """Write a table as tab-separated values, beside and renamed.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    part = path.with_name(path.name + ".part")
    with part.open("w", encoding="utf-8", newline="") as file:
        file.write(_line(Row._fields))
        file.writelines(map(_row_line, rows))
    part.replace(path)
    return path


def read_table(path: Path) -> list[Row]:
    """Read a table that `write_table` wrote; a last line that was cut off is left out.

    Raises
    ------
    InputError
        If it is not such a table, or cannot be read.
    """
    try:
        data = path.read_bytes()
        # The cut may be inside a letter of several bytes.
        whole = io.StringIO(data[: data.rfind(b"\n") + 1].decode(), newline="")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from error
    header, *lines = list(csv.reader(whole, delimiter="\t", quoting=csv.QUOTE_NONE)) or [[]]
    if tuple(header) != Row._fields:
        raise InputError(f"{path} is not a table of an evaluation: its columns are others.")
    try:
        return [_parse(line) for line in lines]
    except (ValueError, TypeError) as error:
        raise InputError(f"{path} is not a table of an evaluation: {error}.") from error


def run_to_table(
    evaluation: "Evaluation",
    path: Path,
    *,
    on_progress: OnProgress | None = None,
    on_resume: Callable[[int], object] | None = None,
    on_rows: Callable[[Sequence[Row]], object] | None = None,
    on_complete: Callable[[Path], object] | None = None,
) -> list[Row]:
    """Run an evaluation and write its table as the rows come in.

    They go into a file beside the table, whose name tells everything the numbers depend on apart. If the
    evaluation is interrupted, the same one goes on from there, and any other one starts its own.

    Parameters
    ----------
    evaluation : Evaluation
    path : pathlib.Path
        The table; replaced when the evaluation is complete.
    on_progress : callable, optional
        Called with (slices done, all slices) now and then.
    on_resume : callable, optional
        Called with the number of slices that an interrupted run of the same evaluation left.
    on_rows : callable, optional
        Called with the rows of a few slices when they are on disk.
    on_complete : callable, optional
        Called with the file that holds all rows, before it becomes the table.

    Returns
    -------
    list of Row
        All rows, in the order of the table.

    Raises
    ------
    InputError
        If no volume can be measured.
    OSError
        If the table cannot be written; what was done until then stays.
    """
    part = path.with_name(f"{path.name}.{evaluation.fingerprint}.part")
    rows = list(_complete(read_table(part), len(evaluation.model_names))) if part.exists() else []
    if rows and on_resume is not None:
        on_resume(len({row.job for row in rows}))
    write_table(rows, part)
    try:
        with part.open("a", encoding="utf-8", newline="") as file:
            for batch in evaluation.run(done={row.job for row in rows}, on_progress=on_progress):
                rows += batch
                file.writelines(map(_row_line, batch))
                file.flush()
                if on_rows is not None:
                    on_rows(batch)
    except InputError:
        if not rows:
            part.unlink()
        raise
    if on_complete is not None:
        on_complete(part)
    part.replace(path)
    return rows


def _unchanged(rows: Sequence[Row]) -> set[tuple[tuple[str, str, str, int], Region]]:
    return {
        (row.job, row.region) for row in rows if row.model == IDENTITY and row.kind != "none" and row.mse == 0
    }


def _complete(rows: Sequence[Row], n_models: int) -> Iterator[Row]:
    """Yield the rows of those slices that have all of theirs."""
    counts: dict[tuple[str, str, str, int], int] = {}
    for row in rows:
        counts[row.job] = counts.get(row.job, 0) + 1
    yield from (row for row in rows if counts[row.job] == n_models * len(REGIONS))


def _row_line(row: Row) -> str:
    return _line(_text(value) for value in row)


def _line(words: Iterable[str]) -> str:
    return "\t".join(words) + "\n"


def _text(value: object) -> str:
    if isinstance(value, float):
        return _MISSING if math.isnan(value) else repr(value)
    return " ".join(str(value).split())


def _parse(words: Sequence[str]) -> Row:
    kinds = Row.__annotations__
    values = [
        math.nan if kind is float and word == _MISSING else kind(word) if kind in (int, float) else word
        for kind, word in zip(kinds.values(), words, strict=True)
    ]
    return Row(*values)  # type: ignore[arg-type]

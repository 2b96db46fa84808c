"""The table on disk."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from napari_mri_cae import InputError
from napari_mri_cae.evaluation import read_table, worst_slices, write_table


def test_there_and_back(row: Callable, tmp_path: Path) -> None:
    rows = [
        row(30.123456789012345, strength=math.nan),
        row(math.inf, mse=0.0, slice=3, region="brain"),
        row(math.nan, pixels=0),
    ]
    path = write_table(rows, tmp_path / "table.tsv")
    for before, after in zip(rows, read_table(path), strict=True):
        for old, new in zip(before, after, strict=True):
            assert type(old) is type(new)
            np.testing.assert_equal(new, old)
    lines = path.read_text().splitlines()
    assert lines[0].split("\t")[:4] == ["volume", "subject", "plane", "slice"]
    assert lines[1].split("\t")[5] == "n/a"
    assert [file.name for file in tmp_path.iterdir()] == ["table.tsv"]


def test_a_cut_off_line_is_left_out(row: Callable, tmp_path: Path) -> None:
    path = write_table([row(30.0), row(31.0)], tmp_path / "table.tsv")
    path.write_text(path.read_text()[:-20])
    assert [one.psnr for one in read_table(path)] == [30.0]


def test_a_line_cut_off_inside_a_letter(row: Callable, tmp_path: Path) -> None:
    path = write_table([row(30.0), row(31.0, volume="Zoë")], tmp_path / "table.tsv")
    data = path.read_bytes()
    path.write_bytes(data[: data.index("ë".encode()) + 1])
    assert [one.psnr for one in read_table(path)] == [30.0]


@pytest.mark.parametrize("text", ["", "a\tb\n1\t2\n", "\x00\x01\n"])
def test_not_a_table(text: str, tmp_path: Path) -> None:
    path = tmp_path / "table.tsv"
    path.write_text(text)
    with pytest.raises(InputError, match="not a table"):
        read_table(path)


def test_no_table(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_table(tmp_path / "nowhere.tsv")


def test_worst_slices(row: Callable) -> None:
    rows = [
        row(31.0, slice=1),
        row(29.0, slice=2),
        row(math.nan, slice=3, region="brain", pixels=0),
        row(20.0, slice=4, model="other"),
        # Nothing was blanked out of this one.
        row(10.0, slice=5),
        row(math.inf, slice=5, model="identity", mse=0.0),
        row(math.inf, slice=6),
        # Strong noise is no merit of the slice.
        row(23.0, slice=1, corruption="strong"),
        row(19.0, slice=2, corruption="strong"),
    ]
    found = worst_slices(rows, "first", count=3)
    assert [(one.row.corruption, one.row.slice, one.difference) for one in found] == [
        ("strong", 2, -2.0),
        ("noise", 2, -1.0),
        ("noise", 1, 1.0),
    ]

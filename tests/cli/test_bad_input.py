"""Files that cannot be worked with: one line, status 1."""

import os
import struct
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest


def _truncated(path: Path) -> None:
    nib.save(nib.Nifti1Image(np.random.default_rng(0).normal(size=(9, 9, 9)), np.eye(4)), path)
    path.write_bytes(path.read_bytes()[:2000])


def _text(path: Path) -> None:
    path.write_text("not an image\n" * 100)


def _two_axes(path: Path) -> None:
    nib.save(nib.Nifti1Image(np.zeros((8, 9), np.float32), np.eye(4)), path)


def _complex(path: Path) -> None:
    nib.save(nib.Nifti1Image(np.zeros((4, 5, 6), np.complex64), np.eye(4)), path)


def _rgb(path: Path) -> None:
    colors = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
    nib.save(nib.Nifti1Image(np.zeros((4, 5, 6), colors), np.eye(4)), path)


def _enormous(path: Path) -> None:
    nib.save(nib.Nifti1Image(np.zeros((2, 2, 2), np.float32), np.eye(4)), path)
    header = bytearray(path.read_bytes())
    header[40:48] = struct.pack("<4h", 3, 10_000, 10_000, 10_000)
    path.write_bytes(header)


def _folder(path: Path) -> None:
    path.mkdir()


def _missing(path: Path) -> None:
    pass


def _forbidden(path: Path) -> None:
    _two_axes(path)
    path.chmod(0)


@pytest.mark.parametrize("command", ["info", "corrupt", "reconstruct", "metrics"])
@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("cut.nii.gz", _truncated),
        ("text.nii", _text),
        ("flat.nii", _two_axes),
        ("complex.nii", _complex),
        ("rgb.nii", _rgb),
        ("enormous.nii", _enormous),
        ("folder.nii", _folder),
        ("missing.nii", _missing),
        ("forbidden.nii", _forbidden),
    ],
)
def test_bad_volume(
    cli: Callable, tmp_path: Path, model_file: Path, command: str, name: str, make: Callable[[Path], None]
) -> None:
    path, output = tmp_path / name, tmp_path / "out.nii.gz"
    make(path)
    if make is _forbidden and os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    words = {
        "info": [path],
        "corrupt": [path, output, "--gaussian", 0.1],
        "reconstruct": [path, output, "--model", model_file],
        "metrics": [path, path],
    }[command]
    ended = cli(command, *words)
    assert ended.status == 1
    assert ended.out == ""
    assert ended.err.count("\n") == 1
    assert ended.err.startswith("mri-cae: ")
    assert "unexpected" not in ended.err
    assert not output.exists()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("nowhere/out.nii.gz", "there is no folder"),
        ("sub-01_T1w.nii.gz", "is the input itself"),
        ("out.png", "kind"),
    ],
)
def test_bad_output(cli: Callable, tmp_path: Path, volume_file: Path, name: str, expected: str) -> None:
    before = volume_file.read_bytes()
    ended = cli("corrupt", volume_file, tmp_path / name, "--gaussian", 0.1)
    assert ended.status == 1
    assert ended.err.count("\n") == 1
    assert expected in ended.err
    assert volume_file.read_bytes() == before


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--model", "nosuch"], "no model"),
        (["--device", "cuda:99"], "no device"),
        (["--frame", "3"], "no frame 3"),
    ],
)
def test_bad_choice(
    cli: Callable, tmp_path: Path, volume_file: Path, model_file: Path, words: list[str], expected: str
) -> None:
    ended = cli("reconstruct", volume_file, tmp_path / "out.nii", "--model", model_file, *words)
    assert ended.status == 1
    assert ended.err.count("\n") == 1
    assert expected in ended.err

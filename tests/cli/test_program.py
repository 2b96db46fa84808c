"""How the program ends, whatever happens."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from napari_mri_cae import __version__
from napari_mri_cae.cli import models

SCRIPT = Path(sys.executable).with_name("mri-cae")


def test_console_script_says_its_version() -> None:
    ended = subprocess.run([SCRIPT, "--version"], capture_output=True, text=True, check=True)
    assert ended.stdout == f"mri-cae {__version__}\n"


def test_console_script_fails_in_one_line() -> None:
    ended = subprocess.run([SCRIPT, "info", "missing.nii"], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.count("\n") == 1
    assert "missing.nii" in ended.stderr


def test_help_needs_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from napari_mri_cae.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'numpy', 'pydantic', 'nibabel', 'napari', 'qtpy'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "[]"
    assert "reconstruct" in ended.stdout


@pytest.mark.parametrize(
    "words",
    [
        "",
        "nonsense",
        "info",
        "corrupt a.nii b.nii",
        "corrupt a.nii b.nii --dropout 1.5",
        "corrupt a.nii b.nii --gaussian -0.1",
        "corrupt a.nii b.nii --gaussian nan",
        "corrupt a.nii b.nii --blank 2.5",
        "corrupt a.nii b.nii --gaussian 0.1 --rescale",
        "corrupt a.nii b.nii --gaussian 0.1 --plane oblique",
        "corrupt a.nii b.nii --gaussian 0.1 --seed -1",
        "corrupt a.nii b.nii --gaussian 0.1 --frame x",
        "reconstruct a.nii",
        "metrics a.nii",
    ],
)
def test_wrong_usage_is_2(cli: Callable, words: str) -> None:
    ended = cli(*words.split())
    assert ended.status == 2
    assert ended.err.startswith("usage: ")
    assert ended.out == ""


def test_out_of_range_is_said_in_a_sentence(cli: Callable) -> None:
    assert (
        "argument --dropout: '1.5' will not do: give a number, 0 to 0.99."
        in cli("corrupt", "a.nii", "b.nii", "--dropout", "1.5").err
    )


@pytest.mark.parametrize("command", ["demo", "info", "models", "corrupt", "reconstruct", "metrics", "train"])
def test_every_command_has_help(cli: Callable, command: str) -> None:
    ended = cli(command, "--help")
    assert ended.status == 0
    assert ended.out.startswith(f"usage: mri-cae {command} ")


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (KeyboardInterrupt(), 130, "mri-cae: interrupted\n"),
        (PermissionError(13, "Permission denied", "x.nii"), 1, "mri-cae: x.nii: Permission denied\n"),
        (ZeroDivisionError("two\nlines"), 1, "mri-cae: unexpected ZeroDivisionError: two lines ("),
    ],
)
def test_failures_are_one_line(
    cli: Callable, monkeypatch: pytest.MonkeyPatch, error: BaseException, status: int, line: str
) -> None:
    def fail(_: object) -> None:
        raise error

    monkeypatch.setattr(models, "run", fail)
    ended = cli("models")
    assert ended.status == status
    assert ended.err.startswith(line)
    assert ended.err.count("\n") == 1


def test_debug_shows_where(cli: Callable) -> None:
    with pytest.raises(ValueError, match="missing"):
        cli("--debug", "info", "missing.nii")

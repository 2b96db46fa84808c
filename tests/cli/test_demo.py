"""mri-cae demo: which way it takes, and that none of them hangs or ends without a word.

The way with a real window is taken by `make demo`.
"""

import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from napari_mri_cae.cli import demo, window
from napari_mri_cae.cli.display import has_display, virtual_display
from napari_mri_cae.errors import InputError


@pytest.mark.parametrize(
    ("environment", "platform", "expected"),
    [
        ({}, "linux", False),
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({"DISPLAY": ":0", "QT_QPA_PLATFORM": "offscreen"}, "linux", False),
        ({"DISPLAY": ":0", "QT_QPA_PLATFORM": "minimal:option"}, "linux", False),
        ({}, "darwin", True),
        ({}, "win32", True),
        ({"QT_QPA_PLATFORM": "offscreen"}, "darwin", False),
    ],
)
def test_has_display(environment: dict[str, str], platform: str, expected: bool) -> None:
    assert has_display(environment, platform) is expected


@pytest.fixture
def no_display(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "has_display", lambda: False)
    monkeypatch.setattr("shutil.which", lambda _: None)


@pytest.mark.usefixtures("no_display")
def test_without_a_window(
    cli: Callable, tmp_path: Path, volume_file: Path, model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = cli("demo", volume_file, "--model", model_file)
    assert ended.status == 0
    assert "slice 8, reconstructed" in ended.out
    assert "all 16 slices, corrupted" in ended.out
    assert "To get the window" in ended.err
    assert ended.err.count("\n") == 1
    with Image.open("mri-cae-demo.png") as picture:
        assert picture.format == "PNG"
        assert picture.width > 800


@pytest.mark.usefixtures("no_display")
def test_json_and_frame(cli: Callable, tmp_path: Path, series_file: Path, model_file: Path) -> None:
    picture = tmp_path / "out.png"
    words = ("demo", series_file, "--frame", 1, "--model", model_file, "--screenshot", picture, "--json")
    report = cli(*words).json
    assert report["picture"] == str(picture)
    assert picture.exists()
    assert report["summary"]["n_slices_done"] == 16
    assert report["slice"]["psnr_corrupted"] == pytest.approx(30.5, abs=1)


def test_a_picture_ends_in_png(cli: Callable, volume_file: Path) -> None:
    before = volume_file.read_bytes()
    ended = cli("demo", volume_file, "--screenshot", volume_file)
    assert (ended.status, ended.err.count("\n")) == (1, 1)
    assert "end it in .png" in ended.err
    assert volume_file.read_bytes() == before


@pytest.mark.usefixtures("no_display")
def test_bad_volume(cli: Callable, tmp_path: Path) -> None:
    ended = cli("demo", tmp_path / "missing.nii", "--screenshot", tmp_path / "out.png")
    assert ended.status == 1
    assert "missing.nii" in ended.err.splitlines()[-1]


def _script(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Let a few lines of Python stand for the viewer."""
    monkeypatch.setattr(window, "_COMMAND", (sys.executable, "-c", f"import json, os, sys, time\n{code}"))


SETTINGS = {"volume": None, "frame": 0, "model": None, "screenshot": "x.png"}
TELL = "open(sys.argv[2], 'w').write(json.dumps({}))\n"


def test_window_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    _script(monkeypatch, TELL.format('{"report": json.loads(sys.argv[1])}'))
    assert window.open_window(SETTINGS, {}) == SETTINGS


def test_window_complains(monkeypatch: pytest.MonkeyPatch) -> None:
    _script(monkeypatch, TELL.format('{"error": "No such volume."}') + "sys.exit(1)")
    with pytest.raises(InputError, match="No such volume"):
        window.open_window(SETTINGS, {})


@pytest.mark.parametrize("before", ["", TELL.format('{"ready": True}')])
def test_window_crashes(monkeypatch: pytest.MonkeyPatch, before: str) -> None:
    _script(
        monkeypatch, before + "print('could not load libEGL', file=sys.stderr, flush=True)\nos._exit(134)"
    )
    with pytest.raises(window.WindowFailed, match=r"status 134 \(could not load libEGL\)"):
        window.open_window(SETTINGS, {})


def test_window_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window, "_OPENS_WITHIN_S", 0.5)
    _script(monkeypatch, "time.sleep(60)")
    with pytest.raises(window.WindowFailed):
        window.open_window(SETTINGS, {})


def test_window_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {**SETTINGS, "screenshot": None}
    _script(monkeypatch, TELL.format('{"ready": True}'))
    assert window.open_window(settings, {}) is None
    _script(monkeypatch, TELL.format('{"ready": True}') + "os._exit(3)")
    with pytest.raises(InputError, match="status 3"):
        window.open_window(settings, {})


def test_terminating_it_ends_the_window_too(
    cli: Callable, tmp_path: Path, volume_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "has_display", lambda: True)
    told = tmp_path / "window"
    code = f"open({str(told)!r}, 'w').write(str(os.getpid()))\nos.kill(os.getppid(), 15)\ntime.sleep(60)"
    _script(monkeypatch, code)
    assert cli("demo", volume_file).status == 130
    with pytest.raises(ProcessLookupError):
        os.kill(int(told.read_text()), 0)


def test_crash_falls_back(
    cli: Callable, tmp_path: Path, volume_file: Path, model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "has_display", lambda: True)
    monkeypatch.chdir(tmp_path)
    _script(monkeypatch, "os._exit(1)")
    ended = cli("demo", volume_file, "--model", model_file, "--json")
    assert ended.status == 0
    assert ended.json["picture"] == "mri-cae-demo.png"
    assert "napari ended with status 1" in ended.err


def test_virtual_display() -> None:
    with virtual_display() as environment:
        if environment is None:
            pytest.skip("needs Xvfb")
        assert environment["DISPLAY"].startswith(":")
        assert environment["QT_QPA_PLATFORM"] == "xcb"
        place = f"/tmp/.X11-unix/X{environment['DISPLAY'][1:]}"
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(place)
    with socket.socket(socket.AF_UNIX) as client, pytest.raises(OSError, match=r"refused|No such file"):
        client.connect(place)

"""What every test gets: a machine without the developer's own settings, models and graphics card."""

import os
import shutil
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

# Read by napari and by OpenGL drivers when they are first imported, so set here and not in a fixture.
os.environ["NAPARI_CONFIG"] = ""
os.environ.setdefault("LIBGL_ALWAYS_SOFTWARE", "1")
os.environ.setdefault("GALLIUM_DRIVER", "llvmpipe")
# Compiling takes longer than the small networks of the tests; its own tests switch it on.
os.environ["NAPARI_MRI_CAE_OPENVINO"] = "0"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip, rather than crash in, tests with a real window where there is no screen to put it on."""
    if not sys.platform.startswith("linux") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        return
    if shutil.which("Xvfb") and not config.getoption("--no-xvfb"):
        return
    windowless = pytest.mark.skip(reason="needs a display, or Xvfb")
    for item in items:
        if {"make_napari_viewer", "make_napari_viewer_proxy", "qtbot"} & set(
            getattr(item, "fixturenames", ())
        ):
            item.add_marker(windowless)


@pytest.fixture(autouse=True, scope="session")
def _no_models_of_the_users_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("user-data")))
        yield


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers, the same in every run."""
    return np.random.default_rng(20211)


@pytest.fixture(scope="session")
def keras_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of what Keras itself made: see tests/data/make_keras_files.py."""
    folder = tmp_path_factory.mktemp("keras")
    with zipfile.ZipFile(Path(__file__).parent / "data" / "keras.zip") as archive:
        archive.extractall(folder)
    return folder

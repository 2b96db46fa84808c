"""The manifest is valid, every name in it leads somewhere, and reading it costs next to nothing."""

import subprocess
import sys
from pathlib import Path

import npe2
import pytest

import napari_mri_cae

MANIFEST = Path(napari_mri_cae.__file__).with_name("napari.yaml")


@pytest.fixture(scope="module")
def manifest() -> npe2.PluginManifest:
    return npe2.PluginManifest.from_file(MANIFEST)


def test_it_is_valid_for_the_installed_distribution(manifest: npe2.PluginManifest) -> None:
    manifest.validate_imports()
    assert npe2.PluginManifest.from_distribution("napari-mri-cae").display_name == "MRI autoencoder"


def test_reading_it_imports_neither_torch_nor_napari_nor_qt() -> None:
    code = (
        "import sys, npe2; npe2.PluginManifest.from_distribution('napari-mri-cae');"
        "print(*sorted({'torch', 'napari', 'qtpy', 'PyQt6', 'numpy'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == []


def test_menus_offer_compare_and_the_sample(make_napari_viewer) -> None:
    viewer = make_napari_viewer()
    titles = []
    for menu in (viewer.window.file_menu, viewer.window.layers_menu, viewer.window.plugins_menu):
        inside = [menu]
        while inside:
            actions = inside.pop().actions()
            titles += [action.text() for action in actions]
            inside += [action.menu() for action in actions if action.menu() is not None]
    assert titles.count("Compare (MRI autoencoder)") == 2
    assert any("MNI152 brain (T1)" in title for title in titles)

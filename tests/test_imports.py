"""What an import costs, and which way imports point."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Anything that takes noticeable time or opens a window when it is imported.
HEAVY = (
    "torch",
    "lightning",
    "skimage",
    "napari",
    "qtpy",
    "PyQt6",
    "PySide6",
    "magicgui",
    "superqt",
    "vispy",
)


def heavy_modules_after(statement: str) -> list[str]:
    """Run a statement in a fresh interpreter; return the heavy packages that it imported."""
    program = f"import sys\n{statement}\nprint(*[name for name in {HEAVY} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    return run.stdout.split()


def test_importing_the_package_imports_nothing_heavy() -> None:
    assert heavy_modules_after("import napari_mri_cae") == []


def test_reading_the_manifest_imports_nothing_heavy() -> None:
    statement = (
        "from npe2 import PluginManifest\n"
        "manifest = PluginManifest.from_distribution('napari-mri-cae')\n"
        "assert manifest.contributions.widgets and manifest.contributions.readers"
    )
    assert heavy_modules_after(statement) == []


@pytest.mark.parametrize("module", ["volume", "intensity", "corruptions", "metrics", "models", "cli"])
def test_rooms_without_a_network_import_without_torch(module: str) -> None:
    assert heavy_modules_after(f"import napari_mri_cae.{module}") == []


def test_imports_point_one_way() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    run = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stdout + run.stderr

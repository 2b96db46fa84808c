"""An installed wheel is complete and works away from the source tree; what the metadata files say agrees."""

import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
from itertools import chain
from pathlib import Path
from zipfile import ZipFile

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command away from the source tree; return its standard output."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the bin folder of an environment that has the wheel, and finds its dependencies in this one.

    This environment's packages are added as a plain path, which leaves its editable install behind: only
    real site-packages folders are searched for the files that such installs hang on.
    """
    home = tmp_path_factory.mktemp("installed")
    venv.create(home, with_pip=False)
    # As the environment itself sees it; base and platbase are what change from this one to that one.
    paths = {"base": str(home), "platbase": str(home)}
    scripts = Path(sysconfig.get_path("scripts", vars=paths))
    packages = Path(sysconfig.get_path("purelib", vars=paths))
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(scripts / "python")]
    run(*pip, "install", "--quiet", "--no-deps", "--no-index", wheel, cwd=home)
    return scripts


def test_wheel_holds_what_the_package_needs_at_run_time(wheel: Path) -> None:
    names = ZipFile(wheel).namelist()
    assert "napari_mri_cae/napari.yaml" in names
    assert "napari_mri_cae/py.typed" in names
    assert any(re.fullmatch(r"napari_mri_cae/models/weights/[^/]+\.safetensors", name) for name in names)
    recipes = {Path(name).name for name in names if re.fullmatch(r"napari_mri_cae/recipes/[^/]+\.yaml", name)}
    assert recipes == {path.name for path in (ROOT / "recipes").glob("*.yaml")} != set()
    assert all(name.startswith(("napari_mri_cae/", "napari_mri_cae-")) for name in names)
    assert wheel.stat().st_size < 20e6


def test_installed_wheel_offers_its_manifest_and_its_model(installed: Path, tmp_path: Path) -> None:
    program = """
import napari_mri_cae
from npe2 import PluginManifest
manifest = PluginManifest.from_distribution("napari-mri-cae")
print(napari_mri_cae.__file__)
print(manifest.name, manifest.package_version)
model = napari_mri_cae.load_model()
print(model.card.name, model.path)
"""
    home, manifest, model = run(installed / "python", "-c", program, cwd=tmp_path).splitlines()
    assert Path(home).is_relative_to(installed.parent)
    assert manifest == f"napari-mri-cae {PROJECT['version']}"
    name, _, path = model.partition(" ")
    assert Path(path).is_relative_to(installed.parent)
    assert name in run(installed / "mri-cae", "models", cwd=tmp_path)


def test_top_level_manifest_is_the_package_s() -> None:
    packaged = ROOT / "src" / "napari_mri_cae" / "napari.yaml"
    assert (ROOT / "napari.yaml").read_text() == packaged.read_text()


def test_version_is_the_same_everywhere() -> None:
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == PROJECT["version"]
    assert f"## {PROJECT['version']}" in (ROOT / "CHANGELOG.md").read_text()


def test_constraints_pin_everything_asked_for_and_nothing_local() -> None:
    pins = {}
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if line.startswith("#"):
            continue
        pin = re.fullmatch(r"([A-Za-z0-9._-]+)==([0-9][A-Za-z0-9.]*)", line)
        assert pin, f"not a plain name==version: {line}"
        pins[canonicalize_name(pin[1])] = pin[2]
    asked = chain(PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
    for requirement in map(Requirement, asked):
        name = canonicalize_name(requirement.name)
        if name != "napari-mri-cae":
            assert pins[name] in requirement.specifier, name

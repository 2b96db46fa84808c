"""The recipes that come with the package, and how one is made from another."""

import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from napari_mri_cae.errors import InputError

if TYPE_CHECKING:
    from napari_mri_cae.training.config import TrainingConfig

# What tells the kinds of one setting apart, and so must agree before their values are mixed.
_KINDS: Final = ("kind", "rule")


def recipe_paths() -> dict[str, Path]:
    """Return the files of the shipped recipes by name, in alphabetical order."""
    folder = Path(str(files("napari_mri_cae") / "recipes"))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def load_recipe(name: str) -> "TrainingConfig":
    """Return a shipped recipe.

    Raises
    ------
    InputError
        If there is none of this name.
    """
    from napari_mri_cae.training.config import TrainingConfig

    return TrainingConfig.load(recipe_path(name))


def recipe_path(name: str) -> Path:
    """Return the file of a shipped recipe.

    Raises
    ------
    InputError
        If there is none of this name.
    """
    known = recipe_paths()
    if name not in known:
        raise InputError(f"there is no recipe {name!r}; known are {', '.join(known)}.")
    return known[name]


def read_fields(path: Path) -> dict[str, Any]:
    """Return the plain values of a configuration file, those of its `base` included.

    Raises
    ------
    InputError
        If a file cannot be read, is no YAML file or is its own base.
    """
    return _read(path, ())


def merge(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return values with changes, group by group; a group of another kind replaces the whole group."""
    merged = dict(values)
    for name, change in changes.items():
        before = merged.get(name)
        if (
            isinstance(before, Mapping)
            and isinstance(change, Mapping)
            and not any(key in change and change[key] != before.get(key) for key in _KINDS)
            and name not in ("augmentation", "architecture_parameters")
        ):
            merged[name] = merge(before, change)
        else:
            merged[name] = change
    return merged


def _read(path: Path, above: tuple[Path, ...]) -> dict[str, Any]:
    try:
        fields = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not a readable YAML file: mend it or choose another.") from error
    if not isinstance(fields, dict):
        raise InputError(f"{path} holds no settings: write them as NAME: VALUE, one a line.")
    base = fields.pop("base", None)
    if base is None:
        return fields
    beside = path.parent / f"{base}"
    other = beside if beside.is_file() else recipe_path(str(base))
    if other in (path, *above):
        raise InputError(f"{path}: base: {base} leads back to the file itself; name another.")
    return merge(_read(other, (*above, path)), fields)


class _Loader(yaml.SafeLoader):
    """YAML in which 1e-3 is a number, as people write it; YAML 1.1 wants 1.0e-3."""


def _number(loader: yaml.SafeLoader, node: yaml.Node) -> float:
    return float(str(loader.construct_scalar(node)).replace("_", ""))  # type: ignore[arg-type]


_Loader.add_constructor("!exponent", _number)
_Loader.add_implicit_resolver(
    "!exponent", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def read_value(text: str) -> Any:
    """Return a value as a configuration file has it: a number, text, true or false, a list or named values.

    Raises
    ------
    InputError
        If it is none of these.
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise InputError(f"{text!r} is no value: write it as in a configuration file.") from error

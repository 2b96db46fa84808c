"""Finding models: the shipped ones, the user's own, and files."""

import logging
from functools import lru_cache
from pathlib import Path
from typing import Final

import platformdirs

from napari_mri_cae.errors import InputError
from napari_mri_cae.models.card import Card
from napari_mri_cae.models.file import SUFFIX, read_card, read_model
from napari_mri_cae.models.keras import SUFFIXES as KERAS_SUFFIXES
from napari_mri_cae.models.keras import import_keras
from napari_mri_cae.models.model import Model

_log = logging.getLogger(__name__)

DEFAULT_MODEL: Final = "denoiser-any-2.5d"
_SHIPPED: Final = Path(__file__).parent / "weights"


def user_model_folder() -> Path:
    """Return the folder in which the user's own models are found by name. It need not exist."""
    return platformdirs.user_data_path("napari-mri-cae", appauthor=False) / "models"


def is_shipped(path: Path) -> bool:
    """Return whether a model file is one of those that come with the package."""
    return path.resolve().parent == _SHIPPED.resolve()


def find_models() -> dict[str, tuple[Path, Card]]:
    """Return the file and the card of each shipped model, then of each of the user's own, by name.

    Only headers are read, and torch is not needed. A file that cannot be opened is left out with a
    warning in the log, and so is a second model of the same name: it opens by its path.
    """
    found: dict[str, tuple[Path, Card]] = {}
    for folder in (_SHIPPED, user_model_folder()):
        for path in sorted(folder.glob(f"*{SUFFIX}")):
            try:
                card = _card(path, path.stat().st_mtime_ns)
            except (InputError, OSError) as error:
                _log.warning("left out of the list of models: %s", error)
                continue
            if card.name in found:
                _log.warning("%s is left out of the list: another model is named %r", path, card.name)
                continue
            found[card.name] = path, card
    return found


def list_models() -> list[Card]:
    """Return the cards of the shipped models, the default first, and of the user's own, without torch."""
    cards = [card for _, card in find_models().values()]
    return sorted(cards, key=lambda card: card.name != DEFAULT_MODEL)


def load_model(name_or_path: str | Path | None = None) -> Model:
    """Open a model.

    The same file gives the same object until it changes, so this may be called freely; do not change
    the network in place.

    Parameters
    ----------
    name_or_path
        A name as in `list_models`, a model file (".safetensors"), or a file that Keras saved (".h5",
        ".hdf5", ".keras"; `import_keras` says more). None is the default shipped model.

    Raises
    ------
    InputError
        If there is no such model, or the file cannot be opened.
    """
    name = DEFAULT_MODEL if name_or_path is None else str(name_or_path)
    path = Path(name).expanduser()
    suffixes = (SUFFIX, *KERAS_SUFFIXES)
    if path.suffix.lower() not in suffixes and not isinstance(name_or_path, Path):
        models = find_models()
        if name not in models:
            known, files = ", ".join(models) or "none", ", ".join(suffixes)
            raise InputError(f"there is no model {name!r}: choose one of {known}, or a file ({files}).")
        path = models[name][0]
    try:
        path = path.resolve()
        return _model(path, path.stat().st_mtime_ns)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error


# The time of the last change is part of the key, so that a file that was replaced is read again.
@lru_cache(maxsize=256)
def _card(path: Path, changed: int) -> Card:
    return read_card(path)


@lru_cache(maxsize=4)
def _model(path: Path, changed: int) -> Model:
    return import_keras(path) if path.suffix.lower() in KERAS_SUFFIXES else read_model(path)

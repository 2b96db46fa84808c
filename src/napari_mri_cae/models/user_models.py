"""The user's own models, kept where they are found by name."""

import re
from dataclasses import replace

from napari_mri_cae.errors import InputError
from napari_mri_cae.models.card import Card
from napari_mri_cae.models.file import SUFFIX, read_model, save_model
from napari_mri_cae.models.model import Model
from napari_mri_cae.models.registry import find_models, user_model_folder


def remember_model(model: Model) -> str:
    """Keep a copy of a model among the user's own, so that `list_models` has it from now on.

    Parameters
    ----------
    model : Model
        Whatever `load_model` opened. One that is kept already, with the same weights, is not kept twice.

    Returns
    -------
    str
        The name under which it is found: the card's, with a number behind it where another model has that.

    Raises
    ------
    InputError
        If the folder cannot be written.
    """
    known = find_models()
    for name, (path, card) in known.items():
        if path == model.path or (_is_like(card, model.card) and _has_same_weights(read_model(path), model)):
            return name
    # A name may come from anywhere, and becomes part of a path.
    wanted = re.sub(r"[^\w.-]+", "-", model.card.name).strip(".-") or "model"
    name, number = wanted, 2
    while name in known:
        name, number = f"{wanted}-{number}", number + 1
    path = user_model_folder() / f"{name}{SUFFIX}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        sentence = f"{path.parent} cannot be made ({error.strerror}): the model is used but not remembered."
        raise InputError(sentence) from error
    save_model(replace(model, card=model.card.model_copy(update={"name": name})), path)
    return name


def _is_like(card: Card, other: Card) -> bool:
    """Return whether two cards describe the same network."""
    return (card.architecture, card.architecture_parameters) == (
        other.architecture,
        other.architecture_parameters,
    )


def _has_same_weights(model: Model, other: Model) -> bool:
    import torch

    own, others = model.network.state_dict(), other.network.state_dict()
    return own.keys() == others.keys() and all(torch.equal(own[name], others[name]) for name in own)

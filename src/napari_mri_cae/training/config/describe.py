"""All settings of a configuration as a list, for people."""

import json
from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined


def described(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """Return the name, the default and the description of every setting, group by group.

    Parameters
    ----------
    model
        The settings model.
    prefix
        Of the names.
    """
    for name, field in model.model_fields.items():
        full = f"{prefix}{name}"
        variants = [kind for kind in _models(field.annotation) if kind.__module__.startswith(_OURS)]
        if get_origin(field.annotation) is Literal and len(get_args(field.annotation)) == 1:
            continue
        default = field.get_default(call_default_factory=True)
        yield full, "" if variants else _shown(default), field.description or field.title or ""
        for variant in variants:
            kind = _kind(variant)
            if kind:
                yield f"{full}.{kind[0]}", kind[1], (variant.__doc__ or "").split("\n")[0]
            yield from described(variant, f"{full}.")


_OURS = "napari_mri_cae.training"


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Return the settings models that an annotation names, however deep."""
    if get_origin(annotation) in (Union, UnionType, Annotated, tuple):
        for part in get_args(annotation):
            yield from _models(part)
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation


def _kind(model: type[BaseModel]) -> tuple[str, str] | None:
    """Return the name and the value of what tells a model from its alternatives."""
    for name, field in model.model_fields.items():
        if get_origin(field.annotation) is Literal and len(get_args(field.annotation)) == 1:
            return name, str(get_args(field.annotation)[0])
    return None


def _shown(value: Any) -> str:
    if value is PydanticUndefined:
        return ""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    return json.dumps(value, default=str)

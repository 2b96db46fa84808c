"""What the value of a settings field can be, read from its annotation."""

from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo


@dataclass(frozen=True)
class Kind:
    """What a value can be.

    Attributes
    ----------
    plain : tuple of type
        Classes of numbers, texts, paths ..., of the items where it is a sequence.
    choices : tuple of str
        The words it can be, if there are only these; of the items where it is a sequence.
    models : tuple of type of pydantic.BaseModel
        Settings of its own, one of these; of the items where it is a sequence.
    is_optional : bool
        Whether it may be None.
    is_sequence : bool
        Whether there are several.
    """

    plain: tuple[type, ...]
    choices: tuple[str, ...]
    models: tuple[type[BaseModel], ...]
    is_optional: bool
    is_sequence: bool


def kind_of(annotation: Any) -> Kind:
    """Return what an annotation allows."""
    parts = _alternatives(annotation)
    is_optional = NoneType in parts
    parts = [part for part in parts if part is not NoneType]
    is_sequence = any(get_origin(part) in (tuple, list) for part in parts)
    if is_sequence:
        items = [item for part in parts for item in get_args(part) if item is not Ellipsis]
        parts = [alternative for item in items for alternative in _alternatives(item)]
    classes = [get_origin(part) or part for part in parts if get_origin(part) is not Literal]
    models = tuple(one for one in classes if isinstance(one, type) and issubclass(one, BaseModel))
    return Kind(
        plain=tuple(dict.fromkeys(one for one in classes if one not in models)),
        choices=tuple(str(word) for part in parts if get_origin(part) is Literal for word in get_args(part)),
        models=models,
        is_optional=is_optional,
        is_sequence=is_sequence,
    )


def tag_of(models: tuple[type[BaseModel], ...]) -> str:
    """Return the field that tells several settings models apart."""
    for name, field in models[0].model_fields.items():
        if all(len(_words(model, name)) == 1 for model in models) and get_origin(field.annotation) is Literal:
            return name
    raise TypeError(f"nothing tells {', '.join(model.__name__ for model in models)} apart")


def tag_value(model: type[BaseModel], tag: str) -> str:
    """Return the word that stands for a settings model."""
    return _words(model, tag)[0]


def bound(field: FieldInfo, name: str, default: Any) -> Any:
    """Return a bound of a field ("ge", "le", ...), or `default` where it has none."""
    return next((getattr(item, name) for item in field.metadata if hasattr(item, name)), default)


def in_words(name: str) -> str:
    """Return an identifier as people write it: "one-cycle" becomes "One cycle"."""
    words = name.replace("_", " ").replace("-", " ")
    return words[:1].upper() + words[1:]


def _alternatives(annotation: Any) -> list[Any]:
    """Return what a union, also one of unions, is made of."""
    if get_origin(annotation) is Annotated:
        return _alternatives(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [part for one in get_args(annotation) for part in _alternatives(one)]
    return [annotation]


def _words(model: type[BaseModel], name: str) -> tuple[str, ...]:
    field = model.model_fields.get(name)
    annotation = None if field is None else field.annotation
    return get_args(annotation) if get_origin(annotation) is Literal else ()

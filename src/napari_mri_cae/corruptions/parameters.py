"""One parameter of a corruption as a user gives it: a word."""

from typing import Any, get_args

from pydantic import ValidationError

from napari_mri_cae.corruptions.base import Corruption
from napari_mri_cae.errors import InputError


def strength_field(kind: type[Corruption]) -> str:
    """Return the parameter that says how strong a corruption is: its first one."""
    return next(iter(kind.model_fields))


def read_parameter(kind: type[Corruption], field: str, text: str) -> Any:
    """Return a parameter's value, as the corruption itself understands and checks it.

    Raises
    ------
    InputError
        If it is no number, or out of bounds.
    """
    try:
        return getattr(kind(**{field: text}), field)
    except ValidationError:
        raise InputError(
            f"{text!r} will not do: give a {_number(kind, field)}, {parameter_bounds(kind, field)}."
        ) from None


def parameter_bounds(kind: type[Corruption], field: str) -> str:
    """Return the bounds of a parameter in words; "" where it has none."""
    limits = {
        name: getattr(limit, name)
        for limit in kind.model_fields[field].metadata
        for name in ("ge", "le")
        if hasattr(limit, name)
    }
    if "le" in limits:
        return f"{limits['ge']:g} to {limits['le']:g}"
    return f"{limits['ge']:g} or more" if "ge" in limits else ""


def _number(kind: type[Corruption], field: str) -> str:
    annotation = kind.model_fields[field].annotation
    return "number" if float in (annotation, *get_args(annotation)) else "whole number"

"""What every settings model of a training is, and how a wrong value is said in a sentence."""

from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from napari_mri_cae.errors import InputError

Model = TypeVar("Model", bound=BaseModel)


class Settings(BaseModel):
    """Frozen settings: unknown fields, infinities and NaN are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def validated(model: type[Model], values: Any) -> Model:
    """Return `values` as settings.

    Parameters
    ----------
    model
        The settings model.
    values
        Plain values, as a YAML file holds them.

    Raises
    ------
    InputError
        If a value is wrong; the sentence names the field, as "optimizer.learning_rate: must be greater than
        0, and is -1.".
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise InputError(explanation(error, values)) from error


def explanation(error: ValidationError, values: Any) -> str:
    """Return what is wrong first with `values`, as one sentence that begins with the name of the field."""
    first = error.errors()[0]
    field = field_of(first, values)
    return f"{field}: {wording(first)}." if field else f"{wording(first)}."


def field_of(error: ErrorDetails, values: Any) -> str:
    """Return the dotted name of the field that an error is about, as it stands in `values`.

    pydantic also names the variant that it tried, which is no field: what `values` do not hold is left out.
    """
    names: list[str] = []
    here = values
    for name in error["loc"]:
        if isinstance(here, BaseModel):
            here = here.model_dump()
        try:
            here = here[name]
        except (KeyError, IndexError, TypeError):
            if error["type"] != "missing" or name != error["loc"][-1]:
                continue
        names.append(str(name))
    return ".".join(names)


_NUMBERS = {
    "greater_than": "greater than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "multiple_of": "a multiple of {multiple_of}",
    "finite_number": "a finite number",
    "literal_error": "{expected}",
    "enum": "{expected}",
    "string_pattern_mismatch": "text that fits {pattern}",
    "int_from_float": "a whole number",
}
_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text",
    "tuple": "a list",
    "list": "a list",
    "dict": "named values",
    "model": "named values",
    "path": "a path",
}


def wording(error: ErrorDetails) -> str:
    """Return what is wrong about a field, without its name and without a full stop."""
    kind, context, value = error["type"], error.get("ctx", {}), error["input"]
    if kind in _NUMBERS:
        bounds = {name: f"{b:g}" if isinstance(b, float) else b for name, b in context.items()}
        return f"must be {_NUMBERS[kind].format(**bounds)}, and is {_shown(value)}"
    if kind == "missing":
        return "is missing"
    if kind == "extra_forbidden":
        return "there is no such setting; correct its name or leave it out"
    if kind == "union_tag_not_found":
        return f"must say its {context['discriminator'].strip(chr(39))}"
    if kind == "union_tag_invalid":
        name = context["discriminator"].strip("'")
        return f"{name} must be one of {context['expected_tags']}, and is {context['tag']!r}"
    if kind in ("too_short", "string_too_short"):
        return f"must have {context.get('min_length')} or more of them"
    if kind in ("too_long", "string_too_long"):
        return f"must have no more than {context.get('max_length')} of them"
    if kind == "value_error":
        return str(context["error"]).rstrip(".")
    stem, _, rest = kind.partition("_")
    if stem in _TYPES and rest in ("type", "parsing", "attributes_type"):
        return f"must be {_TYPES[stem]}, and is {_shown(value)}"
    message = error["msg"].rstrip(".")
    return message[:1].lower() + message[1:]


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."

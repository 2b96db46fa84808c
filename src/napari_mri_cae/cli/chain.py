"""Options that make a chain of corruptions, in the order in which they are given."""

import argparse
from collections.abc import Callable, Sequence
from typing import Any, Final

from pydantic import ValidationError

from napari_mri_cae.cli.options import whole_number
from napari_mri_cae.corruptions import (
    BlankOut,
    Corruption,
    GaussianBlur,
    GaussianNoise,
    PixelDropout,
    RicianNoise,
)

# Option: the corruption it adds, which of its parameters it gives, what stands for it in the help.
OPTIONS: Final[dict[str, tuple[type[Corruption], str, str]]] = {
    "--gaussian": (GaussianNoise, "sigma", "S"),
    "--rician": (RicianNoise, "sigma", "S"),
    "--dropout": (PixelDropout, "rate", "P"),
    "--blur": (GaussianBlur, "sigma", "S"),
    "--blank": (BlankOut, "size", "N"),
}


def add_chain(parser: argparse.ArgumentParser) -> None:
    """Add one option for each kind of corruption, those that go with them, and --seed."""
    group = parser.add_argument_group("corruptions", "Applied in the order given here; each may be repeated.")
    for option, (kind, field, metavar) in OPTIONS.items():
        group.add_argument(
            option,
            action=_Append,
            type=parameter_type(kind, field),
            metavar=metavar,
            help=f"{kind.label}. {describe_parameter(kind, field)}",
        )
    for option, field in (("--blank-row", "row"), ("--blank-column", "column")):
        group.add_argument(
            option,
            type=parameter_type(BlankOut, field),
            metavar="N",
            help=describe_parameter(BlankOut, field),
        )
    group.add_argument(
        "--rescale", action="store_true", help=f"of --dropout. {describe_parameter(PixelDropout, 'rescale')}"
    )
    group.add_argument(
        "--clip", action="store_true", help=f"of both noises. {describe_parameter(GaussianNoise, 'clip')}"
    )
    parser.add_argument(
        "--seed",
        type=whole_number(0, 2**64 - 1),
        default=0,
        metavar="K",
        help="what all noise depends on, with the corruption, the plane and the slice (default: 0)",
    )
    parser.set_defaults(chain=[], usage_error=parser.error)


def read_chain(arguments: argparse.Namespace) -> list[Corruption]:
    """Return the corruptions that were asked for, in order.

    Raises
    ------
    SystemExit
        With status 2 if there is none, or an option goes with a corruption that is not there.
    """
    chain: list[tuple[type[Corruption], dict[str, Any]]] = arguments.chain
    kinds = {kind for kind, _ in chain}
    if not chain:
        arguments.usage_error(f"give at least one corruption: {', '.join(OPTIONS)}.")
    extras: dict[str, tuple[Any, str, set[type[Corruption]]]] = {
        "--clip": (arguments.clip, "clip", {GaussianNoise, RicianNoise}),
        "--rescale": (arguments.rescale, "rescale", {PixelDropout}),
        "--blank-row": (arguments.blank_row, "row", {BlankOut}),
        "--blank-column": (arguments.blank_column, "column", {BlankOut}),
    }
    for option, (value, field, whose) in extras.items():
        if value is None or value is False:
            continue
        if not kinds & whose:
            owners = " or ".join(name for name, (kind, _, _) in OPTIONS.items() if kind in whose)
            arguments.usage_error(f"{option} goes with {owners}.")
        for kind, parameters in chain:
            if kind in whose:
                parameters[field] = value
    return [kind(**parameters) for kind, parameters in chain]


class _Append(argparse.Action):
    """Adds a corruption to the one chain that all options share."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        kind, field, _ = OPTIONS[self.option_strings[0]]
        namespace.chain = [*namespace.chain, (kind, {field: values})]


def parameter_type(kind: type[Corruption], field: str) -> Callable[[str], Any]:
    """Return an argument type: one parameter of a corruption, checked as the corruption checks it."""

    def parse(text: str) -> Any:
        try:
            return getattr(kind(**{field: text}), field)
        except ValidationError:
            raise argparse.ArgumentTypeError(
                f"{text!r} will not do: give a {_number(kind, field)}, {_bounds(kind, field)}."
            ) from None

    return parse


def describe_parameter(kind: type[Corruption], field: str) -> str:
    """Return what a parameter is and its bounds, for the help of an option."""
    text = (kind.model_fields[field].description or "").split("; left open", maxsplit=1)[0]
    bounds = _bounds(kind, field)
    return (f"{text} ({bounds})" if bounds else text).replace("%", "%%")


def _number(kind: type[Corruption], field: str) -> str:
    return "number" if kind.model_fields[field].annotation is float else "whole number"


def _bounds(kind: type[Corruption], field: str) -> str:
    limits = {
        name: getattr(limit, name)
        for limit in kind.model_fields[field].metadata
        for name in ("ge", "le")
        if hasattr(limit, name)
    }
    if "le" in limits:
        return f"{limits['ge']:g} to {limits['le']:g}"
    return f"{limits['ge']:g} or more" if "ge" in limits else ""

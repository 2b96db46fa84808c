"""Options that make a chain of corruptions, in the order in which they are given."""

import argparse
from collections.abc import Callable, Sequence
from typing import Any, Final

from napari_mri_cae.cli.options import whole_number
from napari_mri_cae.corruptions import (
    BiasField,
    BlankOut,
    Blobs,
    Corruption,
    Downsampling,
    GaussianBlur,
    GaussianNoise,
    Ghosting,
    GibbsRinging,
    Motion,
    PixelDropout,
    RicianNoise,
    Spikes,
)
from napari_mri_cae.corruptions.parameters import parameter_bounds, read_parameter
from napari_mri_cae.errors import InputError

# Option: the corruption it adds, which of its parameters it gives, what stands for it in the help.
OPTIONS: Final[dict[str, tuple[type[Corruption], str, str]]] = {
    "--gaussian": (GaussianNoise, "sigma", "S"),
    "--rician": (RicianNoise, "sigma", "S"),
    "--dropout": (PixelDropout, "rate", "P"),
    "--blur": (GaussianBlur, "sigma", "S"),
    "--blank": (BlankOut, "size", "N"),
    "--blobs": (Blobs, "number", "N"),
    "--motion": (Motion, "degrees", "D"),
    "--ghosting": (Ghosting, "intensity", "I"),
    "--spikes": (Spikes, "intensity", "I"),
    "--gibbs": (GibbsRinging, "kept", "F"),
    "--bias": (BiasField, "coefficient", "C"),
    "--downsample": (Downsampling, "factor", "F"),
}
# Option: the parameter it gives, to all corruptions of these kinds in the chain, and what stands for it in
# the help; None is a switch.
_MORE: Final[dict[str, tuple[str, tuple[type[Corruption], ...], str | None]]] = {
    "--clip": ("clip", (GaussianNoise, RicianNoise), None),
    "--rescale": ("rescale", (PixelDropout,), None),
    "--blank-row": ("row", (BlankOut,), "N"),
    "--blank-column": ("column", (BlankOut,), "N"),
    "--blob-radius": ("radius", (Blobs,), "R"),
    "--blob-contrast": ("contrast", (Blobs,), "C"),
    "--motion-pixels": ("pixels", (Motion,), "P"),
    "--motion-times": ("movements", (Motion,), "N"),
    "--ghosting-number": ("ghosts", (Ghosting,), "N"),
    "--spikes-number": ("number", (Spikes,), "N"),
    "--bias-order": ("order", (BiasField,), "N"),
    "--horizontal": ("horizontal", (Motion, Ghosting, Downsampling), None),
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
    for option, (field, kinds, name) in _MORE.items():
        text = f"of {_names(kinds, 'and')}. {describe_parameter(kinds[0], field)}"
        if name is None:
            group.add_argument(option, action="store_const", const=True, help=text)
        else:
            group.add_argument(option, type=parameter_type(kinds[0], field), metavar=name, help=text)
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
    for option, (field, whose, _) in _MORE.items():
        value = getattr(arguments, option.removeprefix("--").replace("-", "_"))
        if value is None:
            continue
        if not kinds & {*whose}:
            arguments.usage_error(f"{option} goes with {_names(whose, 'or')}.")
        for kind, parameters in chain:
            if kind in whose:
                parameters[field] = value
    return [kind(**parameters) for kind, parameters in chain]


def _names(kinds: Sequence[type[Corruption]], word: str) -> str:
    """Return the options that add corruptions of these kinds, such as "--gaussian or --rician"."""
    *others, last = (option for option, (kind, _, _) in OPTIONS.items() if kind in kinds)
    return f"{', '.join(others)} {word} {last}" if others else last


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
            return read_parameter(kind, field, text)
        except InputError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parse


def describe_parameter(kind: type[Corruption], field: str) -> str:
    """Return what a parameter is and its bounds, for the help of an option."""
    text = (kind.model_fields[field].description or "").split("; left open", maxsplit=1)[0]
    bounds = parameter_bounds(kind, field)
    return (f"{text} ({bounds})" if bounds else text).replace("%", "%%")

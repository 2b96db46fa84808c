"""Options that several commands have."""

import argparse
from collections.abc import Callable
from pathlib import Path

from napari_mri_cae.planes import PLANES


def add_volume(parser: argparse.ArgumentParser, name: str, text: str) -> None:
    """Add a volume to read."""
    parser.add_argument(name, type=Path, help=f"{text} (NIfTI, MGH, Analyze or MINC)")


def add_frame(parser: argparse.ArgumentParser) -> None:
    """Add --frame."""
    parser.add_argument(
        "--frame",
        type=whole_number(0),
        default=0,
        metavar="N",
        help="which volume of a series (4-D), counted from 0 (default: 0)",
    )


def add_plane(parser: argparse.ArgumentParser) -> None:
    """Add --plane."""
    parser.add_argument(
        "--plane", choices=PLANES, default="axial", help="plane the slices are taken in (default: axial)"
    )


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add --model."""
    parser.add_argument(
        "--model",
        metavar="M",
        help="a name of 'mri-cae models', or a .safetensors, .h5 or .keras file (default: the shipped)",
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add --json."""
    parser.add_argument(
        "--json",
        action="store_true",
        help="print JSON; what is infinite, as the PSNR of equal volumes, is null",
    )


def whole_number(low: int, high: int | None = None) -> Callable[[str], int]:
    """Return an argument type: a whole number within bounds."""

    def parse(text: str) -> int:
        wanted = f"from {low} to {high}" if high is not None else f"{low} or more"
        try:
            number = int(text)
        except ValueError:
            number = low - 1
        if number < low or (high is not None and number > high):
            raise argparse.ArgumentTypeError(f"{text!r} will not do: give a whole number, {wanted}.")
        return number

    return parse

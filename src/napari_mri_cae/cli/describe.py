"""Write on a model's card what is usual for it, measured on volumes that it has learnt from.

For each plane and kind of head: how well it reconstructs slices, clean and noisy,
by how much of a slice is tissue. Compare tells from that which slices of another
volume are unusual. Where the card does not say yet what the training volumes look
like, that is written too. 'mri-cae train' does all this by itself, on fewer slices.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_mri_cae.cli.chain import parameter_type
from napari_mri_cae.cli.options import whole_number
from napari_mri_cae.cli.output import Progress
from napari_mri_cae.corruptions import GaussianNoise
from napari_mri_cae.errors import InputError
from napari_mri_cae.files import check_writable

if TYPE_CHECKING:
    from napari_mri_cae.volume import Volume


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("model", metavar="MODEL", help="a name that 'mri-cae models' lists, or a model file")
    parser.add_argument(
        "volumes", type=Path, nargs="+", metavar="VOLUME", help="volumes that it was trained on, no others"
    )
    parser.add_argument(
        "--gaussian",
        type=parameter_type(GaussianNoise, "sigma"),
        nargs="*",
        default=[0.03],
        metavar="S",
        help="Gaussian noise to measure beside clean slices (default: 0.03, with which Compare begins)",
    )
    parser.add_argument(
        "--per-bin",
        type=whole_number(1),
        default=4,
        metavar="N",
        help="slices of each volume and plane that hold about as much tissue as each other (default: 4)",
    )
    parser.add_argument(
        "--seed", type=whole_number(0), default=0, metavar="K", help="of slices and noise (default: 0)"
    )
    parser.add_argument("--device", default="auto", metavar="D", help="auto, cpu, cuda ... (default: auto)")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="OUT", help="write another file, and leave the model's as it is"
    )


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from napari_mri_cae.models import load_model, save_model, with_domain
    from napari_mri_cae.models.file import SUFFIX
    from napari_mri_cae.models.registry import is_shipped
    from napari_mri_cae.slice_statistics import slice_statistics
    from napari_mri_cae.volume import Volume

    model = load_model(arguments.model)
    output = arguments.output or model.path
    if arguments.output is None and output is not None and is_shipped(output):
        raise InputError(
            f"{model.card.name} comes with the package and stays as it is: name a copy with --output."
        )
    if output is None or output.suffix != SUFFIX:
        raise InputError(f"{output} cannot hold a card: name a file that ends in {SUFFIX} with --output.")
    output = check_writable(output)
    paths = arguments.volumes

    def volumes(what: str) -> "Iterator[Volume]":
        with Progress(f"volumes, {what}") as progress:
            for number, path in enumerate(paths):
                progress(number, len(paths))
                yield Volume.load(path)

    card = model.card if model.card.domain else with_domain(model.card, volumes("how they look"))
    statistics = slice_statistics(
        model,
        volumes("how well they are reconstructed"),
        conditions=[(), *((GaussianNoise(sigma=sigma),) for sigma in arguments.gaussian)],
        per_bin=arguments.per_bin,
        seed=arguments.seed,
        device=arguments.device,
    )
    save_model(replace(model, card=card.model_copy(update={"slice_statistics": statistics})), output)
    counts = sum(one.slices for each in statistics for one in each.bins)
    print(f"{output}: {card.name}, {counts} measurements of slices of {len(paths)} volumes")

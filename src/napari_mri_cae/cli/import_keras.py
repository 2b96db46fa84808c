"""Turn a model that Keras saved into a model file of this software.

IN is HDF5 (.h5) of Keras 2 or 3, or a .keras archive; neither Keras nor
TensorFlow is needed. Whole models are built from their own description. Weights
without one are put into one of the published architectures. What is known of
published files is filled in; what the card says of others is up to you.
"""

import argparse
from pathlib import Path

from napari_mri_cae.cli.options import add_json
from napari_mri_cae.cli.output import print_json
from napari_mri_cae.files import check_writable
from napari_mri_cae.intensity import SCALINGS
from napari_mri_cae.planes import PLANES


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    from napari_mri_cae.models.architectures import PUBLISHED

    parser.add_argument("input", type=Path, metavar="IN", help="the file that Keras saved")
    parser.add_argument("output", type=Path, metavar="OUT", help="where to, a name ending in .safetensors")
    parser.add_argument(
        "--plane",
        choices=("any", *PLANES),
        help="the slices that it was trained on (default: as published, or any)",
    )
    parser.add_argument(
        "--intensity",
        choices=SCALINGS,
        help="the scaling of slices that it was trained with (default: as published, or slice-min-max)",
    )
    parser.add_argument(
        "--architecture",
        choices=PUBLISHED,
        help="put the weights into this one (default: what the file describes, or the one that fits)",
    )
    add_json(parser)


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from napari_mri_cae.models import import_keras, save_model

    output = check_writable(arguments.output, arguments.input)
    model = import_keras(
        arguments.input,
        architecture=arguments.architecture,
        plane=arguments.plane,
        intensity=arguments.intensity,
    )
    card = model.card
    save_model(model, output)
    if arguments.json:
        print_json({"output": str(output), **card.model_dump(mode="json")})
    else:
        print(f"{output}: {card.title}, {card.parameters:,} parameters, plane {card.plane}, {card.intensity}")

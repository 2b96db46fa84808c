"""Export a model to ONNX, for programs that have no PyTorch.

The file holds the network, for any number of slices of any size that the model
takes. What has to be done around it is described, as JSON, in its metadata:
"preprocessing" and "card". Needs pip install 'napari-mri-cae[onnx]'.
"""

import argparse
from pathlib import Path

from napari_mri_cae.files import check_writable


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("model", metavar="MODEL", help="a name that 'mri-cae models' lists, or a model file")
    parser.add_argument("output", type=Path, metavar="OUT.onnx", help="where to")


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    output = check_writable(arguments.output)

    from napari_mri_cae.models import load_model
    from napari_mri_cae.models.export import export_onnx

    model = load_model(arguments.model)
    export_onnx(model, output)
    card = model.card
    if card.fixed_size is not None:
        size = "{} x {}".format(*card.fixed_size)
    else:
        size = f"multiples of {card.multiple_of}" if card.multiple_of > 1 else "any"
    slices = f"slices (N, {1 + 2 * card.neighbours}, H, W)"
    if card.neighbours:
        slices += f", each between {card.neighbours} neighbours on either side"
    print(f"{output}: {card.name}, {card.architecture}; {slices}, height and width {size}")

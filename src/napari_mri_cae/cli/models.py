"""List the shipped models, the default first, and your own."""

import argparse

from napari_mri_cae.cli.options import add_json
from napari_mri_cae.cli.output import print_json, print_table


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    from napari_mri_cae.models import user_model_folder

    parser.epilog = f"Your own models are .safetensors files in {user_model_folder()}"
    add_json(parser)


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from napari_mri_cae.models import DEFAULT_MODEL, list_models, user_model_folder

    cards = list_models()
    if arguments.json:
        print_json([card.model_dump(mode="json") for card in cards])
    elif not cards:
        print(f"There is no model; put .safetensors files into {user_model_folder()}")
    else:
        print_table(
            ("NAME", "PLANE", "PARAMETERS", "ARCHITECTURE", "TITLE"),
            [
                (
                    f"{card.name}{' (default)' if card.name == DEFAULT_MODEL else ''}",
                    card.plane,
                    f"{card.parameters:,}",
                    card.architecture,
                    card.title,
                )
                for card in cards
            ],
        )

"""Train a model as a YAML file says.

A recipe starts a run in a new folder, runs/NAME-DATE-TIME. A run's own
config.yaml is trained in its folder, where everything about it goes: events,
metrics, checkpoints and the best model. Its name is printed at the end.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_mri_cae.cli.output import Progress


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("config", type=Path, help="a recipe, or the config.yaml of a run")
    parser.add_argument("--resume", action="store_true", help="go on from the run's last checkpoint")


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from napari_mri_cae.training import TrainingConfig, train_from_file

    steps = TrainingConfig.load(arguments.config).steps
    with Progress("steps") as progress:

        def show(event: Mapping[str, Any]) -> None:
            if "step" in event:
                progress(event["step"], steps)

        folder = train_from_file(arguments.config, resume=arguments.resume, on_event=show)
    print(folder)

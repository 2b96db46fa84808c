"""Train a model as a recipe or a YAML file says.

A recipe by name, or any YAML file, starts a run in a new folder, by default
runs/NAME-DATE-TIME. A run folder, or the config.yaml in it, is trained in that
folder, and with --resume goes on after its last finished epoch. Everything
about the run is in its folder: events, metrics, curves, previews, checkpoints
and the best model. Ctrl-C stops it, and it can be resumed.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari_mri_cae.cli.options import add_json, whole_number
from napari_mri_cae.cli.output import decibels, print_json
from napari_mri_cae.errors import InputError

if TYPE_CHECKING:
    from napari_mri_cae.training import TrainingConfig

_CONFIG: Final = "config.yaml"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "config", nargs="?", help="a recipe's name, a YAML file, a run folder or its config.yaml"
    )
    parser.add_argument("--resume", action="store_true", help="go on with the run from its last epoch")
    parser.add_argument("--run-folder", type=Path, metavar="F", help="where everything about a new run goes")
    parser.add_argument(
        "--data", type=Path, metavar="FOLDER", help="the folder of volumes, instead of the configuration's"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        type=_assignment,
        metavar="NAME=VALUE",
        help="change a setting, as loss=dssim or optimizer.l2=1e-5; may be repeated",
    )
    group = parser.add_argument_group("several devices")
    group.add_argument("--devices", type=_devices, metavar="N", help="how many in each node, or auto")
    group.add_argument("--num-nodes", type=whole_number(1), metavar="N", help="machines that train together")
    group.add_argument("--strategy", metavar="S", help="how they share the work, as Lightning names it: ddp")
    parser.add_argument(
        "--list-recipes", action="store_true", help="print the recipes that come with the software, and end"
    )
    parser.add_argument("--help-config", action="store_true", help="print all settings, and end")
    add_json(parser)
    parser.set_defaults(usage_error=parser.error)


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    if arguments.help_config:
        _print_settings()
        return
    if arguments.list_recipes:
        _print_recipes()
        return
    if arguments.config is None:
        arguments.usage_error("give a recipe's name, a YAML file or a run folder.")
    config, folder = _read(arguments)

    from napari_mri_cae.training import RunFolder, train

    place = train(config, folder, resume=arguments.resume, on_event=None if arguments.json else _show)
    done = RunFolder(place)
    status, rows = done.status, done.metrics()
    if arguments.json:
        print_json({"run": str(place), "state": status.state, "epochs": len(rows), "metrics": rows[-1:]})
    elif status.state == "stopped":
        print(f"stopped: {status.message}; go on with: mri-cae train {place} --resume")
    if status.state != "stopped":
        if not arguments.json:
            print(place)
    elif "SIGINT" in status.message:
        raise KeyboardInterrupt


def _read(arguments: argparse.Namespace) -> "tuple[TrainingConfig, Path | None]":
    """Return what to train, and in which folder, if that is said."""
    from napari_mri_cae.training import TrainingConfig
    from napari_mri_cae.training.recipes import recipe_path, recipe_paths

    path = Path(arguments.config)
    folder = arguments.run_folder
    if path.is_dir():
        path = path / _CONFIG
    elif arguments.config in recipe_paths() and not path.exists():
        path = recipe_path(arguments.config)
    elif not path.exists() and not path.suffix:
        raise InputError(
            f"there is no recipe, file or folder {path}; recipes are {', '.join(recipe_paths())}."
        )
    if path.name == _CONFIG and folder is None:
        folder = path.parent
    if arguments.resume and folder is None:
        raise InputError(f"{path} belongs to no run: give the folder of the run to resume.")
    changes: dict[str, Any] = dict(arguments.set)
    if arguments.data is not None:
        changes["data"] = [{"folder": str(arguments.data.expanduser().resolve())}]
    for name in ("devices", "num_nodes", "strategy"):
        if (value := getattr(arguments, name)) is not None:
            changes[name] = value
    config = TrainingConfig.load(path)
    return (config.with_values(changes) if changes else config), folder


def _show(event: Mapping[str, Any]) -> None:
    """Print what happened, in a line."""
    kind = event["event"]
    if kind == "start":
        again = f", from epoch {event['epoch'] + 1}" if event["epoch"] else ""
        several = f" on {event['processes']} processes" if event["processes"] > 1 else ""
        print(
            f"{event['epochs']} epochs of {event['steps'] // event['epochs']} steps{several}{again}; "
            f"{event['device']}, {event['precision']}",
            flush=True,
        )
    elif kind == "step":
        print(
            f"  step {event['step']}: loss {event['loss']:.4g}, {event['slices_per_second']:.0f} slices/s, "
            f"{_duration(event['seconds_left'])} left",
            flush=True,
        )
    elif kind == "validation":
        quality = f", PSNR {decibels(event['psnr'])} dB" if event.get("psnr") is not None else ""
        print(
            f"epoch {event['epoch']}: loss {event['training_loss']:.4g}, validation "
            f"{event['validation_loss']:.4g}{quality}{' (best)' if event['best'] else ''}",
            flush=True,
        )
    elif kind in ("warning", "preparing", "finishing"):
        print(event["message"], flush=True)
    elif kind in ("paused", "resumed"):
        print(kind, flush=True)


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"


def _assignment(text: str) -> tuple[str, Any]:
    from napari_mri_cae.training.recipes import read_value

    name, equals, value = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f"{text!r} will not do: give NAME=VALUE.")
    try:
        return name.strip(), read_value(value)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _devices(text: str) -> int | str:
    return text if text == "auto" else whole_number(1)(text)


def _print_recipes() -> None:
    from napari_mri_cae.cli.output import print_facts
    from napari_mri_cae.training.recipes import load_recipe, recipe_paths

    print_facts((name, load_recipe(name).title) for name in recipe_paths())


def _print_settings() -> None:
    from napari_mri_cae.training import TrainingConfig
    from napari_mri_cae.training.config.describe import described

    for name, value, text in described(TrainingConfig):
        print(f"{name}{f' = {value}' if value else ''}\n    {text}")

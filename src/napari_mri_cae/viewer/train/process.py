"""The process that trains: `mri-cae train`, apart from the viewer."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from napari_mri_cae.errors import InputError
from napari_mri_cae.training import RunFolder, TrainingConfig
from napari_mri_cae.viewer.processes import start_process

OUTPUT: Final = "output.txt"


def prepare(run: RunFolder, config: TrainingConfig) -> None:
    """Make a run folder with its configuration.

    Raises
    ------
    InputError
        If there is a run in it already, or it cannot be written.
    """
    if run.is_run:
        raise InputError(f"{run.path} holds a run already: open and resume it, or choose another folder.")
    try:
        run.path.mkdir(parents=True, exist_ok=True)
        config.save(run.config_path)
    except OSError as error:
        sentence = f"{run.path} cannot be written ({error.strerror}): choose another run folder."
        raise InputError(sentence) from error


def start(run: RunFolder, *, resume: bool, device: str = "auto") -> "subprocess.Popen[bytes]":
    """Start to train as the run folder's configuration says.

    The process has a session of its own: it goes on when the viewer ends, unless it is stopped before.

    Parameters
    ----------
    run : RunFolder
    resume : bool
        Whether to go on from its last checkpoint.
    device : str
        "cpu" keeps a graphics card out of it.

    Raises
    ------
    InputError
        If it cannot be started.
    """
    command = [sys.executable, "-m", "napari_mri_cae.cli", "train", str(run.config_path)]
    try:
        with (run.path / OUTPUT).open("wb") as output:
            return start_process(
                [*command, "--resume"] if resume else command,
                "The training",
                env=_environment(os.environ, device),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
    except OSError as error:
        sentence = f"The training cannot be started: {run.path} cannot be written ({error.strerror})."
        raise InputError(sentence) from error


def last_words(folder: Path) -> str:
    """Return the last line that the process of a run has printed, without the command's name."""
    try:
        lines = (folder / OUTPUT).read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return ""
    said = [line.rpartition("\r")[2].strip() for line in lines if line.strip()]
    return said[-1].removeprefix("mri-cae: ") if said else ""


def _environment(own: Mapping[str, str], device: str) -> dict[str, str]:
    environment = dict(own)
    if device == "cpu":
        environment["CUDA_VISIBLE_DEVICES"] = ""
    elif device.startswith("cuda:"):
        environment["CUDA_VISIBLE_DEVICES"] = _visible(own.get("CUDA_VISIBLE_DEVICES"), device)
    return environment


def _visible(visible: str | None, device: str) -> str:
    """Return what the system calls a device that torch counts among those which it may see."""
    number = device.partition(":")[2]
    names = [] if visible is None else [name.strip() for name in visible.split(",")]
    return names[int(number)] if int(number) < len(names) else number

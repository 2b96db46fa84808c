"""What there is to know about a run before it begins: versions, and the card of its model."""

import os
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

import torch
from torch import nn

from napari_mri_cae.intensity import SCALINGS
from napari_mri_cae.models import Card, DataSource, Domain, Training
from napari_mri_cae.models.architectures import count_parameters
from napari_mri_cae.training.config import PatchSampling, TrainingConfig
from napari_mri_cae.training.data import Prepared

_PACKAGES: Final = ("napari-mri-cae", "torch", "lightning", "numpy", "nibabel")
# Intensities that no card can ask for: what they do depends on slices that a user's volume does not have.
_NOT_ON_CARDS: Final = {
    "dataset-min-max": "It learnt slices scaled by the lowest and highest value of all training volumes "
    "together; given a volume's own window instead, it sees about the same.",
    "volume-min-max": "It learnt slices scaled by the lowest and highest value of a volume's selected "
    "slices, where a volume's window ends at the 99.95th percentile; brightest spots differ.",
    "volume-z-score": "It learnt volumes of mean 0 and standard deviation 1, and is given the volume's "
    "window: scale volumes so before using it.",
}


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that decide what a training gives.

    Where the package runs from a git checkout, "git" says which commit, and whether files were changed.
    """
    found = {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}}
    described = _git_describe()
    return {**found, "git": described} if described else found


def _git_describe() -> str:
    package = Path(__file__).parents[1]
    # A folder of installed packages may lie in a checkout of something else.
    if not (package.parents[1] / ".git").exists():
        return ""
    command = ["git", "-C", str(package), "describe", "--always", "--dirty", "--tags", "--long"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""


def make_card(
    prepared: Prepared,
    network: nn.Module,
    *,
    step: int,
    minutes: float,
    software: Mapping[str, str],
    domain: Domain | None,
    device: torch.device,
    devices: int = 1,
) -> Card:
    """Return the card of the model that a training gives.

    Parameters
    ----------
    prepared
        The data, with the configuration.
    network
        What comes out.
    step, minutes
        After how many steps and how much time.
    software
        Versions.
    domain
        What the training volumes look like.
    device, devices
        What it was trained on, and how many of them.
    """
    config = prepared.config
    intensity = config.intensity
    limits = " ".join(filter(None, (config.limits, _NOT_ON_CARDS.get(intensity, ""), _leak(config))))
    sampling = config.sampling
    return Card(
        name=config.name,
        title=config.title,
        architecture=config.architecture,
        architecture_parameters=config.architecture_parameters,
        plane=config.planes[0] if len(config.planes) == 1 else "any",
        intensity=next((scaling for scaling in SCALINGS if scaling == intensity), "volume"),
        multiple_of=config.multiple_of,
        fixed_size=config.network_size,
        training=Training(
            data=tuple(
                DataSource(
                    name=folder.label,
                    reference=folder.reference,
                    licence=folder.licence,
                    notes=folder.notes,
                    training_subjects=prepared.subjects(folder.label, "training"),
                    validation_subjects=prepared.subjects(folder.label, "validation"),
                    test_subjects=prepared.subjects(folder.label, "test"),
                )
                for folder in config.data
            ),
            recipe=config.name,
            seed=config.seed,
            steps=step,
            batch_size=config.batch_size,
            patch_size=sampling.size if isinstance(sampling, PatchSampling) else None,
            minutes=round(minutes, 1),
            hardware=_hardware(device, devices),
            loss=config.loss,
            corruption=config.augmentation.model_dump(mode="json"),
            description=config.description,
        ),
        domain=domain,
        limits=limits,
        licence=config.licence,
        versions=dict(software),
        created=datetime.now(UTC).date().isoformat(),
        parameters=count_parameters(network),
    )


def _leak(config: TrainingConfig) -> str:
    if config.split.by != "slice" or all(folder.is_split for folder in config.data):
        return ""
    return (
        "It was trained and chosen by slices of the same subjects, neighbours among them, so what its "
        "validation reached is more than it reaches on other people."
    )


def _hardware(device: torch.device, devices: int) -> str:
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
        return f"{devices} x {name}" if devices > 1 else name
    cores = min(torch.get_num_threads() * devices, os.cpu_count() or 1)
    return f"{cores} CPU core{'s' if cores != 1 else ''}"

"""What the volumes of an evaluation, and the people they show, are called."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_mri_cae.errors import InputError
from napari_mri_cae.volume.labels import stem


@dataclass(frozen=True)
class Name:
    """The name of a volume and of its subject, each the same wherever the same is meant and only there."""

    volume: str
    subject: str


def name_volumes(paths: Sequence[Path]) -> list[Name]:
    """Name volumes by their files.

    A subject is a "sub-..." label, or else the file's name, within a data set: the folder that holds the
    "sub-..." folders, or else the file's own folder. So sub-01 of two data sets are two people, and two
    scans of sub-01 in one data set are one.

    Parameters
    ----------
    paths : sequence of pathlib.Path
        Different files.

    Raises
    ------
    InputError
        If a file is given twice.
    """
    from napari_mri_cae.training.data import subject_of

    # Links are not followed: in many data sets they are what has a subject's name.
    files = [Path(os.path.normpath(path.expanduser().absolute())) for path in paths]
    if twice := [path for path, times in Counter(files).items() if times > 1]:
        raise InputError(f"{twice[0]} is given twice: name each volume once.")
    subjects = [subject_of(path) for path in files]
    homes = [_data_set(path, subject) for path, subject in zip(files, subjects, strict=True)]
    return [
        Name(volume, subject)
        for volume, subject in zip(
            _distinct([single_spaced(stem(path)) for path in files], homes, files),
            _distinct([single_spaced(subject) for subject in subjects], homes, homes),
            strict=True,
        )
    ]


def single_spaced(label: str) -> str:
    """Return a label as a table holds it: all white space in it is single spaces."""
    return " ".join(label.split())


def _data_set(path: Path, subject: str) -> Path:
    """Return the folder of the data set that a file belongs to."""
    for folder in path.parents:
        if folder.name == subject:
            return folder.parent
    return path.parent


def _distinct(labels: Sequence[str], homes: Sequence[Path], things: Sequence[Path]) -> list[str]:
    """Return labels that differ where the things differ.

    With the data set's name or the whole path, and with numbers where paths differ in white space alone.
    """
    for candidates in (
        list(labels),
        [f"{home.name}/{label}" for home, label in zip(homes, labels, strict=True)],
        [f"{home}/{label}" for home, label in zip(homes, labels, strict=True)],
        [str(thing) for thing in things],
    ):
        distinct = [single_spaced(candidate) for candidate in candidates]
        if len(set(distinct)) == len(set(zip(labels, things, strict=True))):
            return distinct
    return [f"{label} ({things.index(thing) + 1})" for label, thing in zip(labels, things, strict=True)]

"""The volumes of a training: found, checked, and each put into a part."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from napari_mri_cae.errors import InputError
from napari_mri_cae.training.config import DataFolder, Part, Split, TrainingConfig
from napari_mri_cae.training.data.participants import Participants, strata
from napari_mri_cae.training.data.split import split_subjects
from napari_mri_cae.volume.labels import stem
from napari_mri_cae.volume.opening import open_file
from napari_mri_cae.volume.parts import volume_checksum

LEAK: Final = (
    "The split is by slice: neighbouring slices look alike, and some are learnt from while others judge the "
    "model, which therefore looks better than it is. Split by subject for results that hold for new people."
)

_CONTRASTS: Final = r"(?:[_-](?:T1w?|T2w?|PDw?|FLAIR|T2star|T2starw|MRA|DTI|brain))+$"


@dataclass(frozen=True)
class Source:
    """One volume of a data folder.

    Attributes
    ----------
    part
        None where its slices are split one by one.
    """

    data: str
    subject: str
    part: Part | None
    path: Path
    sha256: str


@dataclass(frozen=True)
class Unreadable:
    """A file that is no volume to train on, and why, in a sentence."""

    data: str
    path: Path
    reason: str


@dataclass(frozen=True)
class Data:
    """The volumes of a training.

    Attributes
    ----------
    config
        Of the training.
    sources
        In the order of the folders, and by path.
    unreadable
        What is left out.
    warnings
        Sentences for the user.
    participants
        By the label of the data folder.
    """

    config: TrainingConfig
    sources: tuple[Source, ...]
    unreadable: tuple[Unreadable, ...] = ()
    warnings: tuple[str, ...] = ()
    participants: Mapping[str, Participants] = field(default_factory=dict)

    def without(self, unreadable: Sequence[Unreadable]) -> "Data":
        """Return the data without volumes that turned out to be unreadable.

        Raises
        ------
        InputError
            If there are some and the configuration does not say to skip them, or nothing is left.
        """
        if not unreadable:
            return self
        if self.config.unreadable == "refuse":
            raise InputError(refusal(unreadable))
        out = {each.path for each in unreadable}
        sources = tuple(source for source in self.sources if source.path not in out)
        if not sources:
            raise InputError(f"none of the volumes can be read; the first: {unreadable[0].reason}")
        warnings = tuple(f"Left out: {each.reason}" for each in unreadable)
        return replace(
            self,
            sources=sources,
            unreadable=(*self.unreadable, *unreadable),
            warnings=(*self.warnings, *warnings),
        )


def find_data(config: TrainingConfig) -> Data:
    """Find the volumes of a training, check that their headers can be read, and put them into parts.

    Parameters
    ----------
    config
        Of the training.

    Raises
    ------
    InputError
        If a folder is not there or holds nothing that matches, a subject that is named is not there, a volume
        cannot be read and is not to be skipped, or there are too few to be split.
    """
    if not config.data:
        raise InputError("data: there is no data folder: name one.")
    sources: list[Source] = []
    participants: dict[str, Participants] = {}
    unreadable: list[Unreadable] = []
    for folder in config.data:
        place = config.root / folder.folder
        paths = find_files(folder, config.root)
        participants[folder.label] = Participants.read(place / "participants.tsv")
        subjects = sorted({subject_of(path) for path in paths})
        parts = _parts(folder, subjects, config.split, participants[folder.label], place)
        for path in paths:
            subject = subject_of(path)
            if subject not in parts:
                continue
            if reason := _wrong(path):
                unreadable.append(Unreadable(folder.label, path, reason))
            else:
                sources.append(Source(folder.label, subject, parts[subject], path, volume_checksum(path)))
    warnings = (LEAK,) if any(source.part is None for source in sources) else ()
    return Data(config, tuple(sources), (), warnings, participants).without(unreadable)


def find_files(folder: DataFolder, root: Path) -> list[Path]:
    """Return the files of a data folder, sorted.

    Raises
    ------
    InputError
        If there is no such folder or nothing in it matches.
    """
    place = root / folder.folder
    if not place.is_dir():
        raise InputError(f"there is no data folder {place}: put it there, or set root to where it is.")
    pattern = folder.pattern if folder.pattern != "auto" else _pattern(place)
    try:
        found = sorted(path for path in place.glob(pattern) if path.is_file() and path.name[0] != ".")
    except (ValueError, NotImplementedError) as error:
        raise InputError(f"data.pattern: {pattern!r} is no pattern of files in a folder.") from error
    if folder.pattern == "auto":
        found = [path for path in found if re.search(r"\.nii(\.gz)?$", path.name)]
    if not found:
        raise InputError(f"no file in {place} matches {pattern}: choose another folder or pattern.")
    return found


def _pattern(place: Path) -> str:
    bids = (place / "dataset_description.json").is_file() or any(place.glob("sub-*/"))
    return "sub-*/**/*_T1w.nii*" if bids else "**/*.nii*"


def subject_of(path: Path) -> str:
    """Return the subject that a file belongs to.

    Its "sub-..." label, or else its name without suffixes and contrast ("patient07" of patient07_T1w.nii.gz),
    or else, where the name is nothing but a contrast, its folder's name.
    """
    if match := re.match(r"(sub-[A-Za-z0-9]+)", path.name):
        return match[1]
    name = re.sub(_CONTRASTS, "", f"_{stem(path)}", flags=re.IGNORECASE)[1:]
    return name or path.parent.name


def _parts(
    folder: DataFolder, subjects: Sequence[str], split: Split, participants: Participants, place: Path
) -> dict[str, Part | None]:
    """Return the part of every subject that is used."""
    if folder.is_split:
        return dict(_named_parts(folder, subjects, place))
    if split.by == "slice":
        return dict.fromkeys(subjects)
    columns = [strata(participants.values(name, subjects), split.age_bins) for name in split.stratify_by]
    groups = list(zip(*columns, strict=True))
    return dict(split_subjects(subjects, split, groups))


def _named_parts(folder: DataFolder, subjects: Sequence[str], place: Path) -> dict[str, Part]:
    named = Counter([*folder.training, *folder.validation, *folder.test])
    if missing := sorted(named.keys() - set(subjects)):
        raise InputError(f"{place} has no subject {', '.join(missing)}: correct the split.")
    if twice := [subject for subject, times in named.items() if times > 1]:
        raise InputError(f"{', '.join(twice)} of {folder.label} is named twice: correct the split.")
    parts: dict[str, Part] = dict.fromkeys(folder.training or subjects, "training")
    return parts | dict.fromkeys(folder.validation, "validation") | dict.fromkeys(folder.test, "test")


def _wrong(path: Path) -> str:
    """Return what is wrong with a file by its header; nothing where it looks right."""
    try:
        opened = open_file(path)
    except InputError as error:
        return str(error)
    if opened.grid.frames > 1:
        return series(path)
    return ""


def series(path: Path) -> str:
    """Return why a series is no volume to train on."""
    return f"{path} is a series of volumes: leave it out by the pattern."


def refusal(unreadable: Sequence[Unreadable]) -> str:
    """Return one sentence about volumes that cannot be used, for a training that is not to begin."""
    if len(unreadable) == 1:
        return unreadable[0].reason
    names = ", ".join(str(each.path) for each in unreadable[:5])
    more = f" and {len(unreadable) - 5} more" if len(unreadable) > 5 else ""
    return (
        f"{len(unreadable)} volumes cannot be used ({names}{more}): remove them, or set unreadable to skip. "
        f"The first: {unreadable[0].reason}"
    )

"""Which subjects, or slices, are learnt from, choose the weights, or are kept apart."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from napari_mri_cae.errors import InputError
from napari_mri_cae.training.config import PARTS, Part, Split

Indices = npt.NDArray[np.intp]


def split_slices(count: int, split: Split) -> npt.NDArray[np.uint8]:
    """Return the part of each of `count` slices, as an index into `PARTS`.

    The slices that `numpy.random.RandomState(seed).permutation(count)` names first are for testing, the next
    for validation, and the rest to learn from: with the same seed, and no test slices, the parts are those
    of scikit-learn's `train_test_split(slices, test_size=validation, random_state=seed)`.

    Raises
    ------
    InputError
        If there are too few.
    """
    n_test, n_validation = _sizes(count, split, "slices")
    order = np.random.RandomState(split.seed).permutation(count)
    parts = np.full(count, PARTS.index("training"), np.uint8)
    parts[order[:n_test]] = PARTS.index("test")
    parts[order[n_test : n_test + n_validation]] = PARTS.index("validation")
    return parts


def split_subjects(
    subjects: Sequence[str], split: Split, groups: Sequence[tuple[str, ...]] = ()
) -> dict[str, Part]:
    """Return the part of each subject.

    Parameters
    ----------
    subjects
        Each once; their order does not matter.
    split
        Shares and seed.
    groups
        Of each subject, what is to be spread alike over the parts. The subjects are put in the order of
        their groups, and at random within them, and evenly spaced ones are taken, beginning at a random
        place: of every group, and of every value of the first column, a part gets its share to within one
        subject (validation, of what the test leaves).

    Raises
    ------
    InputError
        If there are too few.
    """
    n_test, n_validation = _sizes(len(subjects), split, "subjects")
    random = np.random.RandomState(split.seed)
    ordered = sorted(range(len(subjects)), key=lambda number: subjects[number])
    left = [ordered[place] for place in random.permutation(len(ordered))]
    if groups:
        left.sort(key=lambda number: groups[number])
    parts: dict[str, Part] = {}
    drawn: tuple[tuple[Part, int], ...] = (("test", n_test), ("validation", n_validation))
    for part, count in drawn:
        start = random.uniform() if groups else 0.0
        step = len(left) / count if groups and count else 1.0
        taken = {int((start + place) * step) for place in range(count)}
        parts |= {subjects[number]: part for place, number in enumerate(left) if place in taken}
        left = [number for place, number in enumerate(left) if place not in taken]
    return parts | {subjects[number]: "training" for number in left}


def _sizes(count: int, split: Split, what: str) -> tuple[int, int]:
    """Return how many are for testing and how many for validation, rounded up, as scikit-learn does."""
    n_test, n_validation = math.ceil(split.test * count), math.ceil(split.validation * count)
    if n_test + n_validation >= count:
        advice = "add volumes, or split by slice" if what == "subjects" else "keep more of them"
        raise InputError(f"split: {count} {what} are too few to set {n_test + n_validation} aside: {advice}.")
    return n_test, n_validation

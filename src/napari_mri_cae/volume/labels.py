"""Tell a label image from an intensity image."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

_INTENT_LABEL: Final = 1002

# BIDS suffixes of label images, and what FreeSurfer and segmentation tools call theirs. A probability map
# ("probseg") is none.
_LABEL_SUFFIXES: Final = frozenset(
    {
        "dseg",
        "mask",
        "roi",
        "lesion",
        "lesions",
        "seg",
        "segmentation",
        "label",
        "labels",
        "aseg",
        "aparc+aseg",
    }
)


def stem(path: Path) -> str:
    """Return a file's name without .nii, .nii.gz and the like."""
    return re.sub(r"(\.[a-z]{1,4})(\.(gz|bz2|zst))?$", "", path.name, flags=re.IGNORECASE) or path.name


def is_label_image(name: str, header: Any, data: Iterable[npt.NDArray[np.floating[Any]]]) -> bool:
    """Tell whether a file holds labels: by its NIfTI intent or its BIDS suffix.

    An integer type alone says nothing (most T1w files are integers), and a file called a mask that holds
    fractions is a probability map.
    """
    if _intent_code(header) == _INTENT_LABEL:
        return True
    suffix = name.lower().rsplit("_", 1)[-1].rsplit(".", 1)[-1]
    return suffix in _LABEL_SUFFIXES and _is_whole(data)


def _intent_code(header: Any) -> int:
    try:
        return int(header["intent_code"])
    except (KeyError, TypeError, ValueError, IndexError):
        return 0


def _is_whole(data: Iterable[npt.NDArray[np.floating[Any]]]) -> bool:
    return all(bool(np.array_equal(part, np.rint(part), equal_nan=True)) for part in data)

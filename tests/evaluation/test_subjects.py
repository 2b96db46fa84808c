"""Names of volumes and subjects."""

from pathlib import Path

import pytest

from napari_mri_cae import InputError
from napari_mri_cae.evaluation.subjects import name_volumes


def _names(*paths: str) -> list[tuple[str, str]]:
    return [(name.volume, name.subject) for name in name_volumes([Path(path) for path in paths])]


def test_files_and_labels() -> None:
    assert _names("/s/sub-01/anat/sub-01_T1w.nii.gz", "/s/sub-02/anat/sub-02_T1w.nii.gz") == [
        ("sub-01_T1w", "sub-01"),
        ("sub-02_T1w", "sub-02"),
    ]
    assert _names("/s/a.nii", "/s/b.mgz") == [("a", "a"), ("b", "b")]


def test_the_same_label_in_two_data_sets_is_two_people() -> None:
    assert _names("/one/sub-09/anat/sub-09_T1w.nii", "/two/sub-09/anat/sub-09_T1w.nii") == [
        ("one/sub-09_T1w", "one/sub-09"),
        ("two/sub-09_T1w", "two/sub-09"),
    ]
    assert _names("/a/raw/sub-1_T1w.nii", "/b/raw/sub-1_T1w.nii") == [
        ("/a/raw/sub-1_T1w", "/a/raw/sub-1"),
        ("/b/raw/sub-1_T1w", "/b/raw/sub-1"),
    ]


def test_two_scans_of_one_person() -> None:
    names = _names("/s/sub-1/ses-1/sub-1_ses-1_T1w.nii", "/s/sub-1/ses-2/sub-1_ses-2_T1w.nii")
    assert [subject for _, subject in names] == ["sub-1", "sub-1"]
    assert len({volume for volume, _ in names}) == 2


def test_white_space() -> None:
    assert _names("/s/a  b.nii", "/s/c\N{NO-BREAK SPACE}d.nii") == [("a b", "a b"), ("c d", "c d")]
    names = _names("/s/a  b.nii", "/s/a b.nii", "/t/a  b.nii")
    assert len({volume for volume, _ in names}) == 3


def test_one_file_twice() -> None:
    with pytest.raises(InputError, match="given twice"):
        _names("/s/a.nii", "/s/a.nii")

from pathlib import Path

import numpy as np
import pytest

from napari_mri_cae.errors import InputError
from napari_mri_cae.training.data import find_data, prepare, subject_of


@pytest.mark.parametrize(
    ("path", "subject"),
    [
        ("sub-01/ses-2/anat/sub-01_ses-2_T1w.nii.gz", "sub-01"),
        ("IXI096-HH-1391_T1.nii.gz", "IXI096-HH-1391"),
        ("OAS1_0001_MR1_mpr-1.nii", "OAS1_0001_MR1_mpr-1"),
        ("patient07_FLAIR.nii.gz", "patient07"),
        ("patient07_T1w_brain.nii.gz", "patient07"),
        ("ms/T1.nii.gz", "ms"),
        ("T1075.nii", "T1075"),
    ],
)
def test_the_subject_of_a_file(path, subject):
    assert subject_of(Path("data", path)) == subject


def test_volumes_are_split_by_subject_with_the_same_outcome_every_time(scans, make_config):
    config = make_config(split={"validation": 0.2, "test": 0.2, "seed": 3})
    sources = find_data(config).sources
    assert [source.subject for source in sources] == list(scans)
    assert sorted(source.part for source in sources) == ["test", *["training"] * 3, "validation"]
    assert find_data(config).sources == sources
    assert len({source.sha256 for source in sources}) == 5


def test_a_folder_that_names_subjects_is_split_as_it_says(scans, make_config):
    data = {"folder": "scans", "validation": ["s1"], "test": ["s3"]}
    parts = {s.subject: s.part for s in find_data(make_config(data=[data])).sources}
    assert parts == {"s0": "training", "s1": "validation", "s2": "training", "s3": "test", "s4": "training"}
    parts = {s.subject: s.part for s in find_data(make_config(data=[{**data, "training": ["s0"]}])).sources}
    assert parts == {"s0": "training", "s1": "validation", "s3": "test"}


def test_sexes_are_spread_over_the_parts(write_volume, make_config, tmp_path):
    rows = ["participant_id\tsex"]
    for number in range(8):
        write_volume(f"bids/sub-{number}/anat/sub-{number}_T1w.nii", np.ones((4, 5, 6)) * number)
        write_volume(f"bids/sub-{number}/anat/sub-{number}_T2w.nii", np.ones((4, 5, 6)))
        rows.append(f"sub-{number}\t{'FM'[number % 2]}")
    (tmp_path / "data" / "bids" / "participants.tsv").write_text("\n".join(rows))
    split = {"validation": 0.25, "stratify_by": ["sex"]}
    sources = find_data(make_config(data=[{"folder": "bids"}], split=split)).sources
    assert len(sources) == 8  # T1w alone
    held_out = [int(s.subject[-1]) % 2 for s in sources if s.part == "validation"]
    assert sorted(held_out) == [0, 1]


def test_a_split_by_slice_warns_that_it_leaks(scans, make_config):
    data = find_data(make_config(split={"by": "slice"}))
    assert {source.part for source in data.sources} == {None}
    assert "neighbouring slices look alike" in data.warnings[0]


def _spoil(path):
    path.write_bytes(path.read_bytes()[:-200])


def test_unreadable_volumes_are_named_and_skipped_only_if_that_is_agreed(
    scans, write_volume, make_config, tmp_path
):
    folder = tmp_path / "data" / "scans"
    (folder / "s1.nii.gz").write_bytes(b"no volume")  # seen by its header
    _spoil(folder / "s2.nii.gz")  # seen when it is decoded
    config = make_config(data=[{"folder": "scans", "validation": ["s4"]}])
    with pytest.raises(InputError, match=r"s1\.nii\.gz"):
        find_data(config)

    skipping = config.model_copy(update={"unreadable": "skip"})
    data = find_data(skipping)
    assert [each.path.name for each in data.unreadable] == ["s1.nii.gz"]
    prepared = prepare(data)
    assert [each.path.name for each in prepared.data.unreadable] == ["s1.nii.gz", "s2.nii.gz"]
    assert [volume.source.subject for volume in prepared.volumes] == ["s0", "s3", "s4"]
    assert sum("Left out: s2.nii.gz" in sentence for sentence in prepared.data.warnings) == 1

    (folder / "s1.nii.gz").unlink()
    with pytest.raises(InputError, match=r"s2\.nii\.gz"):
        prepare(find_data(config))


def test_what_is_skipped_leaves_the_split_of_the_others_alone(scans, make_config, tmp_path):
    config = make_config(unreadable="skip")
    before = {s.subject: s.part for s in find_data(config).sources}
    (tmp_path / "data" / "scans" / "s0.nii.gz").write_bytes(b"no volume")
    after = {s.subject: s.part for s in find_data(config).sources}
    assert after == {subject: part for subject, part in before.items() if subject != "s0"}


def test_series_and_labels_are_no_volumes_to_train_on(scans, write_volume, make_config):
    write_volume("scans/t.nii", np.ones((3, 4, 5)).repeat(2).reshape(3, 4, 5, 2))
    with pytest.raises(InputError, match=r"t\.nii is a series"):
        find_data(make_config())
    write_volume("scans/t.nii", np.ones((3, 4, 5)))
    write_volume("scans/t_seg.nii", 2 * np.ones((3, 4, 5)))
    with pytest.raises(InputError, match=r"t_seg\.nii holds labels"):
        prepare(find_data(make_config()))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"folder": "elsewhere"}, "there is no data folder .*elsewhere"),
        ({"pattern": "*.mgz"}, r"matches \*\.mgz"),
        ({"pattern": "/etc/*"}, "is no pattern"),
        ({"test": ["s9"]}, "has no subject s9"),
        ({"validation": ["s1"], "test": ["s1"]}, "s1 of scans is named twice"),
    ],
)
def test_a_wrong_folder_is_said_in_a_sentence(scans, make_config, changes, said):
    with pytest.raises(InputError, match=said):
        find_data(make_config(data=[{"folder": "scans", **changes}]))


def test_no_folder_and_no_participants_are_said_in_a_sentence(scans, make_config):
    with pytest.raises(InputError, match="no data folder: name one"):
        find_data(make_config(data=[]))
    with pytest.raises(InputError, match="stratify_by: there is no"):
        find_data(make_config(split={"stratify_by": ["age"]}))

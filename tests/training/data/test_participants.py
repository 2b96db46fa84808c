import pytest

from napari_mri_cae.errors import InputError
from napari_mri_cae.training.data.participants import Participants, strata


def _participants(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "participants.tsv"
    path.write_text(text, encoding=encoding)
    return Participants.read(path)


def test_values_are_found_for_each_subject(tmp_path):
    found = _participants(
        tmp_path, "participant_id\tage\tgender\nsub-01\t30\tF\nsub-02\t\tM\n", encoding="utf-8-sig"
    )
    assert found.values("age", ["sub-02", "sub-01", "01", "sub-03"]) == ["n/a", "30", "30", "n/a"]
    assert found.values("sex", ["sub-01", "sub-02"]) == ["F", "M"]


def test_numbers_are_put_into_equally_full_bins():
    # Quartiles of 1 to 8 are 2.75, 4.5 and 6.25.
    assert strata([str(age) for age in range(1, 9)], 4) == [
        *["1 to 2"] * 2,
        *["3 to 4"] * 2,
        *["5 to 6"] * 2,
        *["7 to 8"] * 2,
    ]
    assert strata(["20.5", "n/a", "70", "21"], 2) == ["20.5", "n/a", "21 to 70", "21 to 70"]
    assert strata(["F", "f", "M", "n/a"], 4) == ["f", "f", "m", "n/a"]
    assert strata(["5", "5", "5"], 4) == ["5", "5", "5"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("participant_id\tage\nsub-01\t3\n", r"has no column site: it has age\."),
        ("id\tage\nsub-01\t3\n", "has no column participant_id"),
        ("", "there is no .* with a column site"),
    ],
)
def test_what_is_missing_is_said_in_a_sentence(tmp_path, text, said):
    with pytest.raises(InputError, match=said):
        _participants(tmp_path, text).values("site", ["sub-01"])


def test_no_file_matters_only_when_it_is_asked_for(tmp_path):
    assert Participants.read(tmp_path / "participants.tsv").columns == {}

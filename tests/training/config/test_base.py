import math

import pytest
from pydantic import Field

from napari_mri_cae.errors import InputError
from napari_mri_cae.training.config import DataFolder, Sampling, Settings, SliceRule, Split, validated


class _Inner(Settings):
    rate: float = Field(1.0, gt=0, le=10)
    count: int = Field(1, ge=1)
    on: bool = True


class _Outer(Settings):
    slices: SliceRule
    inner: _Inner = _Inner()
    data: tuple[DataFolder, ...] = ()
    sampling: Sampling | None = None
    split: Split = Split()


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"inner": {"rate": -1}}, "inner.rate: must be greater than 0, and is -1."),
        ({"inner": {"rate": 10.5}}, "inner.rate: must be at most 10, and is 10.5."),
        ({"inner": {"rate": math.nan}}, "inner.rate: must be a finite number, and is nan."),
        ({"inner": {"rate": "fast"}}, "inner.rate: must be a number, and is 'fast'."),
        ({"inner": {"count": 2.5}}, "inner.count: must be a whole number, and is 2.5."),
        ({"inner": {"on": "maybe"}}, "inner.on: must be true or false, and is 'maybe'."),
        ({"inner": 3}, "inner: must be named values, and is 3."),
        ({"inner": {"rte": 1}}, "inner.rte: there is no such setting; correct its name or leave it out."),
        ({"data": [{"folder": "a"}, {"name": "b"}]}, "data.1.folder: is missing."),
        ({"data": "folder"}, "data: must be a list, and is 'folder'."),
        # The variant that pydantic tried is no field.
        ({"slices": {"rule": "brain", "least": 2}}, "slices.least: must be at most 1, and is 2."),
        ({"slices": {"rule": "range"}}, "slices.last: is missing."),
        (
            {"slices": {"rule": "range", "first": 5, "last": 3}},
            "slices: last must be greater than first.",
        ),
        ({"slices": {}}, "slices: must say its rule."),
        (
            {"sampling": {"kind": "cubes"}},
            "sampling: kind must be one of 'patches', 'slices', and is 'cubes'.",
        ),
        (
            {"sampling": {"kind": "slices", "pad_at": "top"}},
            "sampling.pad_at: must be 'start', 'end' or 'both', and is 'top'.",
        ),
        ({"split": {"validation": 1}}, "split.validation: must be less than 1, and is 1."),
    ],
)
def test_a_wrong_value_is_named_in_a_sentence(values, sentence):
    with pytest.raises(InputError) as error:
        validated(_Outer, {"slices": {"rule": "all"}, **values})
    assert str(error.value) == sentence


def test_what_is_no_mapping_at_all_is_said_too():
    with pytest.raises(InputError, match=r"^must be named values, and is \[1\]\.$"):
        validated(_Outer, [1])


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"validation": 0.6, "test": 0.4}, "together must be less than 1"),
        ({"by": "slice", "stratify_by": ["age"]}, "stratify_by is for a split by subject"),
    ],
)
def test_a_split_that_contradicts_itself_is_refused(values, said):
    with pytest.raises(InputError, match=said):
        validated(Split, values)

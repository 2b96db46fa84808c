import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from napari_mri_cae.errors import InputError
from napari_mri_cae.training.config import PARTS, Split
from napari_mri_cae.training.data.split import split_slices, split_subjects

SEEDS = st.integers(0, 2**32 - 1)


@given(count=st.integers(5, 2000), validation=st.floats(0.01, 0.7), seed=SEEDS)
def test_a_split_of_slices_is_scikit_learns(count, validation, seed):
    parts = split_slices(count, Split(by="slice", validation=validation, seed=seed))
    training, held_out = train_test_split(np.arange(count), test_size=validation, random_state=seed)
    assert set(np.flatnonzero(parts == PARTS.index("training"))) == set(training)
    assert set(np.flatnonzero(parts == PARTS.index("validation"))) == set(held_out)


def test_the_published_split_of_1530_slices_is_numpys_permutation():
    parts = split_slices(1530, Split(by="slice", validation=0.2, seed=13))
    first = np.random.RandomState(13).permutation(1530)[:306]
    assert np.array_equal(np.flatnonzero(parts == PARTS.index("validation")), np.sort(first))
    assert np.count_nonzero(parts == PARTS.index("training")) == 1224


@given(
    names=st.lists(st.text("abc123", min_size=1), min_size=8, max_size=40, unique=True),
    validation=st.floats(0.05, 0.3),
    test=st.floats(0, 0.3),
    seed=SEEDS,
    data=st.data(),
)
def test_every_subject_has_one_part_whatever_the_order(names, validation, test, seed, data):
    split = Split(validation=validation, test=test, seed=seed)
    groups = [(data.draw(st.sampled_from("fm")),) for _ in names]
    parts = split_subjects(names, split, groups)
    counts = {part: list(parts.values()).count(part) for part in PARTS}
    assert parts.keys() == set(names)
    assert counts["validation"] == math.ceil(validation * len(names))
    assert counts["test"] == math.ceil(test * len(names))
    assert split_subjects(names[::-1], split, groups[::-1]) == parts


@pytest.mark.parametrize("seed", range(10))
def test_each_group_gives_its_share(seed):
    # Four of each sex and age group; a quarter of sixteen for each of two parts is one of each group.
    names = [f"{sex}{age}{number}" for sex in "fm" for age in "xy" for number in range(4)]
    groups = [(name[0], name[1]) for name in names]
    parts = split_subjects(names, Split(validation=0.25, test=0.25, seed=seed), groups)
    for part in ("validation", "test"):
        assert sorted(name[:2] for name in names if parts[name] == part) == ["fx", "fy", "mx", "my"]


def test_seeds_differ_and_too_few_are_refused():
    names = [f"s{number}" for number in range(30)]
    first, second = (split_subjects(names, Split(seed=seed)) for seed in (1, 2))
    assert first != second
    with pytest.raises(InputError, match="2 subjects are too few to set 2 aside"):
        split_subjects(["a", "b"], Split(validation=0.2, test=0.2))
    with pytest.raises(InputError, match="1 slices are too few"):
        split_slices(1, Split(by="slice"))

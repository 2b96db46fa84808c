from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_mri_cae.errors import InputError
from napari_mri_cae.training.config import PARTS
from napari_mri_cae.training.data import (
    Patches,
    TrainingSlices,
    ValidationSet,
    find_data,
    prepare,
    training_batches,
)
from napari_mri_cae.training.data.batches import read_ahead, share_of
from napari_mri_cae.training.data.packed import pack_slices

PATCHES = {
    "sampling": {"kind": "patches", "size": 8},
    "steps_per_epoch": 3,
    "planes": ["axial", "coronal", "sagittal"],
}


def _prepared(config):
    return prepare(find_data(config))


@given(total=st.integers(1, 300), processes=st.integers(1, 9))
def test_shares_are_neighbours_and_together_the_whole(total, processes):
    shares = [range(total)[share_of(total, (rank, processes))] for rank in range(processes)]
    assert [position for share in shares for position in share] == list(range(total))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize(
    "changes", [{"batch_size": 6}, {**PATCHES, "batch_size": 6}], ids=["slices", "patches"]
)
def test_the_shares_of_processes_are_the_batch_of_one(scans, make_config, changes):
    prepared = _prepared(make_config(**changes))
    whole = training_batches(prepared, lambda: 0)
    shares = [training_batches(prepared, lambda: 0, (rank, 4)) for rank in range(4)]
    for number in (0, len(whole) - 1, len(whole)):
        parts = [share.batch(number) for share in shares]
        batch = whole.batch(number)
        assert torch.equal(torch.cat([part.clean for part in parts]), batch.clean)
        assert {part.total for part in parts} == {batch.total} == {len(batch.clean)}
        ids = [part.ids for part in parts]
        assert (sum(ids, ()) if batch.ids is not None else None) == batch.ids


@pytest.mark.parametrize("changes", [{}, PATCHES], ids=["slices", "patches"])
def test_a_resumed_epoch_sees_what_it_would_have_seen(scans, make_config, changes):
    prepared = _prepared(make_config(**changes))
    first = training_batches(prepared, lambda: 0)
    again = training_batches(prepared, lambda: len(first))
    batches = list(again)
    assert [batch.number for batch in batches] == list(range(len(first), 2 * len(first)))
    for batch in batches:
        assert torch.equal(batch.clean, first.batch(batch.number).clean)
    assert not torch.equal(batches[0].clean, first.batch(0).clean)


def test_every_slice_comes_once_in_an_epoch(scans, make_config):
    config = make_config(batch_size=5, slices={"rule": "range", "first": 1, "last": 10})
    prepared = _prepared(config)
    slices = TrainingSlices(prepared, lambda: 0)
    # Four of the five subjects, 9 slices each: 36, seven batches of 5 and one of what is left.
    assert len(slices) == 8
    packed = pack_slices(prepared)
    orders = []
    for start in (0, 8):
        batches = [slices.batch(number) for number in range(start, start + 8)]
        assert [batch.total for batch in batches] == [5] * 7 + [1]
        ids = [row for batch in batches for row in batch.ids]
        assert sorted(ids) == prepared.table.rows("training").tolist()
        for batch in batches:
            assert np.array_equal(batch.clean[:, 0].numpy(), packed[list(batch.ids)])
        orders.append(ids)
    assert orders[0] != orders[1]
    # Shorter epochs go on where the last one ended.
    short = TrainingSlices(_prepared(config.model_copy(update={"steps_per_epoch": 3})), lambda: 6)
    assert [batch.ids for batch in short] == [slices.batch(number).ids for number in (6, 7, 8)]


def test_the_order_has_a_seed_of_its_own(scans, make_config):
    def first(order_seed, seed):
        sampling = {"kind": "slices", "order_seed": order_seed}
        return TrainingSlices(_prepared(make_config(sampling=sampling, seed=seed)), lambda: 0).batch(0).ids

    assert first(7, 0) == first(7, 1) == first(None, 7)
    assert first(7, 0) != first(8, 0)


def test_mirrored_slices_are_mirrored_slices(scans, make_config):
    prepared = _prepared(make_config(sampling={"kind": "slices", "flips": True}, batch_size=40))
    batch = TrainingSlices(prepared, lambda: 0).batch(0)
    packed = pack_slices(prepared)
    found = Counter()
    for slice_, row in zip(batch.clean[:, 0].numpy(), batch.ids, strict=True):
        if packed[row].any():
            ways = [packed[row][::a, ::b] for a in (1, -1) for b in (1, -1)]
            (way,) = (number for number, way in enumerate(ways) if np.array_equal(way, slice_))
            found[way] += 1
    assert set(found) == {0, 1, 2, 3}


def test_patches_are_pieces_of_the_training_volumes(scans, make_config):
    prepared = _prepared(make_config(**{**PATCHES, "batch_size": 20}))
    training = [volume for volume in prepared.volumes if volume.source.part == "training"]
    seen = np.unique(np.concatenate([volume.voxels.clip(0, 1).ravel() for volume in training]))
    held_out = next(volume for volume in prepared.volumes if volume.source.part == "validation")
    batch = Patches(prepared, lambda: 0).batch(0)
    assert batch.clean.shape == (20, 1, 8, 8)
    values = batch.clean.numpy()
    assert np.isin(values, seen).all()
    assert not np.isin(np.setdiff1d(held_out.voxels.clip(0, 1), seen), values).any()
    assert (batch.clean.amax((1, 2, 3)) > 0).float().mean() > 0.7  # A few show background, on purpose.


def test_a_slice_smaller_than_a_patch_lies_in_it(scans, make_config):
    changes = {
        **PATCHES,
        "sampling": {"kind": "patches", "size": 20, "flips": False},
        "planes": ["axial"],
        "slices": {"rule": "range", "first": 2, "last": 10},
    }
    for patch in Patches(_prepared(make_config(**changes)), lambda: 0).batch(0).clean[:, 0]:
        rows, columns = np.nonzero(patch.numpy())
        assert (np.ptp(rows), np.ptp(columns)) == (8, 5)


@pytest.mark.parametrize("intensity", ["volume", "dataset-min-max", "slice-min-max", "slice-z-score"])
def test_offset_and_gain_change_the_clean_patch(scans, make_config, intensity):
    def batch(**sampling):
        fields = {**PATCHES["sampling"], "flips": False, **sampling}
        prepared = _prepared(make_config(**{**PATCHES, "sampling": fields, "intensity": intensity}))
        return Patches(prepared, lambda: 0).batch(0).clean.numpy()

    plain, changed = batch(), batch(offset=[0.1, 0.3], gain=[0.5, 0.5])
    # The first patch is drawn before the first offset is.
    offset = (changed - 0.5 * plain)[0]
    assert np.ptp(offset) < 1e-5
    assert 0.1 <= offset.min() <= 0.3
    # Each has its own.
    corners = changed[:, 0].min((1, 2))
    assert len(np.unique(corners.round(5))) > 1


def _first_patch(make_config, **sampling):
    fields = {**PATCHES["sampling"], "flips": False, **sampling}
    return Patches(_prepared(make_config(**{**PATCHES, "sampling": fields})), lambda: 0).batch(0).clean[0, 0]


def test_gamma_is_a_power_of_the_clean_patch(scans, make_config):
    plain, changed = _first_patch(make_config), _first_patch(make_config, gamma=[2, 2])
    assert plain.max() > 0
    np.testing.assert_allclose(changed, plain**2, rtol=1e-5)


def test_only_some_patches_vary_where_the_probability_says_so(scans, make_config):
    never = {"gamma_probability": 0, "shift_probability": 0, "zoom_probability": 0}
    varied = _first_patch(make_config, gamma=[2, 2], gain=[0.5, 0.5], zoom=[2, 2], **never)
    plain = _first_patch(make_config)
    assert varied.shape == plain.shape
    # Asking for the zoom draws a number before the patch, and so it is another one, but a piece of a volume.
    volumes = _prepared(make_config(**PATCHES)).volumes
    assert np.isin(varied, np.concatenate([volume.voxels.clip(0, 1).ravel() for volume in volumes])).all()


def _stripes(write_volume, make_config, **sampling):
    """Patches of stripes one pixel wide, 0 and 1."""
    stripes = np.zeros((64, 64, 64))
    stripes[::2] = 1
    for name in ("s0", "s1"):
        write_volume(f"scans/{name}.nii", stripes)
    changes = {**PATCHES, "data": [{"folder": "scans", "validation": ["s0"]}], "planes": ["coronal"]}
    changes |= {"batch_size": 16, "sampling": {**PATCHES["sampling"], "flips": False, **sampling}}
    return Patches(_prepared(make_config(**changes)), lambda: 0).batch(0).clean.numpy()[:, 0]


def test_zoom_averages_pixels(write_volume, make_config):
    # Stripes vanish where pixels are four times as large.
    plain, zoomed = (_stripes(write_volume, make_config, **zoom) for zoom in ({}, {"zoom": [4, 4]}))
    assert zoomed.shape == plain.shape
    assert plain.std((1, 2)).min() > 0.45
    assert np.abs(zoomed[:, 2:-2, 2:-2] - 0.5).max() < 0.05


def test_zoom_leaves_pixels_out_if_asked_to(write_volume, make_config):
    def zoomed(factor, by):
        return _stripes(write_volume, make_config, zoom=[factor, factor], zoom_by=by)

    # Every third pixel of stripes is stripes again.
    third = zoomed(3, "subsampling")
    assert set(np.unique(third)) == {0, 1}
    assert (np.abs(np.diff(third, axis=1)) == 1).all()
    # Every fourth is one value, and an average is the value between.
    either = zoomed(4, "either")[:, 2:-2, 2:-2]
    kept = np.abs(either.mean((1, 2)) - 0.5) > 0.25
    assert 2 <= kept.sum() <= 14
    assert set(np.unique(either[kept])) == {0, 1}
    assert np.abs(either[~kept] - 0.5).max() < 0.05
    # There is nothing to leave out where pixels get smaller.
    np.testing.assert_array_equal(zoomed(0.5, "subsampling"), zoomed(0.5, "averaging"))
    assert len(np.unique(zoomed(0.5, "subsampling"))) > 2


def test_zoom_by_cubic_interpolation(write_volume, make_config):
    # Halfway between two stripes of a pixel each, all are half; a linear average of four pixels is, too.
    halved = _stripes(write_volume, make_config, zoom=[2, 2], zoom_by="cubic")
    assert np.abs(halved[:, 2:-2, 2:-2] - 0.5).max() < 1e-5
    # Every third pixel lies on one, and is sharp where an average is not.
    third = _stripes(write_volume, make_config, zoom=[3, 3], zoom_by="cubic")
    assert set(np.unique(third[:, 2:-2, 2:-2].round(5))) == {0, 1}


def test_folders_are_drawn_from_by_their_share(scans, write_volume, make_config, rng):
    for name in ("t0", "t1"):
        write_volume(f"others/{name}.nii", rng.integers(1, 3, (12, 14, 10)))
    folders = [{"folder": "scans", "share": 3}, {"folder": "others", "validation": ["t0"]}]
    prepared = _prepared(make_config(**{**PATCHES, "data": folders, "batch_size": 400}))
    # The others have two values.
    rare = [
        len(np.unique(patch)) <= 2 and patch.max() > 0
        for patch in Patches(prepared, lambda: 0).batch(0).clean.numpy()
    ]
    assert 0.15 < np.mean(rare) < 0.35


def test_a_split_by_slice_draws_from_training_slices_alone(scans, make_config):
    changes = {**PATCHES, "planes": ["axial"], "split": {"by": "slice", "validation": 0.4}, "batch_size": 60}
    prepared = _prepared(make_config(**changes))
    table = prepared.table
    kept = {
        part: [
            prepared.volumes[table.volume[row]].voxels[table.index[row]].clip(0, 1)
            for row in table.rows(part)
        ]
        for part in PARTS[:2]
    }
    seen = np.unique(np.concatenate(kept["training"]))
    never = np.setdiff1d(np.concatenate(kept["validation"]), seen)
    values = Patches(prepared, lambda: 0).batch(0).clean.numpy()
    assert len(never)
    assert not np.isin(values, never).any()
    assert prepared.subjects("scans", "training") == prepared.subjects("scans", "validation") == tuple(scans)


@pytest.mark.parametrize("changes", [{}, PATCHES], ids=["slices", "patches"])
@pytest.mark.parametrize(
    ("count", "per_volume"),
    [(None, {"axial": 12, "sagittal": 10}), (3, dict.fromkeys(("axial", "sagittal"), 3))],
)
def test_validation_slices(scans, make_config, changes, count, per_volume):
    config = make_config(
        **{**changes, "planes": ["axial", "sagittal"]},
        validation={"slices_per_plane": count},
        data=[{"folder": "scans", "validation": ["s1", "s3"]}],
    )
    prepared = _prepared(config)
    batches = list(ValidationSet(prepared))
    found = Counter()
    for batch in batches:
        assert batch.data == "scans"
        assert len(batch.ids) == len(batch.clean) <= config.batch_size
        for row, clean in zip(batch.ids, batch.clean[:, 0].numpy(), strict=True):
            volume = prepared.volumes[prepared.table.volume[row]]
            (expected,) = volume.slices(batch.plane, [prepared.table.index[row]]).clip(0, 1)
            shape = expected.shape
            assert np.array_equal(clean[: shape[0], : shape[1]], expected)
            found[volume.source.subject, batch.plane] += 1
    assert found == {(s, plane): n for s in ("s1", "s3") for plane, n in per_volume.items()}
    shared = [batch.ids for rank in range(2) for batch in ValidationSet(prepared, (rank, 2))]
    assert sorted(sum(shared, ())) == sorted(row for batch in batches for row in batch.ids)
    assert prepared.labels == ("scans",)


def test_what_reading_ahead_meets_reaches_the_reader():
    def make(number):
        if number == 5:
            raise InputError("the fifth")
        return number

    batches = read_ahead(make, range(8))
    assert [next(batches) for _ in range(5)] == list(range(5))
    with pytest.raises(InputError, match="the fifth"):
        next(batches)


NEIGHBOURS = {
    **PATCHES,
    "planes": ["axial"],
    "architecture": "residual-unet",
    "architecture_parameters": {"neighbours": 2},
    "multiple_of": 8,
    "data": [{"folder": "scans", "validation": ["s1"]}],
}


@pytest.fixture
def numbered(write_volume):
    """Volumes whose voxels tell the number of their axial slice."""
    voxels = np.broadcast_to(np.arange(40.0)[:, None, None], (40, 16, 16))
    for name in ("s0", "s1"):
        write_volume(f"scans/{name}.nii", voxels)


def _neighbours(make_config, **sampling):
    """Return which slices 200 patches and their neighbours come from, and which there are, (200, 5) each."""
    fields = {**PATCHES["sampling"], **sampling}
    batch = Patches(_prepared(make_config(**{**NEIGHBOURS, "sampling": fields, "batch_size": 200})), int)
    clean, present = batch.batch(0).clean.numpy(), batch.batch(0).present.numpy()
    assert clean.shape == (200, 5, 8, 8)
    assert np.ptp(clean, axis=(2, 3)).max() < 1e-4
    assert not clean[~present].any()
    assert present[:, 2].all()
    return (39 * clean[:, :, 0, 0]).round().astype(int), present


def test_patches_come_with_their_neighbours(numbered, make_config):
    numbers, present = _neighbours(make_config)
    directions = set()
    for row, there in zip(numbers, present, strict=True):
        steps = np.diff(row[there])
        assert len(set(steps)) == 1
        directions.add(int(steps[0]))
        # Those are missing that lie beyond an end, and no others.
        expected = row[2] + steps[0] * np.arange(-2, 3)
        np.testing.assert_array_equal(there, (expected >= 0) & (expected < 40))
    assert directions == {1, -1}
    assert not present.all()
    (unflipped, _) = _neighbours(make_config, flips=False)
    assert (np.diff(unflipped[(unflipped > 0).all(1)]) == 1).all()


def test_neighbours_lie_as_far_off_as_pixels_are_wide(numbered, make_config):
    for sampling, expected in (
        ({"zoom": [2, 2]}, {2}),
        ({"neighbour_steps": [2, 3]}, {2, 3}),
        ({"neighbour_steps": [2, 3], "zoom": [2, 2], "zoom_by": "cubic"}, {4, 6}),
        ({"neighbour_steps": [3, 3], "neighbour_steps_probability": 0.5}, {1, 3}),
    ):
        numbers, present = _neighbours(make_config, **sampling)
        whole = numbers[present.all(1)]
        assert set(np.abs(np.diff(whole)).ravel()) == expected


def test_some_patches_have_no_neighbours_or_those_of_one_side(numbered, make_config):
    _, present = _neighbours(make_config, alone_probability=1.0)
    kinds = Counter(map(tuple, present.astype(int)))
    assert set(kinds) >= {(0, 0, 1, 0, 0), (1, 1, 1, 0, 0), (0, 0, 1, 1, 1)}
    assert 70 <= kinds[0, 0, 1, 0, 0] <= 140
    assert all(not there[:2].all() or not there[3:].all() for there in present)


def test_validation_slices_with_their_neighbours(numbered, make_config):
    validation = {"slices_per_plane": None}
    (batch, *others) = ValidationSet(_prepared(make_config(**NEIGHBOURS, validation=validation)))
    found = torch.cat([batch.clean, *(other.clean for other in others)]).numpy()
    present = torch.cat([batch.present, *(other.present for other in others)]).numpy()
    expected = np.arange(40)[:, None] + np.arange(-2, 3)
    np.testing.assert_array_equal(present, (expected >= 0) & (expected < 40))
    np.testing.assert_allclose(found[..., 0, 0], np.where(present, expected / 39, 0), atol=1e-6)

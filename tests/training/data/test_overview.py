import numpy as np
import pytest

from napari_mri_cae.training.data import overview


def test_the_overview_says_what_is_trained_on(scans, make_config, tmp_path, cache):
    rows = ["participant_id\tage\tsex"] + [f"s{n}\t{20 + n}\t{'FM'[n % 2]}" for n in range(5)]
    (tmp_path / "data" / "scans" / "participants.tsv").write_text("\n".join(rows))
    config = make_config(
        planes=["axial", "sagittal"],
        slices={"rule": "brain", "least": 0.3},
        split={"stratify_by": ["sex", "age"], "age_bins": 2, "validation": 0.2, "test": 0.2},
        augmentation={"steps": [{"kind": "gaussian-noise", "sigma": 0.1}]},
        multiple_of=8,
    )
    found = overview(config, examples=4)
    # Of 12 x 14 x 10 voxels, 8 x 9 x 6 in the middle are brain: 8 axial and 6 sagittal slices.
    counts = {part: (c.subjects, c.volumes, c.slices) for part, c in found.parts.items()}
    assert counts == {"training": (3, 3, 42), "validation": (1, 1, 14), "test": (1, 1, 14)}
    assert all(volume.kept == {"axial": (8, 12), "sagittal": (6, 10)} for volume in found.volumes)
    assert found.kept == (70, 110)
    assert "0.045" not in found.rule
    assert "0.3 is brain" in found.rule
    assert found.cache == cache
    table = {(row.column, row.value): sum(row.subjects.values()) for row in found.split}
    assert table == {("age", "20 to 21"): 2, ("age", "22 to 24"): 3, ("sex", "f"): 3, ("sex", "m"): 2}
    assert all(sum(r.subjects[p] for r in found.split) == 2 * n for p, (n, _, _) in counts.items())

    assert [example.plane for example in found.examples] == ["axial", "sagittal"] * 2
    for example in found.examples:
        assert example.clean.shape == example.corrupted.shape == example.outline.shape == (16, 16)
        assert 0.05 < np.std(example.corrupted - example.clean) < 0.15
        # The outline runs around the bright part.
        rows, columns = np.nonzero(example.outline)
        inside = example.clean[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        assert np.count_nonzero(example.clean) == np.count_nonzero(inside)
        assert not example.outline[rows.min() + 1 : rows.max(), columns.min() + 1 : columns.max()].any()


def test_patches_and_a_split_by_slice_have_an_overview_too(scans, make_config):
    config = make_config(
        sampling={"kind": "patches", "size": 8}, steps_per_epoch=2, split={"by": "slice"}, planes=["coronal"]
    )
    found = overview(config, examples=2, outlines=False)
    counts = {part: (c.subjects, c.volumes, c.slices) for part, c in found.parts.items()}
    assert counts == {"training": (5, 5, 56), "validation": (5, 5, 14), "test": (0, 0, 0)}
    assert found.split == ()
    assert "neighbouring slices" in found.warnings[0]
    assert {example.clean.shape for example in found.examples} == {(12, 10)}


def test_it_says_how_far_it_is_and_can_be_stopped(scans, make_config):
    class Stop(Exception):
        pass

    said = []
    overview(make_config(), lambda *progress: said.append(progress), examples=1)
    assert said[-1][:2] == (5, 5)
    assert all(done <= total == 5 for done, total, _ in said)

    def stop(*progress):
        raise Stop

    with pytest.raises(Stop):
        overview(make_config(), stop)

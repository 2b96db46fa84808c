"""An evaluation measures what a comparison shows."""

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from napari_mri_cae import Comparison, InputError, Volume
from napari_mri_cae.brain import brain_mask
from napari_mri_cae.corruptions import BlankOut, GaussianNoise, RicianNoise
from napari_mri_cae.evaluation import (
    Condition,
    Evaluation,
    EvaluationSettings,
    Row,
    read_table,
    run_to_table,
)
from napari_mri_cae.models import Card, Model
from napari_mri_cae.models.architectures import build
from napari_mri_cae.models.card import DataSource, Training


def _rows(evaluation: Evaluation) -> list[Row]:
    return [row for batch in evaluation.run() for row in batch]


@pytest.mark.parametrize("plane", ["axial", "sagittal"])
def test_a_row_is_what_the_comparison_says(volumes: list[Path], model: Model, plane: str) -> None:
    chain = [GaussianNoise(sigma=0.05), BlankOut(size=4)]
    settings = EvaluationSettings(planes=(plane,), slices="all", seed=7)
    rows = _rows(Evaluation(volumes[:1], [model], [chain], settings=settings))
    comparison = Comparison(Volume.load(volumes[0]), model, chain, plane=plane, seed=7)
    for _ in comparison.run():
        pass
    mask = brain_mask(comparison.volume)
    axis = 0 if plane == "axial" else 2
    for image, name in (("reconstructed", "tiny"), ("corrupted", "identity")):
        whole, brain = (
            [row for row in rows if (row.model, row.region) == (name, region)]
            for region in ("whole slice", "brain")
        )
        assert [row.slice for row in whole] == list(range(comparison.n_slices))
        for metric in ("psnr", "ssim", "mse"):
            np.testing.assert_allclose(
                [getattr(row, metric) for row in whole], comparison.metrics[f"{metric}_{image}"], rtol=1e-5
            )
        error = np.moveaxis((comparison.original - getattr(comparison, image)) ** 2, axis, 0)
        inside = np.moveaxis(mask, axis, 0)
        expected = [error[n][inside[n]].mean() if inside[n].any() else np.nan for n in range(len(error))]
        np.testing.assert_allclose([row.mse for row in brain], expected, rtol=1e-4)
        assert [row.pixels for row in brain] == inside.sum((1, 2)).tolist()


def test_a_model_sees_the_neighbours_that_a_comparison_shows_it(volumes: list[Path], model: Model) -> None:
    torch.manual_seed(0)
    shape = {"channels": [4, 6], "blocks": [1, 1], "up_blocks": [1], "neighbours": 2}
    network = build("residual-unet", **shape).eval()
    torch.nn.init.normal_(network.last.weight, std=0.1)
    card = Card(name="beside", architecture="residual-unet", architecture_parameters=shape, multiple_of=2)
    noise, beside = [GaussianNoise(sigma=0.1)], Model(network, card)
    settings = EvaluationSettings(planes=("coronal",), slices="all", every=3, seed=7)
    rows = _rows(Evaluation(volumes[:1], [model, beside], [noise], settings=settings))
    for name, other in (("tiny", model), ("beside", beside)):
        comparison = Comparison(Volume.load(volumes[0]), other, noise, plane="coronal", seed=7)
        for _ in comparison.run():
            pass
        found = {row.slice: row.psnr for row in rows if (row.model, row.region) == (name, "whole slice")}
        expected = comparison.metrics["psnr_reconstructed"][list(found)]
        np.testing.assert_allclose(list(found.values()), expected, rtol=1e-5)


def test_one_row_for_each(volumes: list[Path], model: Model) -> None:
    second = make(model, "second")
    conditions = [Condition(), GaussianNoise(sigma=0.1), RicianNoise(sigma=0.1)]
    settings = EvaluationSettings(planes=("axial", "coronal"), every=4)
    evaluation = Evaluation(volumes, [model, second], conditions, ["median", "nlm"], settings)
    assert evaluation.model_names == ["tiny", "second", "identity", "median", "nlm"]
    done: list[tuple[int, int]] = []
    rows = [row for batch in evaluation.run(on_progress=lambda *at: done.append(at)) for row in batch]
    jobs = list(dict.fromkeys(row.job for row in rows))
    assert len(rows) == len(jobs) * 5 * 2
    assert {row.subject for row in rows} == {"sub-01", "sub-02"}
    assert {row.data_range for row in rows} == {1.0}
    assert done[-1] == (len(jobs), len(jobs))
    # In order, whatever was ready first.
    ranks = [
        (row.volume, row.plane, evaluation.conditions.index(find(evaluation, row)), row.slice) for row in rows
    ]
    assert ranks == sorted(ranks)
    assert rows == _rows(evaluation)
    told = {row.kind: row.psnr for row in rows if row.model == "nlm" and row.slice == rows[0].slice}
    assert told["none"] == np.inf
    assert np.isfinite(told["rician-noise"])


def test_which_slices(volumes: list[Path]) -> None:
    share = brain_mask(Volume.load(volumes[0])).mean((1, 2))
    for every, least in ((1, 0.045), (3, 0.045), (1, 0.3)):
        settings = EvaluationSettings(every=every, least_brain=least)
        chosen = [
            row.slice for row in _rows(Evaluation(volumes[:1], settings=settings)) if row.region == "brain"
        ]
        eligible = np.flatnonzero(share >= least).tolist()
        assert chosen[0] - eligible[0] < every
        assert chosen == eligible[chosen[0] - eligible[0] :: every]
        assert eligible[len(eligible) // 2] in chosen
        assert len(eligible) < len(share)


def test_where_nothing_can_be_measured_nothing_is_left_behind(
    save: Callable[..., Path], tmp_path: Path
) -> None:
    flat = save(tmp_path / "flat.nii", np.ones((9, 9, 9), np.float32))
    with pytest.raises(InputError, match="constant"):
        run_to_table(Evaluation([flat]), tmp_path / "table.tsv")
    assert [path.name for path in tmp_path.iterdir()] == ["flat.nii"]


def test_an_interrupted_evaluation_goes_on(volumes: list[Path], model: Model, tmp_path: Path) -> None:
    def evaluation(sigma: float = 0.1) -> Evaluation:
        return Evaluation(volumes, [model], [GaussianNoise(sigma=sigma)], ["median"])

    whole = run_to_table(evaluation(), tmp_path / "whole.tsv")

    def stop(done: int, _: int) -> None:
        if done > 10:
            raise KeyboardInterrupt

    table = tmp_path / "table.tsv"
    with pytest.raises(KeyboardInterrupt):
        run_to_table(evaluation(), table, on_progress=stop)
    (part,) = tmp_path.glob("table.tsv.*.part")
    # As if the process had been killed in the middle of a line.
    part.write_text(part.read_text()[:-30])
    resumed: list[int] = []
    run_to_table(evaluation(0.2), tmp_path / "table.tsv", on_resume=resumed.append)
    assert resumed == []
    table.unlink()
    assert run_to_table(evaluation(), table, on_resume=resumed.append) == whole
    assert len(resumed) == 1
    assert 0 < resumed[0] < len({row.job for row in whole})
    assert table.read_bytes() == (tmp_path / "whole.tsv").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["table.tsv", "whole.tsv"]


def test_stopping_leaves_nothing_running(volumes: list[Path], model: Model) -> None:
    import threading

    before = threading.active_count()
    run = Evaluation(volumes, [model], [GaussianNoise(sigma=0.1)], ["nlm"]).run()
    next(run)
    run.close()
    assert threading.active_count() == before


def test_trained_on_what_is_measured(volumes: list[Path], model: Model) -> None:
    source = DataSource(name=volumes[0].parents[2].name, training_subjects=("sub-01",))
    card = model.card.model_copy(update={"training": Training(data=(source,))})
    evaluation = Evaluation(volumes, [Model(model.network, card)], settings=EvaluationSettings(every=50))
    _rows(evaluation)
    assert [remark for remark in evaluation.remarks if "was trained on sub-01" in remark]
    assert not [remark for remark in evaluation.remarks if "sub-02 of" in remark]


def test_two_models_of_one_name(volumes: list[Path], model: Model) -> None:
    models = [Model(model.network, model.card, Path(name)) for name in ("a.safetensors", "b.safetensors")]
    evaluation = Evaluation(volumes, models)
    assert evaluation.model_names[:2] == ["tiny (a.safetensors)", "tiny (b.safetensors)"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"volumes": []}, "at least one volume"),
        ({"conditions": []}, "at least one corruption"),
        ({"conditions": [GaussianNoise(sigma=0.1)] * 2}, "given twice"),
        ({"baselines": ["median", "median"]}, "named twice"),
        ({"baselines": ["wavelets"]}, "not a baseline"),
        ({"models": ["nosuch"]}, "no model"),
        ({"settings": EvaluationSettings(device="cuda:99")}, "no device"),
    ],
)
def test_refused(volumes: list[Path], model: Model, change: dict[str, object], expected: str) -> None:
    given = {"volumes": volumes, "models": [model], **change}
    with pytest.raises(InputError, match=expected):
        Evaluation(**given)  # type: ignore[arg-type]


def test_no_brain(tmp_path: Path, save: Callable[..., Path]) -> None:
    flat = save(tmp_path / "flat.nii", np.ones((9, 9, 9), np.float32))
    with pytest.raises(InputError, match="constant"):
        _rows(Evaluation([flat]))


def test_what_cannot_be_measured_is_left_out(
    volumes: list[Path], model: Model, save: Callable[..., Path], tmp_path: Path
) -> None:
    flat = save(tmp_path / "flat.nii", np.ones((9, 9, 9), np.float32))
    cut = tmp_path / "cut.nii.gz"
    cut.write_bytes(volumes[0].read_bytes()[:-2000])
    evaluation = Evaluation([volumes[0], flat, volumes[1], cut], [model])
    progress: list[tuple[int, int]] = []
    rows = [row for batch in evaluation.run(on_progress=lambda *at: progress.append(at)) for row in batch]
    np.testing.assert_equal(rows, _rows(Evaluation(volumes, [model])))
    assert [remark.split(" is left out: ")[0] for remark in evaluation.remarks] == ["flat", "cut"]
    assert "constant" in evaluation.remarks[0]
    assert progress[-1][0] == progress[-1][1]
    with pytest.raises(InputError, match=r"None of the volumes .* flat is constant"):
        _rows(Evaluation([flat, cut]))


def test_what_was_assumed_of_a_volume_is_told(volumes: list[Path], model: Model, tmp_path: Path) -> None:
    image = nib.Nifti1Image(nib.load(volumes[0]).get_fdata(dtype=np.float32), np.eye(4))
    image.set_sform(None, 0)
    image.set_qform(None, 0)
    nib.save(image, tmp_path / "lost.nii")
    evaluation = Evaluation([tmp_path / "lost.nii"], [model], settings=EvaluationSettings(every=9))
    list(evaluation.run())
    assert [remark for remark in evaluation.remarks if remark.startswith("lost: No orientation")]


def test_names_are_those_of_the_table(volumes: list[Path], model: Model, tmp_path: Path) -> None:
    spaced = tmp_path / "a  scan\N{NO-BREAK SPACE}of me.nii.gz"
    spaced.write_bytes(volumes[0].read_bytes())
    evaluation = Evaluation([spaced], [make(model, "my \N{NO-BREAK SPACE} model")])
    rows = run_to_table(evaluation, tmp_path / "table.tsv")
    assert {row.volume for row in rows} == {"a scan of me"}
    assert evaluation.model_names[0] == "my model"
    np.testing.assert_equal(read_table(tmp_path / "table.tsv"), rows)
    # Whoever has read the table goes on from it, and finds its volumes again.
    (tmp_path / "table.tsv").rename(tmp_path / f"table.tsv.{evaluation.fingerprint}.part")
    np.testing.assert_equal(run_to_table(evaluation, tmp_path / "table.tsv"), rows)


def make(model: Model, name: str) -> Model:
    return Model(model.network, model.card.model_copy(update={"name": name}))


def find(evaluation: Evaluation, row: Row) -> Condition:
    return next(one for one in evaluation.conditions if one.label == row.corruption)

"""mri-cae evaluate."""

from collections.abc import Callable
from pathlib import Path

import pytest

from napari_mri_cae import Comparison, Volume, load_model
from napari_mri_cae.corruptions import BlankOut, GaussianNoise
from napari_mri_cae.evaluation import read_table


def test_values_table_and_sidecar(cli: Callable, tmp_path: Path, volume_file: Path, model_file: Path) -> None:
    table, report = tmp_path / "table.tsv", tmp_path / "report.html"
    words = ["evaluate", volume_file, "--model", model_file, "--gaussian", 0.05, 0.1, "--chain",
             "gaussian=0.1,blank=4", "--plane", "coronal", "--baseline", "median", "tv", "--slices", "all",
             "--seed", 3, "-o", table, "--report", report]  # fmt: skip
    result = cli(*words, "--json").json
    rows = read_table(table)
    assert {row.model for row in rows} == {"tiny", "identity", "median", "tv"}
    assert [one["label"] for one in result["conditions"]] == [
        "Gaussian noise (sigma 0.05)",
        "Gaussian noise (sigma 0.1)",
        "Gaussian noise (sigma 0.1), Blank-out square (size 4, value 0)",
    ]
    comparison = Comparison(
        Volume.load(volume_file),
        load_model(model_file),
        [GaussianNoise(sigma=0.1), BlankOut(size=4)],
        plane="coronal",
        seed=3,
    )
    for _ in comparison.run():
        pass
    chain = [
        row.psnr for row in rows if (row.kind, row.model, row.region) == ("chain", "tiny", "whole slice")
    ]
    assert chain == pytest.approx(comparison.metrics["psnr_reconstructed"].tolist())
    (summary,) = [
        one
        for one in result["summary"]
        if (one["kind"], one["model"], one["region"]) == ("chain", "tiny", "whole slice")
    ]
    assert summary["mean"]["psnr"] == pytest.approx(comparison.summary()["psnr_slices_reconstructed"])
    assert {(one["unit"], one["metric"]) for one in result["tests"]} >= {
        ("slice", "psnr"),
        ("subject", "mse"),
    }
    assert (tmp_path / "table.json").is_file()
    assert report.read_text().startswith("<!DOCTYPE html>")
    assert str(summary["n_slices"]) in cli(*words).out


def test_clean_slices_by_default(cli: Callable, tmp_path: Path, volume_file: Path, model_file: Path) -> None:
    words = ["evaluate", volume_file, "--model", model_file, "--slices", "all", "--every", 4]
    ended = cli(*words, "-o", tmp_path / "table.tsv")
    assert ended.status == 0
    assert {row.corruption for row in read_table(tmp_path / "table.tsv")} == {"none"}
    cli(*words, "--clean", "--blur", 1, "-o", tmp_path / "table.tsv")
    assert {row.kind for row in read_table(tmp_path / "table.tsv")} == {"none", "gaussian-blur"}


def test_a_table_without_an_ending(
    cli: Callable, tmp_path: Path, volume_file: Path, model_file: Path
) -> None:
    words = ["evaluate", volume_file, "--model", model_file, "--slices", "all", "--every", 9]
    before = {path.name for path in tmp_path.iterdir()}
    for _ in range(2):
        assert cli(*words, "-o", tmp_path / "results").status == 0
    assert {path.name for path in tmp_path.iterdir()} - before == {"results", "results.json"}


@pytest.mark.parametrize(
    ("words", "status", "expected"),
    [
        (["-o", "nowhere/table.tsv"], 1, "there is no folder"),
        (["-o", "sub-01_T1w.nii.gz"], 1, "is the input itself"),
        (["-o", "table.tsv", "--report", "table.tsv"], 1, "two outputs"),
        (["-o", "table.tsv", "--report", "table.json"], 1, "one of the two"),
        (["-o", "results.json"], 1, "choose another ending"),
        (["-o", "table.tsv", "--model", "nosuch"], 1, "no model"),
        (["-o", "table.tsv", "--baseline", "wavelets"], 1, "not a baseline"),
        (["-o", "table.tsv", "--frame", "2"], 1, "no frame 2"),
        ([], 2, "required: -o"),
        (["-o", "table.tsv", "--chain", "gaussian"], 2, "NAME=STRENGTH"),
        (["-o", "table.tsv", "--chain", "gaussian=9"], 2, "0 to 1"),
        (["-o", "table.tsv", "--gaussian", "2"], 2, "0 to 1"),
    ],
)
def test_refused(
    cli: Callable,
    tmp_path: Path,
    volume_file: Path,
    model_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    status: int,
    expected: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    before = volume_file.read_bytes()
    ended = cli("evaluate", volume_file, "--model", model_file, *words)
    assert ended.status == status
    assert expected in ended.err
    assert volume_file.read_bytes() == before
    if status == 1:
        assert ended.err.count("\n") == 1

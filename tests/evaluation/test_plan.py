"""A plan, there and back, carried out here and in a process of its own."""

import io
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from napari_mri_cae import InputError
from napari_mri_cae.corruptions import BlankOut, GaussianNoise
from napari_mri_cae.evaluation import (
    Evaluation,
    EvaluationPlan,
    EvaluationSettings,
    carry_out,
    read_table,
)
from napari_mri_cae.evaluation.__main__ import main
from napari_mri_cae.files import to_json
from napari_mri_cae.models import Model, save_model


@pytest.fixture
def plan(volumes: list[Path], model: Model, tmp_path: Path) -> EvaluationPlan:
    return EvaluationPlan(
        volumes=volumes,
        models=(str(save_model(model, tmp_path / "tiny.safetensors")),),
        conditions=((), (GaussianNoise(sigma=0.1), BlankOut(size=4))),
        baselines=("median",),
        settings=EvaluationSettings(every=3),
        output=tmp_path / "table.tsv",
    )


def test_there_and_back(plan: EvaluationPlan) -> None:
    assert EvaluationPlan.model_validate_json(plan.model_dump_json()) == plan


def test_a_complete_table_is_not_measured_again(
    plan: EvaluationPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = carry_out(plan)
    assert not first.was_complete
    report = plan.model_copy(update={"report": plan.output.with_name("report.html")})

    def measure(*_: object, **__: object) -> None:
        raise AssertionError("measured again")

    with monkeypatch.context() as patch:
        patch.setattr(Evaluation, "run", measure)
        again = carry_out(report)
    assert again.was_complete
    np.testing.assert_equal(again.rows, first.rows)
    assert to_json(again.made["summary"]) == to_json(first.made["summary"])
    assert report.report is not None
    assert report.report.read_text().startswith("<!DOCTYPE html>")
    # Another plan, or a table that somebody has changed, is.
    other = plan.model_copy(update={"settings": EvaluationSettings(every=3, seed=1)})
    assert not carry_out(other).was_complete
    plan.output.write_text(plan.output.read_text() + "\n")
    assert not carry_out(other).was_complete


def test_a_table_is_complete_before_its_tests(plan: EvaluationPlan, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    def measure(*_: object, **__: object) -> None:
        raise AssertionError("measured again")

    with monkeypatch.context() as patch:
        patch.setattr("napari_mri_cae.evaluation.plan.summarize", interrupt)
        with pytest.raises(KeyboardInterrupt):
            carry_out(plan)
    monkeypatch.setattr(Evaluation, "run", measure)
    outputs = carry_out(plan)
    assert outputs.was_complete
    assert outputs.made["tests"]
    assert json.loads(outputs.sidecar.read_text()) == json.loads(to_json(outputs.made))


def test_what_is_left_out_is_told_everywhere(
    plan: EvaluationPlan, save: Callable[..., Path], tmp_path: Path
) -> None:
    flat = save(tmp_path / "flat.nii", np.ones((9, 9, 9), np.float32))
    report = tmp_path / "report.html"
    events = io.StringIO()
    with_flat = plan.model_copy(update={"volumes": (*plan.volumes, flat), "report": report})
    for was_complete in (False, True):
        assert main(with_flat.model_dump_json(), events) == 0
        told = json.loads(events.getvalue().splitlines()[-1])
        assert told["was_complete"] is was_complete
        (remark,) = told["remarks"]
        assert remark.startswith("flat is left out: ")
        assert json.loads((tmp_path / "table.json").read_text())["remarks"] == [remark]
        assert remark in report.read_text()
        assert "2 volumes of 2 subjects" in report.read_text()


def test_json_and_report_have_the_same_tests(plan: EvaluationPlan, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    tests = carry_out(plan.model_copy(update={"report": report})).made["tests"]
    assert {one["first"] for one in tests} == {"tiny"}
    page = report.read_text()
    shown = [
        one
        for one in tests
        if (one["unit"], one["metric"], one["region"]) == ("slice", "psnr", "whole slice")
        and one["corruption"] != "none"
    ]
    assert [one["second"] for one in shown] == ["identity", "median"]
    for one in shown:
        assert one["n_tests"] == 3
        p_values = (_p_value(one["p_t_holm"]), _p_value(one["p_wilcoxon_holm"]))
        assert re.search(r">{}</td>\s*<td [^>]*>{}</td>".format(*map(re.escape, p_values)), page)


def _p_value(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else f"{value:.0e}"


def test_it_tells_what_happens(plan: EvaluationPlan) -> None:
    events = io.StringIO()
    assert main(plan.model_dump_json(), events) == 0
    told = [json.loads(line) for line in events.getvalue().splitlines()]
    assert [one["what"] for one in told if one["event"] == "step"] == [
        "Loading the models",
        "Reading the volumes",
        "Testing the differences between models",
    ]
    (*_, last) = [one for one in told if one["event"] == "slices"]
    assert last["done"] == last["total"] == len({row.job for row in read_table(plan.output)})
    assert "sub-01_T1w, axial, none" in [one["what"] for one in told if one["event"] == "rows"]
    assert told[-1] == {"event": "finished", "remarks": [], "was_complete": False}


def test_what_cannot_be_is_refused(plan: EvaluationPlan) -> None:
    events = io.StringIO()
    refused = plan.model_copy(update={"models": ("nosuch",)})
    assert main(refused.model_dump_json(), events) == 1
    last = json.loads(events.getvalue().splitlines()[-1])
    assert last["event"] == "refused"
    assert "no model 'nosuch'" in last["sentence"]
    for report in (plan.output, plan.output.parent / "new" / ".." / plan.output.name):
        (plan.output.parent / "new").mkdir(exist_ok=True)
        with pytest.raises(InputError, match="two outputs"):
            carry_out(plan.model_copy(update={"report": report}))
    with pytest.raises(InputError, match="is the input itself"):
        carry_out(plan.model_copy(update={"output": Path(plan.models[0])}))
    with pytest.raises(InputError, match="one of the two"):
        carry_out(plan.model_copy(update={"report": plan.output.with_suffix(".json")}))


def test_the_process_ends_when_nobody_asks_any_more(plan: EvaluationPlan) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "napari_mri_cae.evaluation"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    out, _ = process.communicate(plan.model_dump_json() + "\n", timeout=60)
    assert process.returncode == 1
    assert "finished" not in out
    assert not plan.output.exists()

"""mri-cae export."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest


def test_a_model_is_exported(cli: Callable, model_file: Path, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    output = tmp_path / "tiny.onnx"
    ended = cli("export", model_file, output)
    assert (ended.status, ended.err) == (0, "")
    assert "tiny" in ended.out
    about = {entry.key: entry.value for entry in onnx.load(output).metadata_props}
    assert json.loads(about["card"])["name"] == "tiny"


@pytest.mark.parametrize(
    ("model", "name", "sentence"),
    [
        ("no-such-model", "out.onnx", "there is no model"),
        (None, "out.txt", "let it end in .onnx"),
        (None, "nowhere/out.onnx", "there is no folder"),
    ],
)
def test_failures_are_one_line(
    cli: Callable, model_file: Path, tmp_path: Path, model: str | None, name: str, sentence: str
) -> None:
    ended = cli("export", model or model_file, tmp_path / name)
    assert ended.status == 1
    assert ended.err.count("\n") == 1
    assert sentence in ended.err
    assert not list(tmp_path.glob("**/*.onnx"))

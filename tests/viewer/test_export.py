"""A model exported from the dock."""

from pathlib import Path

import pytest

onnx = pytest.importorskip("onnx")


def test_the_model_is_exported_from_the_dock(alone, tmp_path: Path) -> None:
    alone.session.export_model(tmp_path / "tiny")
    alone.until(lambda: not alone.session.is_busy)
    assert alone.dock.message.text() == "Saved tiny.onnx."
    onnx.checker.check_model(onnx.load(tmp_path / "tiny.onnx"))

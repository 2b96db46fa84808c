"""More volumes than a process may have files open at first."""

import sys

import pytest

from napari_mri_cae.training.data.open_files import allow_open_files

resource = pytest.importorskip("resource", reason="Windows has no such limit")


@pytest.mark.parametrize(("hard", "expected"), [(5000, 1256), (700, 700)], ids=["room", "as far as it goes"])
def test_the_limit_is_raised(monkeypatch: pytest.MonkeyPatch, hard: int, expected: int) -> None:
    limits = [(256, hard)]
    monkeypatch.setattr(resource, "getrlimit", lambda _which: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _which, both: limits.append(both))
    allow_open_files(1000)
    assert limits[-1] == (expected, hard)
    allow_open_files(10)
    assert len(limits) == 2


def test_where_there_is_no_such_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resource", None)
    allow_open_files(1000)

"""`.keras` archives that are damaged, or more than they seem."""

import os
import zipfile

import pytest

from napari_mri_cae.errors import InputError
from napari_mri_cae.models.keras.archive import read_archive

PARTS = {"config.json": b"{}", "metadata.json": b'{"keras_version": "3.1"}', "model.weights.h5": b"weights"}


def _write(path, parts):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


def test_all_parts_are_read(tmp_path):
    assert read_archive(_write(tmp_path / "m.keras", PARTS)) == ({}, "3.1", b"weights")


@pytest.mark.parametrize("missing", PARTS)
def test_a_missing_part_is_named(tmp_path, missing):
    path = _write(tmp_path / "m.keras", {name: part for name, part in PARTS.items() if name != missing})
    with pytest.raises(InputError, match=rf"m\.keras is no model that Keras wrote: .*{missing}"):
        read_archive(path)


@pytest.mark.parametrize("name", PARTS)
def test_what_unpacks_to_far_more_is_refused(tmp_path, name):
    path = _write(tmp_path / "m.keras", PARTS | {name: bytes(10**7)})
    with pytest.raises(InputError, match=rf"its {name} unpacks to far more than a model has"):
        read_archive(path)


def test_damaged_archives_are_refused(tmp_path):
    path = _write(tmp_path / "m.keras", PARTS)
    content = path.read_bytes()
    for damaged in (content[:-10], content[:20] + bytes(20) + content[40:]):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match="is damaged"):
            read_archive(path)


@pytest.mark.parametrize("config", [b"[]", b"nothing", b"[" * 10**5])
def test_a_description_that_is_none_is_refused(tmp_path, config):
    path = _write(tmp_path / "m.keras", PARTS | {"config.json": config, "padding": os.urandom(10**4)})
    with pytest.raises(InputError, match="the description of its model cannot be read"):
        read_archive(path)

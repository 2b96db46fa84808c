"""HDF5 files that would do harm, or none."""

import io
import time

import h5py
import numpy as np
import pytest

from napari_mri_cae.errors import InputError
from napari_mri_cae.models.keras import hdf5, hdf5_process
from napari_mri_cae.models.keras.hdf5 import read_hdf5


def test_everything_but_the_optimizer_is_read(write_h5):
    kernel = np.random.default_rng(0).random((3, 2, 4, 5), np.float32)

    def fill(file):
        file.attrs["model_config"] = "{}"
        file["model_weights/conv/kernel:0"] = kernel
        file["model_weights/norm/gamma:0"] = np.float64([1, 2])
        file["model_weights/dropout/seed"] = np.int64([1])
        file["model_weights"].create_dataset("packed", data=np.ones(8, np.float32), compression="gzip")
        file["model_weights"].attrs["layer_names"] = [b"conv", b"norm"]
        file["optimizer_weights/conv/kernel:0"] = kernel

    read = read_hdf5(write_h5(fill), "x.h5")
    assert read.texts == {"model_config": "{}"}
    assert read.layer_names == ("conv", "norm")
    assert set(read.arrays) == {"conv/kernel:0", "norm/gamma:0", "packed"}
    assert np.array_equal(read.arrays["conv/kernel:0"], kernel)
    assert all(array.dtype == np.float32 for array in read.arrays.values())


def _external_link(file):
    file["model_weights/kernel"] = h5py.ExternalLink("/etc/passwd", "/")


def _soft_link(file):
    file["model_weights/kernel"] = h5py.SoftLink("/elsewhere")


def _other_file(file):
    file.create_dataset("model_weights/kernel", (4,), np.float32, external=[("/dev/zero", 0, 16)])


def _virtual(file):
    layout = h5py.VirtualLayout((4,), np.float32)
    layout[:] = h5py.VirtualSource("other.h5", "data", (4,))
    file.create_virtual_dataset("model_weights/kernel", layout)


def _huge(file):
    # Nothing is stored of it: the file is small.
    file.create_dataset("model_weights/kernel", (2**20, 2**20), np.float32, chunks=(1024, 1024))


def _bomb(file):
    file.create_dataset("model_weights/kernel", data=np.zeros(2**24, np.float32), compression="gzip")


def _plugin(file):
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk((4,))
    properties.set_filter(32_008, h5py.h5z.FLAG_OPTIONAL, ())
    space, group = h5py.h5s.create_simple((4,)), file.create_group("model_weights")
    h5py.h5d.create(group.id, b"kernel", h5py.h5t.NATIVE_FLOAT, space, properties)


def _deep(file):
    file["model_weights/" + "a/" * 40 + "kernel"] = np.zeros(1, np.float32)


def _loop(file):
    group = file.create_group("model_weights/a")
    group["again"] = group


def _many_texts(file):
    file.attrs["model_config"] = ["{}"] * 9
    file.create_group("model_weights")


@pytest.mark.parametrize(
    ("fill", "reason"),
    [
        (_external_link, "'kernel' is a link to another place"),
        (_soft_link, "'kernel' is a link to another place"),
        (_other_file, "'kernel' is kept in another file"),
        (_virtual, "'kernel' is kept in another file"),
        (_huge, "far larger than the file itself"),
        (_bomb, "far larger than the file itself"),
        (_plugin, "needs a plugin"),
        (_deep, "nested more than 32 deep"),
        (_loop, "nested more than 32 deep"),
        (_many_texts, "its model_config is no text"),
    ],
)
def test_what_would_do_harm_is_refused(write_h5, fill, reason):
    with write_h5(fill).open("rb") as file:
        head, arrays = hdf5_process.read(file)
    assert reason in head["refused"]
    assert not arrays


def test_a_refusal_is_said_in_a_sentence(write_h5):
    with pytest.raises(InputError, match=r"^x\.h5 cannot be opened: its entry 'kernel' is a link to .*\.$"):
        read_hdf5(write_h5(_external_link), "x.h5")


def test_a_file_that_the_library_never_finishes_is_given_up(keras_files, monkeypatch):
    # The length of an object of a global heap becomes so large that its end lies before its start.
    content = bytearray((keras_files / "functional.keras2.h5").read_bytes())
    start = content.index(b"GCOL") + 16
    content[start + 8 : start + 16] = (2**64 - 2**12).to_bytes(8, "little")
    monkeypatch.setattr(hdf5, "_SECONDS", 4)
    started = time.monotonic()
    with pytest.raises(InputError, match=r"x\.h5 is damaged"):
        read_hdf5(bytes(content), "x.h5")
    assert time.monotonic() - started < 30


@pytest.mark.parametrize("keep", [8, -1000])
def test_half_a_file_is_refused(keras_files, keep):
    content = (keras_files / "sequential.keras3.h5").read_bytes()[:keep]
    with pytest.raises(
        InputError, match=r"x\.h5 is damaged, or is no file that Keras wrote; get it again\.$"
    ):
        read_hdf5(content, "x.h5")


def test_a_file_in_memory_is_read_like_one_on_disk():
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["layers/conv2d/vars/0"] = np.float32([1, 2])
    assert read_hdf5(buffer.getvalue(), "x.h5").arrays["layers/conv2d/vars/0"].tolist() == [1, 2]

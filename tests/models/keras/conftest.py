import numpy as np
import pytest


@pytest.fixture
def write_h5(tmp_path):
    """Write an HDF5 file as a function fills it."""
    import h5py

    def write(fill, name="model.h5"):
        path = tmp_path / name
        with h5py.File(path, "w") as file:
            fill(file)
        return path

    return write


@pytest.fixture
def one_conv():
    """The `model_config` of one 1 x 1 convolution, and the arrays of its weights."""
    layer = {
        "class_name": "Conv2D",
        "config": {
            "name": "conv",
            "batch_input_shape": [None, None, None, 1],
            "filters": 1,
            "kernel_size": [1, 1],
            "use_bias": False,
        },
    }
    config = {"class_name": "Sequential", "config": {"name": "model", "layers": [layer]}}
    return config, {"conv/conv/kernel:0": np.full((1, 1, 1, 1), 2, np.float32)}

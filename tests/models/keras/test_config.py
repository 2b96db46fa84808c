"""Descriptions of models, without their weights."""

import pytest

from napari_mri_cae.errors import InputError
from napari_mri_cae.models.keras import graph
from napari_mri_cae.models.keras.config import read_config
from napari_mri_cae.models.keras.layers import SUPPORTED

CONV = {"filters": 1, "kernel_size": [3, 3], "padding": "same"}


def _layer(kind, name, *inputs, call=0, **config):
    nodes = [[[source, call, 0, {}] for source in inputs]] if inputs else []
    return {"class_name": kind, "name": name, "config": {"name": name, **config}, "inbound_nodes": nodes}


def _functional(*layers, inputs=("in",), outputs=("out",)):
    return {
        "class_name": "Functional",
        "config": {
            "name": "model",
            "layers": list(layers),
            "input_layers": [[name, 0, 0] for name in inputs],
            "output_layers": [[name, 0, 0] for name in outputs],
        },
    }


INPUT = _layer("InputLayer", "in", batch_input_shape=[None, 128, 96, 1])


def _read(*layers, **ends):
    return read_config(_functional(INPUT, *layers, **ends), "x.h5")


def test_layers_are_put_in_order_whatever_the_files():
    model = _read(
        _layer("Add", "out", "b", "a"),
        _layer("Conv2D", "b", "a", **CONV),
        _layer("Conv2D", "a", "in", **CONV),
    )
    assert [(node.name, node.inputs) for node in model.graph.nodes] == [
        ("input", ()),
        ("a", ("input",)),
        ("b", ("a",)),
        ("out", ("b", "a")),
    ]
    assert model.size == (128, 96)


def test_a_layer_called_twice_shares_its_weights():
    twice = _layer("Conv2D", "conv", "in", **CONV)
    twice["inbound_nodes"].append([["conv", 0, 0, {}]])
    model = _read(twice, _layer("ReLU", "out", "conv", call=1))
    first, second = model.graph.nodes[1:3]
    assert (first.shares, second.shares, second.inputs) == (None, "conv", ("conv",))
    assert len(model.layers) == 1


@pytest.mark.parametrize("major", [2, 3])
def test_leaky_relu_has_the_slope_of_its_version(major):
    slope = {2: {"alpha": 0.30000001192092896}, 3: {"negative_slope": 0.3}}[major]
    node = _read(_layer("LeakyReLU", "out", "in", **slope)).graph.nodes[-1]
    assert node.activation == graph.Activation(name="relu", slope=0.3)


@pytest.mark.parametrize(
    ("kind", "config", "reason"),
    [
        ("Lambda", {"function": ["4wE=", None, None]}, "is a Lambda layer, and only these are supported"),
        ("Dense", {"units": 3}, "is a Dense layer"),
        ("Conv2D", {**CONV, "padding": "causal"}, "has padding='causal', which is not supported"),
        ("Conv2D", {**CONV, "data_format": "channels_first"}, "has data_format='channels_first'"),
        ("Conv2D", {**CONV, "activation": "mine"}, "has the activation 'mine'"),
        (
            "Conv2D",
            {**CONV, "activation": {"class_name": "function", "config": "f"}},
            "the activation 'function'",
        ),
        ("Conv2D", {**CONV, "filters": 10**9}, "settings that are not supported .filters"),
        ("Conv2D", {"filters": 1}, "has settings that make no sense"),
        ("BatchNormalization", {"axis": 1}, "has axis=1"),
        ("UpSampling2D", {"interpolation": "bicubic"}, "has interpolation='bicubic'"),
        ("Concatenate", {"axis": 0}, "has axis=0"),
        ("Dropout", {"rate": 0.1, "noise_shape": [1]}, r"has noise_shape=\[1\]"),
    ],
)
def test_what_is_not_supported_is_named_with_its_place(kind, config, reason):
    with pytest.raises(InputError, match=rf"x\.h5: layer 'out' \(3 of 3\) .*{reason}") as caught:
        _read(_layer("ReLU", "first", "in"), _layer(kind, "out", "first", **config))
    assert "\n" not in str(caught.value)


def test_all_supported_layers_are_named():
    assert {"Conv2D", "InputLayer", "SpatialDropout2D"} <= set(SUPPORTED)


def test_a_foreign_layer_of_a_known_name_is_refused():
    foreign = _layer("Conv2D", "out", "in", **CONV)
    with pytest.raises(InputError, match=r"is a mine\.layers\.Conv2D layer"):
        _read({**foreign, "module": "mine.layers"})
    with pytest.raises(InputError, match="is a mine>Conv2D layer"):
        _read({**foreign, "module": None, "registered_name": "mine>Conv2D"})


def test_a_layer_that_is_always_in_training_is_refused():
    layer = _layer("Dropout", "out", "in", rate=0.5)
    layer["inbound_nodes"][0][0][3] = {"training": True}
    with pytest.raises(InputError, match=r"layer 'out' .* is always in training"):
        _read(layer)


def test_other_models_are_refused():
    relu = _layer("ReLU", "out", "in")
    second = _layer("InputLayer", "more", batch_input_shape=[None, 8, 8, 1])
    with pytest.raises(InputError, match="has 2 inputs, and a model of slices has one"):
        _read(second, relu, inputs=("in", "more"))
    with pytest.raises(InputError, match="has 2 outputs"):
        _read(relu, outputs=("in", "out"))
    with pytest.raises(InputError, match="takes 64 x 64 x 3, and slices are height x width x 1"):
        read_config(
            _functional(_layer("InputLayer", "in", batch_input_shape=[None, 64, 64, 3]), relu), "x.h5"
        )
    with pytest.raises(InputError, match="holds a MyModel: only Sequential and Functional"):
        read_config({"class_name": "MyModel", "config": {}}, "x.h5")


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"class_name": "Functional"},
        {"class_name": "Sequential", "config": {"layers": []}},
        {"class_name": "Sequential", "config": {"layers": [None]}},
        {"class_name": "Sequential", "config": {"layers": [_layer("ReLU", "a"), _layer("ReLU", "a")]}},
        _functional(INPUT, _layer("ReLU", "out", "nowhere")),
        _functional(INPUT, _layer("ReLU", "a", "out"), _layer("ReLU", "out", "a")),
        _functional(INPUT, _layer("Add", "out")),
    ],
)
def test_damaged_descriptions_are_refused(config):
    with pytest.raises(InputError, match=r"x\.h5 is damaged"):
        read_config(config, "x.h5")


def test_descriptions_that_grow_without_end_are_refused():
    inner = [_layer("ReLU", f"relu{number}") for number in range(20)]
    for _ in range(6):
        inner = [
            {"class_name": "Sequential", "name": f"model{number}", "config": {"layers": inner}}
            for number in range(20)
        ]
    with pytest.raises(InputError, match="it has 2048 layers or more"):
        read_config({"class_name": "Sequential", "config": {"layers": inner}}, "x.h5")

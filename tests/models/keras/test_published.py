"""Models that are known by their graph."""

import pytest
import torch

from napari_mri_cae.models.architectures import build
from napari_mri_cae.models.keras.config import read_config
from napari_mri_cae.models.keras.published import SYSTEMS, Known, graph_digest, recognise


def _conv(name, source, filters, kind="Conv2D", **more):
    settings = {"filters": filters, "kernel_size": [3, 3], "strides": [2, 2], "padding": "same"}
    return _layer(kind, name, source, **{**settings, **more})


def _layer(kind, name, *sources, **config):
    calls = [[[source, 0, 0, {}] for source in sources]] if sources else []
    return {"class_name": kind, "name": name, "config": {"name": name, **config}, "inbound_nodes": calls}


def _skip_connection(prefix=""):
    """The thesis's skip-connection model, as Keras 2 describes it."""
    layers, last = [_layer("InputLayer", "in", batch_input_shape=[None, 128, 128, 1])], "in"
    skips = []
    for number, filters in enumerate((32, 64, 128)):
        layers.append(_conv(f"{prefix}c{number}", last, filters))
        layers.append(_layer("BatchNormalization", f"b{number}", f"{prefix}c{number}", axis=[3]))
        layers.append(_layer("ReLU", f"r{number}", f"b{number}"))
        skips.append(f"b{number}")
        last = f"r{number}"
    for number, filters in enumerate((64, 32, 16), 3):
        layers.append(_conv(f"{prefix}c{number}", last, filters, "Conv2DTranspose"))
        layers.append(_layer("BatchNormalization", f"b{number}", f"{prefix}c{number}", axis=[3]))
        last = f"b{number}"
        if number < 5:
            layers.append(_layer("Add", f"a{number}", last, skips[4 - number]))
            last = f"a{number}"
        layers.append(_layer("ReLU", f"r{number}", last))
        last = f"r{number}"
    layers.append(_conv("out", last, 1, strides=[1, 1], activation="sigmoid"))
    config = {"layers": layers, "input_layers": [["in", 0, 0]], "output_layers": [["out", 0, 0]]}
    return {"class_name": "Functional", "config": config}


def test_a_published_graph_is_known_whatever_its_names():
    for prefix in ("", "other "):
        graph = read_config(_skip_connection(prefix), "x.h5").graph
        network = build("keras-graph", **graph.to_parameters())
        assert recognise(graph, network) is SYSTEMS["uoc2021-skip-connection"]


def test_another_graph_is_not():
    config = _skip_connection()
    config["config"]["layers"][2]["config"]["epsilon"] = 0.5
    graph = read_config(config, "x.h5").graph
    assert recognise(graph, build("keras-graph", **graph.to_parameters())) == Known()


def test_the_graph_computes_what_the_named_architecture_does():
    graph = read_config(_skip_connection(), "x.h5").graph
    imported, named = build("keras-graph", **graph.to_parameters()), build("uoc2021-skip-connection")
    # Both register their layers in the order of computation.
    named.load_state_dict(dict(zip(named.state_dict(), imported.state_dict().values(), strict=True)))
    slices = torch.rand(1, 1, 16, 24)
    with torch.inference_mode():
        torch.testing.assert_close(imported.eval()(slices), named.eval()(slices), rtol=0, atol=1e-6)


def test_digests_of_graphs_do_not_change():
    # Cards of published files hang on it, for every later version.
    assert graph_digest(read_config(_skip_connection(), "x.h5").graph) == "c4cc99da60bd3be7"


@pytest.mark.parametrize(
    ("nodes", "reason"),
    [
        ([], "nodes"),
        ([{"kind": "add", "name": "a", "inputs": []}], "one input, and it comes first"),
        ([{"kind": "lambda", "name": "a", "inputs": []}], "nodes"),
        ([{"kind": "activation", "name": "out", "inputs": ["later"]}], "depends on what comes later"),
        ([{"kind": "activation", "name": "out", "inputs": []}], "has 0 inputs"),
        ([{"kind": "activation", "name": "in", "inputs": ["in"]}], "two nodes are named 'in'"),
        ([{"kind": "activation", "name": "other", "inputs": ["in"]}], "no node 'out' to be the output"),
        ([{"kind": "batch-norm", "name": "out", "inputs": ["in"], "shares": "in"}], "cannot use the weights"),
        ([{"kind": "conv", "name": "out", "inputs": ["in"], "filters": 2, "kernel": [1, 10**6]}], "kernel"),
        (
            [
                {"kind": "conv", "name": "a", "inputs": ["in"], "filters": 2**14, "kernel": [64, 64]},
                {"kind": "conv", "name": "out", "inputs": ["a"], "filters": 2**14, "kernel": [64, 64]},
            ],
            "more than 268,435,456 parameters",
        ),
        (
            [
                {"kind": "conv", "name": "a", "inputs": ["in"], "filters": 2, "kernel": [1, 1]},
                {"kind": "conv", "name": "b", "inputs": ["in"], "filters": 3, "kernel": [1, 1]},
                {"kind": "add", "name": "out", "inputs": ["a", "b"]},
            ],
            "'out' cannot join 2, 3 channels",
        ),
    ],
)
def test_graphs_that_are_none_are_refused(nodes, reason):
    with_input = [{"kind": "input", "name": "in", "inputs": []}, *nodes] if reason != "nodes" else nodes
    given = nodes if "comes first" in reason else with_input
    with torch.device("meta"), pytest.raises(ValueError, match=reason):
        build("keras-graph", nodes=given, output="out")

"""From the `model_config` that Keras writes to the graph of the network."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from napari_mri_cae.errors import InputError
from napari_mri_cae.models.keras import graph
from napari_mri_cae.models.keras.layers import make_node, shorten

_FUNCTIONAL: Final = {"Functional", "Model"}
_MODELS: Final = {*_FUNCTIONAL, "Sequential"}
_DEEPEST: Final = 8
_INPUT: Final = "InputLayer"
_WEIGHTED: Final = (graph.Conv, graph.TransposedConv, graph.BatchNorm)

Tensor = tuple[str, int]
"""What a layer gives when it is called for the n-th time: its name and n, from 0."""


@dataclass(frozen=True)
class WeightedLayer:
    """Where the weights of a node come from."""

    node: graph.Conv | graph.TransposedConv | graph.BatchNorm
    names: tuple[str, ...]
    """The layer's name, after those of the models it is in."""
    counted: tuple[str, ...]
    """The same in the names that `.keras` files use: the class, and how many of it came before."""


@dataclass(frozen=True)
class KerasModel:
    """A Keras model, without its weights."""

    graph: graph.Graph
    layers: tuple[WeightedLayer, ...]
    size: tuple[int, int] | None
    """(H, W), where the model takes no other."""


@dataclass(frozen=True)
class _Layer:
    kind: str
    name: str
    config: Mapping[str, Any]
    calls: tuple[tuple[Tensor, ...], ...]
    """For each time it is called, what it is called with."""
    place: str
    counted: str


def read_config(config: Mapping[str, Any], name: str) -> KerasModel:
    """Return the model that a `model_config` describes.

    Parameters
    ----------
    config
        What Keras writes of a Sequential or a Functional model, versions 2 and 3.
    name
        What errors call the file.

    Raises
    ------
    InputError
        If it describes another kind of model, has a layer or a setting that is not supported, has more than
        one input or output, does not take slices of one channel, or is damaged.
    """
    try:
        builder = _Builder(name)
        builder.build(config)
        return builder.result()
    except InputError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
        raise InputError(
            f"{name} is damaged: the description of its model makes no sense; get it again."
        ) from error


class _Builder:
    """Lays the layers of a model, and those of the models in it, out as one graph."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.nodes: list[graph.Node] = [graph.Input(name="input", inputs=())]
        self.layers: dict[tuple[str, ...], WeightedLayer] = {}
        self.taken = {"input"}
        self.calls = 0
        self.output = ""
        self.size: tuple[int, int] | None = None

    def build(self, config: Mapping[str, Any]) -> None:
        kind = config["class_name"]
        if kind not in _MODELS:
            raise InputError(
                f"{self.name} holds a {shorten(kind)}: only Sequential and Functional models can be opened."
            )
        layers = self._layers(config, "")
        self.size = self._input_size(config, layers)
        self.output = self._lay_out(config, layers, "input", (), ())

    def result(self) -> KerasModel:
        return KerasModel(
            graph.Graph(nodes=tuple(self.nodes), output=self.output), tuple(self.layers.values()), self.size
        )

    def _layers(self, config: Mapping[str, Any], within: str) -> list[_Layer]:
        """Return the layers of a model, those of a Sequential one as if it were Functional."""
        inner = config["config"]
        # Sequential models were a plain list once.
        entries = inner if isinstance(inner, list) else inner["layers"]
        self._check_number(len(entries))
        sequential = config["class_name"] == "Sequential"
        layers: list[_Layer] = []
        counts: dict[str, int] = {}
        for position, entry in enumerate(entries, 1):
            kind = _class_of(entry)
            # Of a model within the model, all is needed that is needed of a model.
            settings = entry if kind in _MODELS else entry["config"]
            name = str(entry.get("name") or entry["config"]["name"])
            place = f"{self.name}: layer {shorten(name)!r} ({position} of {len(entries)}{within})"
            if not sequential:
                calls = tuple(_called_with(node, place) for node in entry["inbound_nodes"])
            elif layers or kind == _INPUT:
                calls = (((layers[-1].name, 0),),) if layers else ()
            else:
                # The input is not written down; the first layer may say its shape.
                layers.append(_Layer(_INPUT, "", settings, (), place, ""))
                calls = ((("", 0),),)
            layers.append(_Layer(kind, name, settings, calls, place, _counted(kind, counts)))
        if len({layer.name for layer in layers}) < len(layers):
            raise ValueError("two layers of one name")
        return layers

    def _input_size(self, config: Mapping[str, Any], layers: list[_Layer]) -> tuple[int, int] | None:
        """Return the size that the model's input is bound to, after a look at its shape."""
        shapes: list[Any] = [
            layer.config.get("batch_shape") or layer.config.get("batch_input_shape")
            for layer in layers
            if layer.kind == _INPUT
        ]
        if isinstance(config["config"], Mapping):
            shapes.append(config["config"].get("build_input_shape"))
        shape = next((shape for shape in shapes if shape), None)
        if shape is None:
            first = next((layer for layer in layers if layer.kind != _INPUT), None)
            if first is None or first.kind not in _MODELS:
                return None
            return self._input_size(first.config, self._layers(first.config, ""))
        if len(shape) != 4 or shape[-1] not in {1, None}:
            said = " x ".join("any" if size is None else str(size) for size in shape[1:])
            raise InputError(f"{self.name} takes {shorten(said)}, and slices are height x width x 1.")
        height, width = shape[1:3]
        return None if height is None or width is None else (int(height), int(width))

    def _lay_out(
        self,
        config: Mapping[str, Any],
        layers: list[_Layer],
        source: str,
        names: tuple[str, ...],
        counted: tuple[str, ...],
    ) -> str:
        """Add a model's nodes to the graph, with `source` for its input; return its output's node."""
        if len(names) > _DEEPEST:
            raise InputError(
                f"{self.name} cannot be opened: its models are nested more than {_DEEPEST} deep."
            )
        wanted_input, wanted_output = self._ends(config, layers)
        used = {tensor for layer in layers for call in layer.calls for tensor in call} | {wanted_output}
        values: dict[Tensor, str] = {}
        waiting: list[tuple[Tensor, tuple[Tensor, ...], _Layer]] = []
        for layer in layers:
            if layer.kind == _INPUT:
                if layer.name != wanted_input:
                    raise InputError(f"{layer.place} is a second input, and a model of slices has one.")
                values[layer.name, 0] = source
                continue
            # Keras 2 counts the calls of a model from 1: it was called once when it was made.
            first = int(layer.kind in _MODELS and (layer.name, 0) not in used)
            waiting += [((layer.name, number), call, layer) for number, call in enumerate(layer.calls, first)]
            self._check_number(len(waiting))
        while waiting:
            ready = [call for call in waiting if values.keys() >= set(call[1])]
            if not ready:
                raise ValueError("layers wait for each other")
            for given, taken, layer in ready:
                inputs = tuple(values[tensor] for tensor in taken)
                values[given] = self._call(layer, inputs, names, counted)
            waiting = [call for call in waiting if call[0] not in values]
        return values[wanted_output]

    def _ends(self, config: Mapping[str, Any], layers: list[_Layer]) -> tuple[str, Tensor]:
        """Return the name of the input, and the output."""
        if config["class_name"] == "Sequential":
            return layers[0].name, (layers[-1].name, 0)
        inputs, outputs = (list(_tensors(config["config"][key])) for key in ("input_layers", "output_layers"))
        for what, ends in (("inputs", inputs), ("outputs", outputs)):
            if len(ends) != 1:
                raise InputError(f"{self.name} has {len(ends)} {what}, and a model of slices has one.")
        return inputs[0][0], outputs[0]

    def _call(
        self, layer: _Layer, inputs: tuple[str, ...], names: tuple[str, ...], counted: tuple[str, ...]
    ) -> str:
        """Add what one call of a layer computes; return its node."""
        self.calls += 1
        self._check_number(self.calls)
        names, counted = (*names, layer.name), (*counted, layer.counted)
        if layer.kind in _MODELS:
            (source,) = inputs
            within = f" of {shorten(layer.name)!r}"
            return self._lay_out(layer.config, self._layers(layer.config, within), source, names, counted)
        node = make_node(
            layer.kind, layer.config, layer.place, name=self._free_name("/".join(names)), inputs=inputs
        )
        if isinstance(node, _WEIGHTED):
            if names in self.layers:
                node = node.model_copy(update={"shares": self.layers[names].node.name})
            else:
                self.layers[names] = WeightedLayer(node, names, counted)
        self.nodes.append(node)
        return node.name

    def _check_number(self, layers: int) -> None:
        # One less, as the graph has its input besides.
        if layers >= graph.MOST_NODES:
            raise InputError(f"{self.name} cannot be opened: it has {graph.MOST_NODES} layers or more.")

    def _free_name(self, wanted: str) -> str:
        name, number = wanted, 1
        while name in self.taken:
            number += 1
            name = f"{wanted} ({number})"
        self.taken.add(name)
        return name


def _class_of(entry: Mapping[str, Any]) -> str:
    """Return a layer's class, with where it is from if that is not Keras itself."""
    kind, module, registered = str(entry["class_name"]), entry.get("module"), entry.get("registered_name")
    if isinstance(registered, str) and ">" in registered:
        return registered
    if isinstance(module, str) and module.split(".")[0] not in {"keras", "tf_keras"}:
        return f"{module}.{kind}"
    return kind


def _counted(kind: str, counts: dict[str, int]) -> str:
    """Return the name that `.keras` files give a layer: its class in snake case, and a number."""
    snake = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", kind))
    snake = re.sub(r"([a-z])([A-Z])", r"\1_\2", snake).lower()
    number = counts[snake] = counts.get(snake, -1) + 1
    return f"{snake}_{number}" if number else snake


def _called_with(node: Any, place: str) -> tuple[Tensor, ...]:
    """Return what a layer is called with: `[[name, call, output, options], ...]`, or a dict in Keras 3."""
    if isinstance(node, Mapping):
        tensors, options = list(_keras3_tensors(node["args"])), [node["kwargs"]]
    else:
        tensors = list(_tensors(node))
        options = [part[3] for part in node if isinstance(part, list) and len(part) > 3]
    if any(option.get("training") for option in options):
        raise InputError(f"{place} is always in training, which is not supported.")
    return tuple(tensors)


def _keras3_tensors(value: Any, depth: int = 0) -> Iterator[Tensor]:
    if isinstance(value, list) and depth < _DEEPEST:
        for part in value:
            yield from _keras3_tensors(part, depth + 1)
    elif isinstance(value, Mapping) and value.get("class_name") == "__keras_tensor__":
        yield from _tensors([value["config"]["keras_history"]])
    else:
        raise ValueError("a layer is called with something that is no tensor")


def _tensors(value: Any) -> Iterator[Tensor]:
    """Return the tensors of `[name, call, output, ...]`, or of a list or a dict of such."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if value and isinstance(value[0], str):
        value = [value]
    for name, call, output, *_ in value:
        if output != 0:
            raise ValueError("a layer with several outputs")
        yield str(name), int(call)

"""A network built from the graph of a Keras model."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch.nn import functional

from napari_mri_cae.models.architectures.keras_layers import BatchNorm, Conv, UpConv, pad_same
from napari_mri_cae.models.keras import graph

_MOST_PARAMETERS: Final = 2**28
# Of (N, C, H, W).
_AXES: Final = {"channels": 1, "rows": 2, "columns": 3}
_FUNCTIONS: Final[dict[str, Callable[[Tensor], Tensor]]] = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "elu": functional.elu,
    "selu": torch.selu,
    "gelu": functional.gelu,
    "silu": functional.silu,
    "softplus": functional.softplus,
    "softsign": functional.softsign,
    "softmax": lambda x: torch.softmax(x, 1),
    "exponential": torch.exp,
}


class _Activation(nn.Module):
    def __init__(self, activation: graph.Activation) -> None:
        super().__init__()
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        chosen = self.activation
        if chosen.name != "relu":
            return _FUNCTIONS[chosen.name](x)
        if chosen.threshold:
            y = torch.where(x >= chosen.threshold, x, chosen.slope * (x - chosen.threshold))
        else:
            y = functional.leaky_relu(x, chosen.slope) if chosen.slope else torch.relu(x)
        return y if chosen.most is None else y.clamp(max=chosen.most)


class _Add(nn.Module):
    def forward(self, *inputs: Tensor) -> Tensor:
        total = inputs[0]
        for other in inputs[1:]:
            total = total + other
        return total


class _Concatenate(nn.Module):
    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, *inputs: Tensor) -> Tensor:
        return torch.cat(inputs, self.axis)


class _MaxPool(nn.Module):
    def __init__(self, node: graph.MaxPool) -> None:
        super().__init__()
        self.pool, self.stride, self.same = node.pool, node.stride, node.padding == "same"

    def forward(self, x: Tensor) -> Tensor:
        if self.same:
            x = pad_same(x, self.pool, self.stride, -math.inf)
        return functional.max_pool2d(x, self.pool, self.stride)


class _Upsample(nn.Module):
    def __init__(self, node: graph.Upsample) -> None:
        super().__init__()
        self.factor, self.interpolation = node.factor, node.interpolation

    def forward(self, x: Tensor) -> Tensor:
        size = [x.shape[-2] * self.factor[0], x.shape[-1] * self.factor[1]]
        return functional.interpolate(x, size, mode=self.interpolation)


@dataclass(frozen=True)
class _Step:
    name: str
    inputs: tuple[str, ...]
    layer: int
    last_use_of: tuple[str, ...]
    """What no later step needs."""


class KerasGraph(nn.Module):
    """Any graph of the Keras layers that `napari_mri_cae.models.keras.graph` describes.

    `(N, 1, H, W)` to whatever the graph makes of it.

    Parameters
    ----------
    nodes, output
        The fields of a `napari_mri_cae.models.keras.graph.Graph`, as plain data.

    Raises
    ------
    ValueError
        If they describe no graph, one whose channels do not fit together, or one far too large.
    """

    def __init__(self, nodes: Iterable[Mapping[str, Any]], output: str) -> None:
        super().__init__()
        try:
            self.graph = graph.Graph.model_validate({"nodes": list(nodes), "output": output})
        except ValidationError as error:
            first = error.errors()[0]
            raise ValueError(f"{'.'.join(map(str, first['loc']))} {first['msg']}".lstrip()) from error
        self.layers = nn.ModuleList()
        self._steps: list[_Step] = []
        self._parameters_left = _MOST_PARAMETERS
        channels: dict[str, int] = {}
        last_use = {name: node.name for node in self.graph.nodes for name in node.inputs}
        owners: dict[str, tuple[int, list[int]]] = {}
        for node in self.graph.nodes:
            incoming = [channels[name] for name in node.inputs]
            owner = getattr(node, "shares", None) or node.name
            if owner not in owners:
                owners[owner] = len(self.layers), incoming
                self.layers.append(self._layer(node, incoming))
            index, expected = owners[owner]
            if incoming != expected:
                raise ValueError(f"{node.name!r} has other channels than {owner!r}, whose weights it uses")
            channels[node.name] = _channels_after(node, incoming)
            done = tuple({name for name in node.inputs if last_use[name] == node.name} - {output})
            self._steps.append(_Step(node.name, node.inputs, index, done))
        self._owned = {name: index for name, (index, _) in owners.items()}

    def layer(self, name: str) -> nn.Module:
        """Return the layer of the node `name`, which shares no other node's weights."""
        layer = self.layers[self._owned[name]]
        return layer[0] if isinstance(layer, nn.Sequential) else layer

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        values: dict[str, Tensor] = {}
        for step in self._steps:
            inputs = [values[name] for name in step.inputs] or [x]
            # Channels last, as Keras computes: the same kernels then round the same way.
            output = self.layers[step.layer](*inputs)
            values[step.name] = output.contiguous(memory_format=torch.channels_last)
            for name in step.last_use_of:
                del values[name]
        return values[self.graph.output]

    def _layer(self, node: graph.Node, incoming: Sequence[int]) -> nn.Module:
        match node:
            case graph.Conv() | graph.TransposedConv():
                layer = self._conv(node, incoming[0])
                return nn.Sequential(layer, _Activation(node.activation)) if node.activation else layer
            case graph.BatchNorm():
                momentum = 1 - node.momentum
                return BatchNorm(
                    incoming[0],
                    epsilon=node.epsilon,
                    momentum=momentum,
                    scale=node.scale,
                    center=node.center,
                )
            case graph.Activate():
                return _Activation(node.activation) if node.activation else nn.Identity()
            case graph.Add():
                return _Add()
            case graph.Concatenate():
                return _Concatenate(_AXES[node.axis])
            case graph.MaxPool():
                return _MaxPool(node)
            case graph.Upsample():
                return _Upsample(node)
            case graph.Dropout():
                return nn.Dropout2d(node.rate) if node.whole_channels else nn.Dropout(node.rate)
            case graph.Input():
                return nn.Identity()

    def _conv(self, node: graph.Conv | graph.TransposedConv, incoming: int) -> nn.Module:
        groups = node.groups if isinstance(node, graph.Conv) else 1
        self._parameters_left -= math.prod(node.kernel) * incoming * node.filters // groups
        if self._parameters_left < 0:
            raise ValueError(f"it has more than {_MOST_PARAMETERS:,} parameters")
        if isinstance(node, graph.Conv):
            return Conv(
                incoming,
                node.filters,
                node.kernel,
                node.stride,
                dilation=node.dilation,
                groups=groups,
                bias=node.bias,
                padding=node.padding,
            )
        return UpConv(
            incoming,
            node.filters,
            node.kernel,
            node.stride,
            dilation=node.dilation,
            bias=node.bias,
            padding=node.padding,
            output_padding=node.output_padding,
        )


def _channels_after(node: graph.Node, incoming: Sequence[int]) -> int:
    match node:
        case graph.Input():
            return 1
        case graph.Conv() | graph.TransposedConv():
            return node.filters
        case graph.Concatenate(axis="channels"):
            return sum(incoming)
        case graph.Concatenate() | graph.Add():
            # A single channel is added to each of the others.
            alike = {count for count in incoming if count > 1 or isinstance(node, graph.Concatenate)}
            if len(alike) > 1:
                counts = ", ".join(map(str, incoming))
                raise ValueError(f"{node.name!r} cannot join {counts} channels")
            return max(incoming)
        case _:
            return incoming[0]

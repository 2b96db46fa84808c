"""Rewrite a network for inference: batch norm folded, and on a processor fewer passes over memory."""

import copy
import operator
from collections.abc import Callable
from typing import Any, Final

import torch
from torch import fx, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from napari_mri_cae.models.architectures.keras_layers import Conv
from napari_mri_cae.reconstruction.fused_layers import (
    FewChannelsConv,
    FusedConv,
    HalvingMaxPool,
    SubPixelUpConv,
    has_fused_convolutions,
)
from napari_mri_cae.reconstruction.graph import (
    before,
    layer_of,
    only_here,
    remove,
    set_layer,
    tidy,
    traced,
)
from napari_mri_cae.reconstruction.halves import split_inputs

_NOTHING: Final = (nn.Identity, nn.Dropout, nn.Dropout2d)
_RELU: Final[frozenset[Any]] = frozenset({torch.relu, torch.relu_, functional.relu, "relu", "relu_"})
_ADD: Final[frozenset[Any]] = frozenset({operator.add, torch.add})
# What returns a tensor that nothing else looks at, and keeps none of its inputs.
_MAKES_NEW: Final = (
    FusedConv,
    FewChannelsConv,
    SubPixelUpConv,
    HalvingMaxPool,
    nn.Conv2d,
    nn.ConvTranspose2d,
)


def fold_batch_norm(graph: fx.GraphModule) -> None:
    """Fold each batch norm into the convolution before it, where there is one and nothing else reads it.

    The result is the same up to rounding. A batch norm that follows an activation stays: moved past the
    next convolution it would be wrong at the border, where that one sees zeros.
    """
    for node in list(graph.graph.nodes):
        if node.op == "call_module" and isinstance(graph.get_submodule(node.target), _NOTHING):
            remove(graph, node, before(node))
    for node in list(graph.graph.nodes):
        norm = layer_of(graph, node)
        if not isinstance(norm, nn.BatchNorm2d) or norm.running_mean is None:
            continue
        conv_node = before(node)
        conv = layer_of(graph, conv_node)
        if not isinstance(conv, nn.Conv2d | nn.ConvTranspose2d) or not only_here(graph, conv_node):
            continue
        transposed = isinstance(conv, nn.ConvTranspose2d)
        if transposed and conv.groups != 1:
            continue
        set_layer(graph, conv_node, _folded(conv, norm, transposed))
        remove(graph, node, conv_node)
    tidy(graph)


def for_processor(network: nn.Module, precision: torch.dtype) -> nn.Module:
    """Return a copy of a network that computes the same faster on a processor.

    Batch norm is folded, activations and sums are computed with the convolution before them, weights are
    converted and laid out once, and layers that torch computes slowly are computed in another way.

    Parameters
    ----------
    network : torch.nn.Module
        (N, C, H, W) to (N, 1, H, W). Left as it is.
    precision : torch.dtype
        Of the convolutions and of what is between them: torch.bfloat16 or torch.float32.

    Returns
    -------
    torch.nn.Module
        A plain copy of a network that cannot be looked into.
    """
    graph = traced(network)
    if graph is None:
        return copy.deepcopy(network).eval().requires_grad_(False)
    fold_batch_norm(graph)
    if precision == torch.bfloat16:
        split_inputs(graph)
    for node in list(graph.graph.nodes):
        layer = layer_of(graph, node)
        if isinstance(layer, nn.MaxPool2d) and _halves(layer):
            set_layer(graph, node, HalvingMaxPool())
        elif type(layer) in (nn.Conv2d, Conv) and layer.padding_mode == "zeros":
            _convert_conv(graph, node, layer, precision)
        elif SubPixelUpConv.suits(layer):
            activation, slope = _take_activation(graph, node)
            set_layer(graph, node, SubPixelUpConv(layer, precision, activation=activation, slope=slope))
        elif isinstance(layer, nn.ConvTranspose2d):
            set_layer(graph, node, _InPrecision(layer, precision))
    _take_sums(graph)
    _pool_before_norm(graph)
    tidy(graph)
    if has_fused_convolutions(precision):
        for layer in graph.modules():
            if isinstance(layer, FusedConv):
                layer.fused = True
    return graph.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


class _InPrecision(nn.Module):
    """A layer with weights of another precision, and its input converted to it."""

    def __init__(self, layer: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.layer, self.dtype = layer.to(dtype), dtype

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.layer(x.to(self.dtype))
        return y


def _convert_conv(graph: fx.GraphModule, node: fx.Node, conv: nn.Conv2d, precision: torch.dtype) -> None:
    if not isinstance(conv.padding, tuple):
        set_layer(graph, node, _InPrecision(conv, precision))
        return
    if FewChannelsConv.suits(conv):
        source = before(node)
        doubling = layer_of(graph, source)
        doubled = isinstance(doubling, nn.Upsample) and _doubles(doubling) and only_here(graph, source)
        set_layer(graph, node, FewChannelsConv(conv, precision, doubled=doubled))
        if doubled:
            remove(graph, source, before(source))
        return
    activation, slope = _take_activation(graph, node)
    set_layer(graph, node, FusedConv(conv, precision, activation=activation, slope=slope))


def _take_activation(graph: fx.GraphModule, node: fx.Node) -> tuple[str, float]:
    """Remove the activation that follows `node`, and return its name and slope."""
    if not only_here(graph, node):
        return "none", 0.0
    (user,) = node.users
    layer, slope = layer_of(graph, user), 0.0
    if isinstance(layer, nn.LeakyReLU):
        name, slope = "leaky_relu", float(layer.negative_slope)
    elif isinstance(layer, nn.ReLU) or (user.op.startswith("call_") and user.target in _RELU):
        name = "relu"
    else:
        return "none", 0.0
    remove(graph, user, node)
    return name, slope


def _pool_before_norm(graph: fx.GraphModule) -> None:
    """Move a batch norm behind the max-pooling after it, to a quarter of the pixels.

    Where it rises with its input in every channel, the largest stays the largest, and the result is the same.
    """
    for pool in list(graph.graph.nodes):
        if not isinstance(layer_of(graph, pool), HalvingMaxPool):
            continue
        node = before(pool)
        norm = layer_of(graph, node)
        if not isinstance(norm, nn.BatchNorm2d) or len(node.users) != 1:
            continue
        if norm.weight is None or bool((norm.weight > 0).all()):
            pool.args = (before(node),)
            pool.replace_all_uses_with(node)
            node.args = (pool,)
            pool.append(node)


def _take_sums(graph: fx.GraphModule) -> None:
    """Let a convolution add its result to the other summand, where nobody needs that one any more."""
    place = {node: number for number, node in enumerate(graph.graph.nodes)}
    for node in list(graph.graph.nodes):
        if node.op != "call_function" or node.target not in _ADD or len(node.args) != 2 or node.kwargs:
            continue
        for other, conv_node in (node.args, node.args[::-1]):
            conv = layer_of(graph, conv_node)
            if not isinstance(conv, FusedConv) or conv.activation != "none" or len(conv_node.users) != 1:
                continue
            if not _may_be_overwritten(graph, other, node, place):
                continue
            # The other summand has to be there when the convolution runs.
            if place[other] > place[conv_node]:
                continue
            conv_node.args = (*conv_node.args, other)
            remove(graph, node, conv_node)
            break


def _may_be_overwritten(graph: fx.GraphModule, value: Any, last: fx.Node, place: dict[fx.Node, int]) -> bool:
    return (
        isinstance(value, fx.Node)
        and isinstance(layer_of(graph, value), _MAKES_NEW)
        and all(
            user is last or (place[user] < place[last] and isinstance(layer_of(graph, user), _MAKES_NEW))
            for user in value.users
        )
    )


def _folded(conv: nn.Conv2d | nn.ConvTranspose2d, norm: nn.BatchNorm2d, transposed: bool) -> nn.Module:
    if conv.bias is None:
        channels = conv.out_channels
        conv.bias = nn.Parameter(conv.weight.new_zeros(channels), requires_grad=False)
    fold: Callable[..., nn.Module] = fuse_conv_bn_eval
    return fold(conv, norm, transposed).requires_grad_(False)


def _halves(pool: nn.MaxPool2d) -> bool:
    return (pool.kernel_size, pool.stride, pool.padding, pool.dilation) == (2, 2, 0, 1) and not (
        pool.ceil_mode or pool.return_indices
    )


def _doubles(upsample: nn.Upsample) -> bool:
    return upsample.mode == "nearest" and upsample.size is None and upsample.scale_factor in (2, 2.0, (2, 2))

"""A network's first convolution as exact as in float32, by products of bfloat16 numbers."""

import copy
import operator
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, fx, nn

from napari_mri_cae.models.architectures.keras_layers import Conv
from napari_mri_cae.reconstruction.graph import layer_of, set_layer, tidy
from napari_mri_cae.slices import FloatArray

_CONVOLUTIONS: Final = (nn.Conv2d, Conv)
_SAME_VALUES: Final = frozenset({"contiguous", "to", "float", "clone"})
_SUMS: Final = frozenset({operator.add, torch.add, torch.cat})
# Beyond a few input channels, three times as many would cost something.
_FEW_CHANNELS: Final = 2


class Halves(nn.Module):
    """Slices as sums of two numbers of bfloat16: (N, C, H, W) float32 to (N, 3 C, H, W), high, low, high."""

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        high = x.to(torch.bfloat16).to(x.dtype)
        return torch.cat([high, x - high, high], dim=1)


def halves_into(x: FloatArray, halves: FloatArray) -> None:
    """Do what `Halves` does by numpy, several times as fast for a slice.

    Parameters
    ----------
    x : numpy.ndarray
        (N, C, H, W) float32, C-contiguous.
    halves : numpy.ndarray
        (N, 3 C, H, W) float32, C-contiguous. Overwritten.
    """
    high, low, again = np.split(halves, 3, axis=1)
    bits = high.view(np.uint32)
    # bfloat16 is the upper 16 bits of float32.
    np.add(x.view(np.uint32), 0x8000, out=bits)
    np.bitwise_and(bits, 0xFFFF0000, out=bits)
    np.subtract(x, high, out=low)
    np.copyto(again, high)


def split_inputs(graph: fx.GraphModule) -> None:
    """Let the convolutions that read the slices themselves compute with both halves of slice and kernel.

    A float32 number is nearly the sum of two of bfloat16, 8 bits each, so a product of two is that of their
    high halves and the two of a high and a low one. As three input channels instead of one these cost next
    to nothing. Rounding the first kernel to bfloat16 was by far the largest error of the published models:
    with it they are left 46 to 63 dB from float32, without it 60 to 73.

    Parameters
    ----------
    graph : torch.fx.GraphModule
        Of a network (N, C, H, W) to (N, C, H, W), to be computed in bfloat16. Changed in place; a network
        whose first layer is of another kind, or that works in place on the slices, stays as it is.
    """
    slices = next(node for node in graph.graph.nodes if node.op == "placeholder")
    readers = [node for node in graph.graph.nodes if any(_source(one) is slices for one in node.args)]
    if not all(type(layer_of(graph, node)) in _CONVOLUTIONS or _leaves_alone(node) for node in readers):
        return
    halves: fx.Node | None = None
    for node in list(graph.graph.nodes):
        conv = layer_of(graph, node)
        if type(conv) not in _CONVOLUTIONS or conv.groups != 1 or conv.in_channels > _FEW_CHANNELS:
            continue
        if not node.args or _source(node.args[0]) is not slices:
            continue
        if halves is None:
            graph.add_submodule("halves", Halves())
            with graph.graph.inserting_after(slices):
                halves = graph.graph.call_module("halves", (slices,))
        set_layer(graph, node, _by_halves(conv))
        node.args = (halves,)
    for node in reversed(list(graph.graph.nodes)):
        if node.op == "call_method" and node.target in _SAME_VALUES and not node.users:
            graph.graph.erase_node(node)
    tidy(graph)


def take_halves(graph: fx.GraphModule) -> tuple[bool, bool]:
    """Let a network that `split_inputs` has changed be given the halves, instead of computing them.

    Returns
    -------
    (bool, bool)
        Whether it is now to be given the slices, and whether it is to be given their halves, in this order.
    """
    slices = next(node for node in graph.graph.nodes if node.op == "placeholder")
    computed = [node for node in graph.graph.nodes if isinstance(layer_of(graph, node), Halves)]
    for node in computed:
        with graph.graph.inserting_after(slices):
            given = graph.graph.placeholder("halves_of_slices")
        node.replace_all_uses_with(given)
        graph.graph.erase_node(node)
    needed = bool(slices.users)
    if not needed:
        graph.graph.erase_node(slices)
    tidy(graph)
    return needed, bool(computed)


def _leaves_alone(node: fx.Node) -> bool:
    """Return whether a node that reads the slices is sure not to change them."""
    return node.op == "output" or node.target in _SAME_VALUES | _SUMS


def _source(value: Any) -> Any:
    """Return where a value comes from, unchanged."""
    while isinstance(value, fx.Node) and value.op == "call_method" and value.target in _SAME_VALUES:
        value = value.args[0]
    return value


def _by_halves(conv: nn.Conv2d) -> nn.Conv2d:
    wide = copy.deepcopy(conv)
    high = conv.weight.detach().to(torch.bfloat16).to(conv.weight.dtype)
    kernel = torch.cat([high, high, conv.weight.detach() - high], dim=1)
    wide.in_channels = kernel.shape[1]
    wide.weight = nn.Parameter(kernel, requires_grad=False)
    return wide

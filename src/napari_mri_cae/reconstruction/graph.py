"""Look into a network's layers, and change them."""

import copy
import logging
import threading
from collections.abc import Callable
from typing import Any, cast

from torch import fx, nn

_log = logging.getLogger(__name__)
_tracing = threading.Lock()


class _Tracer(fx.Tracer):
    """Looks into whatever is made of layers, and takes layers as they are.

    While it does, every module of the process calls it: other threads' are sent on, and two take turns.
    """

    def trace(self, *args: Any, **named: Any) -> fx.Graph:
        with _tracing:
            self._thread = threading.get_ident()
            return super().trace(*args, **named)

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if threading.get_ident() != self._thread:
            return forward(*args, **kwargs)
        return super().call_module(m, forward, args, kwargs)

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return not any(m.children())


def traced(network: nn.Module) -> fx.GraphModule | None:
    """Return a copy of a network as a graph of layers, in evaluation; None if it is not one.

    Parameters
    ----------
    network : torch.nn.Module
        Left as it is.
    """
    layers = list(network.modules())
    if len(layers) < 2 or not any(isinstance(layer, nn.Conv2d) for layer in layers):
        return None
    network = copy.deepcopy(network).eval().requires_grad_(False)
    try:
        return fx.GraphModule(network, _Tracer().trace(network))
    except Exception as error:  # Whatever a network's own code raises when it meets no tensor.
        _log.info("the network is run as it is: %s", error)
        return None


def layer_of(graph: fx.GraphModule, node: Any) -> Any:
    """Return the layer that a node calls, if it calls one."""
    if not isinstance(node, fx.Node) or node.op != "call_module":
        return None
    return graph.get_submodule(str(node.target))


def before(node: fx.Node) -> fx.Node:
    """Return what a layer of one input is given."""
    return cast("fx.Node", node.args[0])


def remove(graph: fx.GraphModule, node: fx.Node, instead: fx.Node) -> None:
    """Take a node out; who read it reads another instead."""
    node.replace_all_uses_with(instead)
    graph.graph.erase_node(node)


def only_here(graph: fx.GraphModule, node: fx.Node) -> bool:
    """Return whether a node's result is read once, and its layer called once."""
    calls = [other for other in graph.graph.nodes if other.target == node.target and other.op == node.op]
    return len(node.users) == 1 and len(calls) == 1


def set_layer(graph: fx.GraphModule, node: fx.Node, layer: nn.Module) -> None:
    """Let a node call another layer."""
    name = stem = f"{str(node.target).replace('.', '_')}_as_{type(layer).__name__}"
    number = 1
    while hasattr(graph, name):  # "up.conv" beside "up_conv", or a layer that is called twice
        number += 1
        name = f"{stem}_{number}"
    graph.add_submodule(name, layer)
    node.target = name


def tidy(graph: fx.GraphModule) -> None:
    """Check a changed graph, and make it ready to run."""
    graph.graph.lint()
    graph.delete_all_unused_submodules()
    graph.recompile()

"""The fastest way to compute a model on a device that is close to float32."""

import copy
import logging
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Final
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from napari_mri_cae.models import Model
from napari_mri_cae.reconstruction.around import compute
from napari_mri_cae.reconstruction.devices import Device
from napari_mri_cae.reconstruction.fused_network import fold_batch_norm, for_processor
from napari_mri_cae.reconstruction.graph import traced

CLOSE: Final = 60.0
"""dB of PSNR to float32 that a faster way of computing has to keep on a test slice."""
_log = logging.getLogger(__name__)
_chosen: WeakKeyDictionary[Model, dict[Device, Device]] = WeakKeyDictionary()
# Compiling takes half a second for each size of slices, and every volume that is opened asks again.
_compiled: WeakKeyDictionary[Model, dict[Device, nn.Module]] = WeakKeyDictionary()


def fastest(model: Model, device: Device) -> Device:
    """Return what to compute a model on, so that it is fast and still close to float32.

    A network that multiplies its rounding errors, as some of the published ones do, is computed in float32,
    or by torch where OpenVINO rounds more or takes a layer for another. What decides is a test slice, the
    same for every model.
    """
    known = _chosen.setdefault(model, {})
    if device not in known:
        known[device] = next((way for way in _ways(model, device) if _is_close(model, way)), device)
        compiled = _compiled.get(model, {})
        for way in [way for way in list(compiled) if way not in known.values()]:
            compiled.pop(way, None)  # was not close: it would keep its weights as long as the model lives
    return known[device]


def made_for(model: Model, device: Device) -> nn.Module:
    """Return a copy of a model's network on a device, made faster unless that is to be exact.

    The network itself is shared with whoever loaded it, and stays as it is.
    """
    if device.openvino is None:
        return _made(model.network, device)
    compiled = _compiled.setdefault(model, {})
    if device not in compiled:
        compiled[device] = _made(model.network, device)
    return compiled[device]


def _ways(model: Model, device: Device) -> Iterator[Device]:
    """Return ways to compute a model, the fastest first; none where there is nothing to choose."""
    exact = replace(device, precision="float32", exact=True, openvino=None)
    if device == exact or traced(model.network) is None:
        # What cannot be traced is run as it is, and not more often than is asked for.
        return
    for precision in dict.fromkeys((device.precision, exact.precision)):
        for openvino in dict.fromkeys((device.openvino, None)):
            yield replace(device, precision=precision, openvino=openvino)
    yield exact


def _is_close(model: Model, device: Device) -> bool:
    exact = replace(device, precision="float32", exact=True, openvino=None)
    try:
        results = []
        for way in (device, exact):
            network = made_for(model, way)
            slices = _test_slice(model.card.neighbours)
            results.append(compute(network, slices, model.card, way).cpu().double())
            if not way.is_cpu:
                network.to("meta")  # a traced one refers to itself, and would keep its weights there
            if getattr(network, "fell_back", False):
                return False
    except Exception as error:  # Whatever a network's own code raises; the first slice will raise it again.
        _log.info("%s does not run on %s: %s", model.card.name, device.description, error)
        return False
    mse = float((results[0] - results[1]).square().mean())
    return mse <= 10 ** (-CLOSE / 10)  # not where it is not a number


def _test_slice(neighbours: int) -> Tensor:
    """Return something like a head: scalp, skull, textured brain with ventricles, and a little noise.

    (1, 1 + 2 * neighbours, 96, 96), from 0 to 1, each neighbour with its own noise. The published models were
    up to 8 dB closer to float32 on volumes of three scanners than on it, and at most 1 dB further.
    """
    side = torch.linspace(-1, 1, 96)
    rows, columns = torch.meshgrid(side, side, indexing="ij")
    radius = (rows**2 + (1.25 * columns) ** 2).sqrt()
    image = torch.zeros_like(rows)
    image[radius < 0.92] = 0.85
    image[radius < 0.80] = 0.08
    brain = 0.45 + 0.2 * torch.sin(11 * rows + 3 * columns) * torch.cos(9 * columns)
    brain += 0.1 * torch.sin(37 * rows) * torch.sin(41 * columns)
    image = torch.where(radius < 0.72, brain, image)
    image[(rows.abs() - 0.1) ** 2 + (columns.abs() - 0.12) ** 2 < 0.008] = 0.12
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(1, 1 + 2 * neighbours, *image.shape, generator=generator)
    return (image + 0.01 * noise).clamp(0, 1)


def _made(network: nn.Module, device: Device) -> nn.Module:
    made = _plain(network) if device.exact else _rewritten(network, device)
    return made.to(device.torch_device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def _plain(network: nn.Module) -> nn.Module:
    return copy.deepcopy(network).eval().requires_grad_(False)


def _rewritten(network: nn.Module, device: Device) -> nn.Module:
    graph = traced(network)
    if device.is_cpu:
        by_torch = partial(for_processor, network, getattr(torch, device.precision))
        if graph is None or device.openvino is None:
            return by_torch()
        from napari_mri_cae.reconstruction.openvino_network import OpenVinoNetwork

        return OpenVinoNetwork(graph, by_torch, device.precision)
    if graph is None:
        return _plain(network)
    fold_batch_norm(graph)
    return graph

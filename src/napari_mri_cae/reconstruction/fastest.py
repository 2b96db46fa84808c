"""The fastest way to compute a model on a device that is close to float32."""

import copy
import math
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
"""dB of PSNR to float32 that a faster arithmetic has to keep on a test slice."""
# So close by torch that OpenVINO, which may lie 6 dB lower, need not be tried.
_CERTAINLY_CLOSE: Final = 70.0
_found: WeakKeyDictionary[nn.Module, dict[Device, Device]] = WeakKeyDictionary()


def fastest(model: Model, device: Device) -> Device:
    """Return what to compute a model on, so that it is fast and still close to float32.

    A network that multiplies its rounding errors, as some of the published ones do, is computed in float32,
    or by torch where OpenVINO rounds more. What decides is a test slice, the same for every model.
    """
    if device.precision == "float32":
        return device
    known = _found.setdefault(model.network, {})
    if device not in known:
        known[device] = _choose(model, device)
    return known[device]


def made_for(network: nn.Module, device: Device) -> nn.Module:
    """Return a copy of a network on a device, made faster unless that is to be exact.

    The network itself is shared with whoever loaded it, and stays as it is.
    """
    made = _plain(network) if device.exact else _rewritten(network, device)
    return made.to(device.torch_device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def _choose(model: Model, device: Device) -> Device:
    if traced(model.network) is None:
        return device  # It is run as it is, and it is not ours to run it more often than is asked for.
    by_torch = replace(device, openvino=None)
    psnr = _psnr_to_float32(model, by_torch)
    if not psnr >= CLOSE:  # or not a number
        return replace(device, precision="float32")
    if device.openvino and psnr < _CERTAINLY_CLOSE and not _psnr_to_float32(model, device) >= CLOSE:
        return by_torch
    return device


def _psnr_to_float32(model: Model, device: Device) -> float:
    plain = replace(device, precision="float32", exact=True, openvino=None)
    results = [
        compute(made_for(model.network, where), _test_slice(), model.card, where) for where in (device, plain)
    ]
    mse = float((results[0] - results[1]).double().square().mean())
    return -10 * math.log10(mse) if mse else math.inf


def _test_slice() -> Tensor:
    """Return something like a head: scalp, skull, textured brain with ventricles, a little noise.

    (1, 1, 96, 96). Volumes of three scanners were a few dB closer to float32 than it, and never further.
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
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
    return (image + 0.01 * noise).clamp(0, 1)[None, None]


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

"""A network, and what is done to slices before it and undone after it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn

from napari_mri_cae.intensity import scale
from napari_mri_cae.models import Card
from napari_mri_cae.reconstruction.devices import Device
from napari_mri_cae.reconstruction.size import fit_size


def compute(network: nn.Module, slices: Tensor, card: Card, device: Device) -> Tensor:
    """Return what a network on a device makes of slices, fed as its card says.

    Parameters
    ----------
    network : torch.nn.Module
        On the device already. It is given a copy of the slices, unless its `leaves_input` is true.
    slices : torch.Tensor
        (N, C, H, W) on the volume's scale [0, 1], on any device: C is 1, or more with neighbours. Left as
        they are.
    card : Card
    device : Device

    Returns
    -------
    torch.Tensor
        (N, 1, H, W) float32 on the device, on the volume's scale; a new tensor.
    """
    with torch.inference_mode():
        slices = slices.to(device.torch_device, dtype=torch.float32)
        scaled, undo_scale = scale(slices, card.intensity)
        fitted, undo_size = fit_size(scaled, multiple_of=card.multiple_of, fixed_size=card.fixed_size)
        if not getattr(network, "leaves_input", False):
            # A copy even where nothing was scaled or padded: a network may work in place on its input.
            fitted = fitted.clone(memory_format=torch.channels_last)
        with arithmetic(device):
            output = network(fitted)
        return undo_scale(undo_size(output.float())).contiguous()


@contextmanager
def arithmetic(device: Device) -> Iterator[None]:
    """Let convolutions compute in the device's precision."""
    kind = device.torch_device.type
    if device.precision != "float32":
        with torch.autocast(kind, dtype=getattr(torch, device.precision)):
            yield
        return
    with torch.autocast(kind, enabled=False), ExitStack() as stack:
        if kind == "cuda":
            # cuDNN rounds float32 to TF32, 10 bits, unless that is switched off.
            cudnn = torch.backends.cudnn
            stack.enter_context(
                cudnn.flags(
                    enabled=cudnn.enabled,
                    benchmark=cudnn.benchmark,
                    deterministic=cudnn.deterministic,
                    allow_tf32=False,
                )
            )
        yield

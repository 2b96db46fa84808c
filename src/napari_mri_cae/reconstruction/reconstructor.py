"""Run a model on a device."""

import copy
import logging
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from napari_mri_cae.errors import InputError
from napari_mri_cae.intensity import scale
from napari_mri_cae.reconstruction.devices import Device, resolve_device
from napari_mri_cae.reconstruction.size import fit_size

if TYPE_CHECKING:
    from torch import Tensor, nn

    from napari_mri_cae.models import Model

_log = logging.getLogger(__name__)


class Reconstructor:
    """A model made ready on a device: slices in, slices out.

    What the model wants around its network (its own intensity scaling, a padded or a fixed size) is read
    from its card, applied before the network and undone after it.

    Parameters
    ----------
    model : Model
    device : str
        "auto" or a name from `available_devices`.
    exact : bool
        Compute the network as it is, in float32 throughout. Otherwise convolutions use the device's fastest
        native arithmetic, and the network is rewritten for speed (`fused_network`).

    Raises
    ------
    InputError
        If this machine has no such device.
    """

    device: Device

    def __init__(self, model: "Model", device: str = "auto", *, exact: bool = False) -> None:
        import torch

        from napari_mri_cae.allocator import keep_pages

        self.model = model
        self.device = resolve_device(device, exact=exact)
        if self.device.is_cpu:
            keep_pages()
        # A copy, because the model is shared with whoever loaded it and must stay float32 on the CPU.
        network = _plain(model.network) if exact else _rewritten(model.network, self.device)
        self._network = network.to(self.device.torch_device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._batch_size = 1 if self.device.is_cpu else 16

    def __del__(self) -> None:
        # torch keeps a card's freed memory for itself, where other programs would miss it. (At the very end,
        # when everything is given back anyway, modules are gone.)
        device = self.__dict__.get("device")
        if device is None or device.is_cpu or sys is None or sys.is_finalizing():
            return
        network = self.__dict__.pop("_network", None)
        if network is not None:
            # A network's graph refers to itself, and would stay until the garbage collector comes by.
            network.to("meta")
        _give_back(device)

    @property
    def batch_size(self) -> int:
        """How many slices at a time suit the device.

        One on a CPU: a slice's activations stay in the cache, larger batches are slower, and whoever waits
        for another slice waits for one slice only. Halved where the device ran out of memory.
        """
        return self._batch_size

    def __call__(self, slices: "Tensor") -> "Tensor":
        """Reconstruct slices.

        Parameters
        ----------
        slices : torch.Tensor
            (N, 1, H, W) float32, on the volume's scale [0, 1], in the pose of the comparison; on any device.
            Never changed.

        Returns
        -------
        torch.Tensor
            (N, 1, H, W) float32 on this reconstructor's device and on the volume's scale; a new tensor.

        Raises
        ------
        InputError
            If the device's memory is too small for a single slice.
        """
        import torch

        try:
            return self._reconstruct(slices)
        except torch.OutOfMemoryError:
            pass  # and let go of what the error's traceback holds, before trying again
        return self._in_halves(slices)

    def _in_halves(self, slices: "Tensor") -> "Tensor":
        """Go on with half the batch, now and from now on."""
        import torch

        _give_back(self.device)
        count = len(slices)
        if count < 2:
            height, width = slices.shape[-2:]
            raise InputError(
                f"{self.device.description} has too little free memory for a slice of {height} x {width}: "
                "close other programs that use it, or choose the CPU."
            )
        half = count // 2
        if half < self._batch_size:
            _log.warning("%s is out of memory: going on with %d slices at a time", self.device.name, half)
            self._batch_size = half
        return torch.cat([self(slices[:half]), self(slices[half:])])

    def _reconstruct(self, slices: "Tensor") -> "Tensor":
        import torch

        card = self.model.card
        with torch.inference_mode():
            slices = slices.to(self.device.torch_device, dtype=torch.float32)
            scaled, undo_scale = scale(slices, card.intensity)
            fitted, undo_size = fit_size(scaled, multiple_of=card.multiple_of, fixed_size=card.fixed_size)
            # A copy even where nothing was scaled or padded: a network may work in place on its input.
            fitted = fitted.clone(memory_format=torch.channels_last)
            with _arithmetic(self.device):
                output = self._network(fitted)
            return undo_scale(undo_size(output.float())).contiguous()


def _give_back(device: Device) -> None:
    """Hand the memory that torch keeps in reserve back to the device."""
    import torch

    kind = device.torch_device.type
    if kind == "cuda":
        torch.cuda.empty_cache()
    elif kind == "mps":
        torch.mps.empty_cache()


def _plain(network: "nn.Module") -> "nn.Module":
    return copy.deepcopy(network).eval().requires_grad_(False)


def _rewritten(network: "nn.Module", device: Device) -> "nn.Module":
    """Return a copy of a network that is faster on a device."""
    import torch

    from napari_mri_cae.reconstruction.fused_network import fold_batch_norm, for_processor, traced

    if device.is_cpu:
        return for_processor(network, getattr(torch, device.precision))
    graph = traced(network)
    if graph is None:
        return _plain(network)
    fold_batch_norm(graph)
    return graph


@contextmanager
def _arithmetic(device: Device) -> Iterator[None]:
    """Let convolutions compute in the device's precision."""
    import torch

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

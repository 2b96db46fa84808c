"""Run a model on a device."""

import logging
import sys
from typing import TYPE_CHECKING

from napari_mri_cae.errors import InputError
from napari_mri_cae.reconstruction.devices import Device, resolve_device

if TYPE_CHECKING:
    from torch import Tensor

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
        native arithmetic, and the network is rewritten for speed (`fused_network`) or, on a processor,
        compiled by OpenVINO, where that is installed (`openvino_network`).

    Attributes
    ----------
    asked : Device
        What was asked for.
    device : Device
        What is used: in float32 where the device's fastest arithmetic is not exact enough for this model.

    Raises
    ------
    InputError
        If this machine has no such device.
    """

    asked: Device
    device: Device

    def __init__(self, model: "Model", device: str = "auto", *, exact: bool = False) -> None:
        from napari_mri_cae.allocator import keep_pages
        from napari_mri_cae.reconstruction.fastest import fastest, made_for

        self.model = model
        self.asked = resolve_device(device, exact=exact)
        if self.asked.is_cpu:
            keep_pages()
        self.device = fastest(model, self.asked)
        self._network = made_for(model, self.device)
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
    def neighbours(self) -> int:
        """How many slices before and behind each the model also looks at."""
        return self.model.card.neighbours

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
            Never changed. For a model that looks at neighbours they are channels, the slice itself in the
            middle, (N, 1 + 2 * neighbours, H, W), as `take_slices` gives them; it takes single slices too.

        Returns
        -------
        torch.Tensor
            (N, 1, H, W) float32 on this reconstructor's device and on the volume's scale; a new tensor.

        Raises
        ------
        InputError
            If the device's memory is too small for a single slice.
        ValueError
            If the slices have another shape.
        """
        import torch

        channels = {1, 1 + 2 * self.neighbours}
        if slices.ndim != 4 or slices.shape[1] not in channels:
            wanted = " or ".join(f"(N, {count}, H, W)" for count in sorted(channels))
            raise ValueError(f"slices must be {wanted}, not {tuple(slices.shape)}")
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
        from napari_mri_cae.reconstruction.around import compute

        return compute(self._network, slices, self.model.card, self.device)


def _give_back(device: Device) -> None:
    """Hand the memory that torch keeps in reserve back to the device."""
    import torch

    kind = device.torch_device.type
    if kind == "cuda":
        torch.cuda.empty_cache()
    elif kind == "mps":
        torch.mps.empty_cache()

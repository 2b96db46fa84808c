"""Whether there is a network as a configuration wants it, and the weights it begins with."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from napari_mri_cae.errors import InputError
from napari_mri_cae.models.architectures import IMPORTED, build
from napari_mri_cae.training.config import TrainingConfig

if TYPE_CHECKING:
    from torch import Tensor, nn


def check_network(config: TrainingConfig) -> None:
    """Check that the architecture takes its parameters, and slices of the sizes that it will be given.

    Takes milliseconds and no memory: the network is made of shapes alone.

    Raises
    ------
    InputError
        If not; the sentence names the field.
    """
    import torch

    # Such sides are halved no more often than `multiple_of` promises.
    side = 3 * config.multiple_of
    with torch.device("meta"), torch.inference_mode():
        try:
            network = build(config.architecture, **config.architecture_parameters).eval()
        except InputError as error:
            raise InputError(f"architecture_parameters: {error}") from error
        if config.architecture == IMPORTED:
            return  # It may take slices of one size only.
        try:
            shape = network(torch.empty(1, 1, side, side)).shape
        except (RuntimeError, ValueError):
            shape = None
    if shape != (1, 1, side, side):
        raise InputError(
            f"multiple_of: {config.multiple_of} is too small for {config.architecture}, which does not give "
            f"back slices of {side} x {side}: double it."
        )


def load_weights(network: "nn.Module", weights: "Mapping[str, Tensor]") -> bool:
    """Give a network another's weights, and return whether they fit.

    Residual blocks that the other network lacks become identities, and neighbours that it does not look at
    count for nothing at first, so that the network begins as exactly the other. With T. Chen et al.,
    "Net2Net: accelerating learning via knowledge transfer", ICLR 2016.

    Parameters
    ----------
    network
        Whose weights are replaced.
    weights
        Of the other network, its `state_dict()`.
    """
    import torch

    from napari_mri_cae.models.architectures.residual_unet import ResidualBlock

    try:
        loaded = network.load_state_dict(_for_neighbours(network, weights), strict=False)
    except RuntimeError:
        return False  # Other shapes.
    missing = set(loaded.missing_keys)
    for name, module in network.named_modules():
        own = {f"{name}.{parameter}" for parameter in module.state_dict()}
        if isinstance(module, ResidualBlock) and own <= missing:
            torch.nn.init.zeros_(module.second.weight)
            if module.second.bias is not None:
                torch.nn.init.zeros_(module.second.bias)
            missing -= own
    return not missing and not loaded.unexpected_keys


def _for_neighbours(network: "nn.Module", weights: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
    """Return weights whose first convolution takes as many neighbours as a residual U-Net's does."""
    from torch.nn import functional

    from napari_mri_cae.models.architectures.residual_unet import ResidualUNet

    found = dict(weights)
    first = found.get("first.weight")
    if isinstance(network, ResidualUNet) and first is not None:
        more = network.neighbours - first.shape[1] // 2
        if more > 0:
            found["first.weight"] = functional.pad(first, (0, 0, 0, 0, more, more))
    return found

"""Weights without a model, put into a named architecture in the order in which they come."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from napari_mri_cae.errors import InputError
from napari_mri_cae.models.keras.hdf5 import KerasHdf5
from napari_mri_cae.models.keras.weights import load_layer

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from torch import nn

# The parameters that an architecture's published variants have.
_VARIANTS: Final[dict[str, tuple[dict[str, Any], ...]]] = {
    "uoc2021-shallow-residual": ({"block": "full-pre"}, {"block": "original"})
}
_CONV: Final = ("kernel", "bias")
_BATCH_NORM: Final = ("gamma", "beta", "moving_mean", "moving_variance")


@dataclass(frozen=True)
class _Weights:
    """One layer's."""

    name: str
    arrays: "tuple[npt.NDArray[np.float32], ...]"

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        return tuple(array.shape for array in self.arrays)


def fit_architecture(
    file: KerasHdf5, name: str, architecture: str | None
) -> "tuple[nn.Module, str, dict[str, Any]]":
    """Put weights into an architecture.

    Layers are matched with the file's by the shapes of their weights, layers of the same shapes in their
    order: parallel branches are written in an order that depends on who wrote the model.

    Parameters
    ----------
    file
        What is in it; its layers in order.
    name
        What errors call the file.
    architecture
        The name of one, or None for the one among the published that fits.

    Returns
    -------
    network
    architecture
        Its name.
    parameters
        Those that it was built with.

    Raises
    ------
    InputError
        If the weights do not fit; or fit none or more than one of the published architectures.
    """
    from napari_mri_cae.models.architectures import PUBLISHED

    layers = list(_layers(file))
    fits = []
    for candidate in PUBLISHED if architecture is None else (architecture,):
        for parameters in _VARIANTS.get(candidate, ({},)):
            network = _fill(layers, candidate, parameters)
            if network is not None:
                fits.append((network, candidate, parameters))
    if architecture is not None and not fits:
        raise InputError(
            f"{name} has {len(layers)} layers of weights, which do not fit the architecture {architecture}."
        )
    if len(fits) != 1:
        raise InputError(
            f"{name} holds weights without a model, and which of the published architectures they belong to "
            f"cannot be told: name one of {', '.join(PUBLISHED)}."
        )
    return fits[0]


def _fill(layers: list[_Weights], architecture: str, parameters: dict[str, Any]) -> "nn.Module | None":
    """Return the network with the weights, None where they do not fit."""
    from napari_mri_cae.models.architectures import build

    network = build(architecture, **parameters).eval()
    left = list(layers)
    chosen: list[tuple[nn.Module, _Weights]] = []
    for module in network.modules():
        wanted = _shapes(module)
        if wanted is None:
            continue
        match = next((weights for weights in left if weights.shapes == wanted), None)
        if match is None:
            return None
        left.remove(match)
        chosen.append((module, match))
    if left:
        return None
    for module, weights in chosen:
        names = ("weight", "bias", "running_mean", "running_var")[: len(weights.arrays)]
        load_layer(module, dict(zip(names, weights.arrays, strict=True)), weights.name)
    return network


def _shapes(module: "nn.Module") -> tuple[tuple[int, ...], ...] | None:
    """Return the shapes that Keras keeps a layer's weights in; None where it has none."""
    from torch import nn

    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        rows, columns = module.kernel_size
        first, last = module.weight.shape[1], module.weight.shape[0]
        return (rows, columns, first, last), (module.out_channels,)
    if isinstance(module, nn.BatchNorm2d):
        return ((module.num_features,),) * 4
    return None


def _layers(file: KerasHdf5) -> Iterator[_Weights]:
    """Return the layers that have weights: in the file's order, or that of the numbers in their names."""
    groups: dict[str, dict[str, npt.NDArray[np.float32]]] = {}
    for path, array in file.arrays.items():
        folder, _, leaf = path.rpartition("/")
        groups.setdefault(folder.removesuffix("/vars"), {})[leaf.partition(":")[0]] = array
    rank = {name: number for number, name in enumerate(file.layer_names)}

    def order(folder: str) -> tuple[Any, ...]:
        parts = re.split(r"(\d+)", folder)
        numbered = [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]
        return rank.get(folder.partition("/")[0], len(rank)), numbered

    for folder in sorted(groups, key=order):
        arrays = groups[folder]
        names = _BATCH_NORM if "gamma" in arrays else _CONV if "kernel" in arrays else sorted(arrays)
        if set(names) == set(arrays):
            yield _Weights(folder, tuple(arrays[name] for name in names))
        else:
            yield _Weights(folder, tuple(arrays.values()))

"""From the arrays of a Keras file to the tensors of a network."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from napari_mri_cae.errors import InputError
from napari_mri_cae.models.keras import graph
from napari_mri_cae.models.keras.config import WeightedLayer

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from torch import Tensor, nn

    Arrays = Mapping[str, npt.NDArray[np.float32]]

# As Keras orders and names them, and as PyTorch names them.
_CONV: Final = (("kernel", "weight"), ("bias", "bias"))
_BATCH_NORM: Final = (
    ("gamma", "weight"),
    ("beta", "bias"),
    ("moving_mean", "running_mean"),
    ("moving_variance", "running_var"),
)
# What Keras 2.12 to 2.14 called "layers" in their `.keras` files.
_CONTAINERS: Final = ("layers", "_layer_checkpoint_dependencies")


def names_in_torch(node: graph.Conv | graph.TransposedConv | graph.BatchNorm) -> list[tuple[str, str]]:
    """Return what a layer's weights are called in Keras, in its order, and in PyTorch."""
    if isinstance(node, graph.BatchNorm):
        left_out = {"gamma": not node.scale, "beta": not node.center}
        return [pair for pair in _BATCH_NORM if not left_out.get(pair[0])]
    return list(_CONV if node.bias else _CONV[:1])


def load_layer(layer: "nn.Module", arrays: "Mapping[str, npt.NDArray[np.float32]]", place: str) -> None:
    """Put weights into a layer.

    Parameters
    ----------
    layer
        Changed in place.
    arrays
        By PyTorch's names, laid out as Keras does: kernels (rows, columns, in, out), those of transposed
        convolutions (rows, columns, out, in).
    place
        How errors call the layer.

    Raises
    ------
    InputError
        If an array has another shape than the layer, or holds what is no number.
    """
    import torch

    state = layer.state_dict()
    for name, array in arrays.items():
        tensor = _to_torch(array)
        if tensor.shape != state[name].shape:
            stored, wanted = (" x ".join(map(str, _keras_shape(t))) for t in (tensor, state[name]))
            raise InputError(f"{place} has weights of {stored}, and its settings ask for {wanted}.")
        if not tensor.isfinite().all():
            raise InputError(f"{place} has weights that are infinite or no numbers: it cannot be used.")
        with torch.no_grad():
            state[name].copy_(tensor)


def _to_torch(array: "npt.NDArray[np.float32]") -> "Tensor":
    import torch

    tensor = torch.from_numpy(array)
    # (rows, columns, in, out) to (out, in, rows, columns); transposed convolutions likewise.
    return tensor.permute(3, 2, 0, 1) if tensor.ndim == 4 else tensor


def _keras_shape(tensor: "Tensor") -> "Sequence[int]":
    return tensor.permute(2, 3, 1, 0).shape if tensor.ndim == 4 else tensor.shape


def find_weights(layer: WeightedLayer, arrays: "Arrays", name: str) -> "dict[str, npt.NDArray[np.float32]]":
    """Return the weights of one layer of a whole model, by PyTorch's names.

    Parameters
    ----------
    layer
    arrays
        All of the file, by path: "LAYER/.../LAYER/kernel:0" in HDF5 files, "layers/conv2d_3/vars/0" in
        `.keras` files.
    name
        What errors call the file.

    Raises
    ------
    InputError
        If they are not there.
    """
    found: dict[str, npt.NDArray[np.float32]] = {}
    for position, (keras, torch) in enumerate(names_in_torch(layer.node)):
        paths = _counted_paths(layer, position, arrays) or _named_paths(layer, keras, arrays)
        if len(paths) != 1:
            said = "has none" if not paths else "has several"
            raise InputError(f"{name} {said} of the weights {'/'.join(layer.names)}/{keras}; get it again.")
        found[torch] = arrays[paths[0]]
    return found


def _counted_paths(layer: WeightedLayer, position: int, arrays: "Arrays") -> list[str]:
    paths = ("".join(f"{box}/{part}/" for part in layer.counted) + f"vars/{position}" for box in _CONTAINERS)
    return [path for path in paths if path in arrays]


def _named_paths(layer: WeightedLayer, wanted: str, arrays: "Arrays") -> list[str]:
    """Return the arrays of that name in the layer's group; those right beneath the layer's name, if any."""
    paths = [
        path
        for path in arrays
        if path.startswith(f"{layer.names[0]}/") and path.rpartition("/")[2].partition(":")[0] == wanted
    ]
    exact = [path for path in paths if path.rpartition("/")[0].endswith(f"/{layer.names[-1]}")]
    return exact or paths

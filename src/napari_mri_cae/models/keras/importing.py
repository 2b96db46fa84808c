"""Open a model that Keras saved."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari_mri_cae.errors import InputError
from napari_mri_cae.intensity import check_scaling
from napari_mri_cae.models.card import Card
from napari_mri_cae.models.keras.archive import parse_config, read_archive
from napari_mri_cae.models.keras.config import read_config
from napari_mri_cae.models.keras.hdf5 import KerasHdf5, read_hdf5
from napari_mri_cae.models.keras.layers import shorten
from napari_mri_cae.models.keras.published import SYSTEMS, Known, recognise
from napari_mri_cae.models.model import Model
from napari_mri_cae.planes import check_plane

if TYPE_CHECKING:
    from torch import Tensor

    from napari_mri_cae.models.architectures.keras_graph import KerasGraph

GRAPH: Final = "keras-graph"
SUFFIXES: Final = (".h5", ".hdf5", ".keras")
_HDF5: Final = b"\x89HDF\r\n\x1a\n"
_ZIP: Final = b"PK\x03\x04"
# The size that networks which take any are tried with.
_TRIED_SIDE: Final = 96
# A gigabyte of float32, out of one slice.
_MOST_VALUES: Final = 2**28


@dataclass(frozen=True)
class _Contents:
    config: dict[str, Any] | None
    """None in a file of weights alone."""
    version: str
    hdf5: KerasHdf5


def import_keras(
    path: str | Path,
    *,
    architecture: str | None = None,
    plane: str | None = None,
    intensity: str | None = None,
) -> Model:
    """Open a model that Keras saved, without Keras.

    Whole models are built from their own description; nothing of a file is executed. Weights alone are put
    into one of the published architectures.

    Parameters
    ----------
    path
        HDF5 of Keras 2 or 3 (".h5"), or a ".keras" archive. What counts is the content, not the name.
    architecture
        Put the file's weights into this published architecture, rather than into the model that the file
        describes. Needed for weights alone only where more than one fits.
    plane
        "axial", "coronal", "sagittal" or "any": the slices that the model was trained on. None is what the
        published model has that this one is known to be, or "any".
    intensity
        The scaling that the network wants on top of the volume scale, as in `Card.intensity`. None is what
        the published model has that this one is known to be, or "slice-min-max".

    Returns
    -------
    Model
        Network in eval mode, float32, on the CPU; its outputs are those of Keras to 1e-5.

    Raises
    ------
    InputError
        If the file cannot be read, is damaged, has a layer or a setting that is not supported (it is named),
        or is no network from slices to slices of the same size.
    """
    path = Path(path)
    chosen_plane = None if plane is None else plane if plane == "any" else check_plane(plane)
    chosen_intensity = None if intensity is None else check_scaling(intensity)
    contents = _read(path)
    import torch

    # What networks start with is overwritten: the caller's random numbers are left alone.
    with torch.random.fork_rng(devices=[]):
        if contents.config is None or architecture is not None:
            model = _from_weights(path, contents, architecture)
        else:
            model = _from_config(path, contents, contents.config)
    changes = {"plane": chosen_plane, "intensity": chosen_intensity}
    changes = {field: value for field, value in changes.items() if value is not None}
    return Model(model.network, model.card.model_copy(update=changes), path)


def _read(path: Path) -> _Contents:
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
    if start.startswith(_ZIP):
        config, version, weights = read_archive(path)
        return _Contents(config, shorten(version), read_hdf5(weights, path.name))
    if start != _HDF5:
        raise InputError(f"{path.name} is damaged, or is no file that Keras wrote; get it again.")
    hdf5 = read_hdf5(path, path.name)
    text = hdf5.texts.get("model_config")
    config_or_none = None if text is None else parse_config(text, path.name)
    return _Contents(config_or_none, shorten(hdf5.texts.get("keras_version", "")), hdf5)


def _from_config(path: Path, contents: _Contents, config: dict[str, Any]) -> Model:
    import torch

    from napari_mri_cae.models.architectures import count_parameters
    from napari_mri_cae.models.architectures.keras_graph import KerasGraph
    from napari_mri_cae.models.keras.weights import find_weights, load_layer

    keras = read_config(config, path.name)
    parameters = keras.graph.to_parameters()
    try:
        # On the meta device nothing is allocated, whatever the file asks for.
        with torch.device("meta"):
            multiple_of = _check_sizes(KerasGraph(**parameters).eval(), keras.size, path.name)
        network = KerasGraph(**parameters).eval().requires_grad_(False)
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{path.name} cannot be opened: {error}.") from error
    for layer in keras.layers:
        place = f"{path.name}: layer {'/'.join(layer.names)!r}"
        load_layer(
            network.layer(layer.node.name), find_weights(layer, contents.hdf5.arrays, path.name), place
        )
    known = recognise(keras.graph, network)
    card = Card(
        name=_name(path),
        title=known.title or f"{_name(path)}, from Keras {contents.version}".strip(),
        architecture=GRAPH,
        architecture_parameters=parameters,
        plane=known.plane,
        intensity=known.intensity,
        multiple_of=multiple_of,
        fixed_size=keras.size,
        training=known.training,
        domain=known.domain,
        metrics=known.metrics,
        limits=known.limits,
        licence=known.licence,
        versions={"keras": contents.version} if contents.version else {},
        parameters=count_parameters(network),
    )
    return Model(network, card)


def _from_weights(path: Path, contents: _Contents, architecture: str | None) -> Model:
    from napari_mri_cae.models.architectures import count_parameters
    from napari_mri_cae.models.keras.by_order import fit_architecture

    network, name, parameters = fit_architecture(contents.hdf5, path.name, architecture)
    system = SYSTEMS.get(name, Known())
    card = Card(
        name=_name(path),
        title=f"{_name(path)}, weights from Keras {contents.version}".strip(),
        architecture=name,
        architecture_parameters=parameters,
        plane=system.plane,
        intensity=system.intensity,
        multiple_of=int(getattr(network, "multiple_of", 1)),
        fixed_size=system.fixed_size,
        training=system.training,
        versions={"keras": contents.version} if contents.version else {},
        parameters=count_parameters(network),
    )
    return Model(network.requires_grad_(False), card)


def _name(path: Path) -> str:
    return path.name.removesuffix(path.suffix)[:200] or "imported"


def _check_sizes(network: "KerasGraph", size: tuple[int, int] | None, name: str) -> int:
    """Return what heights and widths must be multiples of, after trying that what goes in comes out.

    Parameters
    ----------
    network
        On the meta device, where its layers say their shapes and compute nothing.
    size
        (H, W), where it takes no other.
    """
    if size is not None:
        if _gives_back(network, size, name):
            return 1
        raise InputError(f"{name} gives another size than the {size[0]} x {size[1]} pixels that it takes.")
    multiples: list[int] = [*range(1, 65), 128, 256, 512]
    for multiple in multiples:
        first = math.ceil(_TRIED_SIDE / multiple)
        # Three multiples on end: some divide by two, some do not.
        sides = [multiple * (first + more) for more in range(3)]
        if all(_gives_back(network, (side, side), name) for side in sides):
            return multiple
    raise InputError(f"{name} gives slices of another size than those that it takes.")


def _gives_back(network: "KerasGraph", size: tuple[int, int], name: str) -> bool:
    """Return whether a network makes one slice of the same size out of one slice."""
    import torch

    largest = 0

    def note(_: object, __: object, output: "Tensor") -> None:
        nonlocal largest
        largest = max(largest, output.numel())

    hooks = [layer.register_forward_hook(note) for layer in network.layers]
    slices = torch.empty(1, 1, *size, device="meta")
    try:
        output = network(slices)
    except RuntimeError:
        return False
    finally:
        for hook in hooks:
            hook.remove()
    if largest > _MOST_VALUES:
        raise InputError(f"{name} cannot be opened: one slice becomes {largest:,} numbers in it.")
    if output.shape[1] != 1:
        raise InputError(f"{name} gives {output.shape[1]} channels, and slices have one.")
    return bool(output.shape == slices.shape)

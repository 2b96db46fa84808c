"""The networks, one file for each system, by name."""

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, cast

from napari_mri_cae.errors import InputError

if TYPE_CHECKING:
    from torch import nn

# name: (module, class). Looked up on use, so that the names are known without torch.
_OURS: Final = {
    "skip-unet": ("skip_unet", "SkipUNet"),
    "residual-unet": ("residual_unet", "ResidualUNet"),
    "bottleneck-autoencoder": ("bottleneck_autoencoder", "BottleneckAutoencoder"),
}
_PUBLISHED: Final = {
    "datacamp2018": ("datacamp2018", "DataCamp2018"),
    "devto-denoiser": ("devto_denoiser", "DevtoDenoiser"),
    "uoc2021-shallow-residual": ("uoc2021_shallow_residual", "ShallowResidual"),
    "uoc2021-skip-connection": ("uoc2021_skip_connection", "SkipConnection"),
    "uoc2021-residual-unet": ("uoc2021_residual_unet", "ResidualUNet"),
    "uoc2021-myronenko": ("uoc2021_myronenko", "Myronenko"),
}
IMPORTED: Final = "keras-graph"
"""Has no shape of its own: its parameters are the graph of an imported network."""
_GRAPH: Final = {IMPORTED: ("keras_graph", "KerasGraph")}
ARCHITECTURES: Final[tuple[str, ...]] = (*_OURS, *_PUBLISHED)
PUBLISHED: Final[tuple[str, ...]] = tuple(_PUBLISHED)
"""Those of published systems, in Keras."""


def build(name: str, **parameters: Any) -> "nn.Module":
    """Return a freshly initialised network.

    Parameters
    ----------
    name
        One of `ARCHITECTURES`; or "keras-graph", for which see `KerasGraph`.
    **parameters
        Of that architecture; what is left out takes its default.

    Raises
    ------
    InputError
        If there is no such architecture, or it does not take these parameters.
    """
    known = _OURS | _PUBLISHED | _GRAPH
    if name not in known:
        raise InputError(f"there is no architecture {name!r}; known are {', '.join(ARCHITECTURES)}.")
    module, attribute = known[name]
    make = getattr(import_module(f"{__name__}.{module}"), attribute)
    try:
        return cast("nn.Module", make(**parameters))
    except (TypeError, ValueError) as error:
        raise InputError(f"the architecture {name} does not take these parameters: {error}.") from error


def neighbours_of(parameters: Mapping[str, Any]) -> int:
    """Return how many slices before and behind each a network with these parameters also looks at."""
    count = parameters.get("neighbours", 0)
    return count if type(count) is int else 0


def count_parameters(network: "nn.Module") -> int:
    """Return the number of parameters, batch-norm running statistics included, as Keras counts them."""
    return sum(
        tensor.numel()
        for name, tensor in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    )

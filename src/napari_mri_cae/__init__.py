"""See what a convolutional autoencoder does to an MRI volume.

The names below are imported when they are first used, so that importing the package costs next to nothing
and torch is loaded only by what needs it.
"""

import os
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_mri_cae.comparison import Comparison
    from napari_mri_cae.errors import InputError
    from napari_mri_cae.evaluation import Evaluation
    from napari_mri_cae.models import Model, list_models, load_model
    from napari_mri_cae.training import TrainingConfig, train
    from napari_mri_cae.volume import Volume

# The threads that share a convolution on a CPU wait for each other hundreds of times in every slice. By
# default they spin, which takes the processor away from the viewer that paints beside them: with other work
# on the same two cores a slice took seven times as long. Sleeping at once costs a quarter of the speed of two
# threads, so with GNU's OpenMP they first turn for some microseconds. OpenMP reads this when torch is loaded,
# hence here; what the user has set stays.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ["OMP_WAIT_POLICY"] = "passive"
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")

__version__ = version("napari-mri-cae")

__all__ = [
    "Comparison",
    "Evaluation",
    "InputError",
    "Model",
    "TrainingConfig",
    "Volume",
    "__version__",
    "list_models",
    "load_model",
    "train",
]

_HOMES = {
    "Comparison": "comparison",
    "Evaluation": "evaluation",
    "InputError": "errors",
    "Model": "models",
    "TrainingConfig": "training",
    "Volume": "volume",
    "list_models": "models",
    "load_model": "models",
    "train": "training",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)

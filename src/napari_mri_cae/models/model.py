"""A network with its card."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

    from napari_mri_cae.models.card import Card


@dataclass(frozen=True, eq=False)
class Model:
    """A trained network, what it is and where it came from."""

    network: "nn.Module"
    """In eval mode, float32, on the CPU; `(N, 1, H, W)` to `(N, 1, H, W)`. With neighbours, see its card."""
    card: "Card"
    path: Path | None = None
    """The file it was read from."""

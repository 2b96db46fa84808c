"""What the user has chosen in one viewer's Compare dock."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from psygnal import SignalGroupDescriptor

from napari_mri_cae.comparison.residual_colors import RESIDUAL_RANGE
from napari_mri_cae.corruptions import (
    BlankOut,
    Corruption,
    GaussianBlur,
    GaussianNoise,
    PixelDropout,
    RicianNoise,
)
from napari_mri_cae.planes import Plane
from napari_mri_cae.slice_statistics import Metric
from napari_mri_cae.viewer.orientation import Convention
from napari_mri_cae.viewer.preferences import compare_preferences


@dataclass(frozen=True)
class ChainItem:
    """A corruption in the list, which may be switched off."""

    corruption: Corruption
    enabled: bool = False


DEFAULT_CHAIN = (
    ChainItem(GaussianNoise(sigma=0.03), enabled=True),
    ChainItem(RicianNoise(sigma=0.03)),
    ChainItem(PixelDropout(rate=0.04)),
    ChainItem(GaussianBlur(sigma=1.0)),
    ChainItem(BlankOut(size=20)),
)


@dataclass
class CompareState:
    """The settings of a comparison as the user has them; `events` tells of every change.

    Attributes
    ----------
    chain : tuple of ChainItem
        The corruptions in the order they are applied.
    plane, convention
        How the slices are shown.
    seed : int
        The seed of every random corruption.
    model : str or None
        What `load_model` takes; None is the default shipped model.
    second_model : str or None
        Another model that reconstructs the same slices; None is none.
    device : str
        "auto" or a device's name.
    exact : bool
        Compute in float32, also where the device has a faster arithmetic.
    fill : bool
        Whether the slices out of sight are computed too.
    residual_range : float
        The residual is shown from minus to plus this, on the volume's scale.
    slice_plot : bool
        Whether the plot over the slices is open.
    metric : {"psnr", "ssim"}
        What it shows, and what the worst slices are sought by.
    """

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()

    chain: tuple[ChainItem, ...] = DEFAULT_CHAIN
    plane: Plane = "axial"
    convention: Convention = "radiological"
    seed: int = 0
    model: str | None = None
    second_model: str | None = None
    device: str = "auto"
    exact: bool = False
    fill: bool = True
    residual_range: float = RESIDUAL_RANGE
    slice_plot: bool = False
    metric: Metric = "psnr"

    @property
    def corruptions(self) -> tuple[Corruption, ...]:
        """The corruptions that are switched on, in order."""
        return tuple(item.corruption for item in self.chain if item.enabled)

    @classmethod
    def preferred(cls) -> "CompareState":
        """Return the settings that napari's preferences ask for."""
        chosen = compare_preferences()
        return cls(plane=chosen.plane, convention=chosen.convention, device=chosen.device)

    def use_corruptions(self, corruptions: Sequence[Corruption]) -> None:
        """Switch these on, in their order, at most one of each kind, and all others off."""
        kinds = {corruption.kind for corruption in corruptions}
        self.chain = (
            *(ChainItem(corruption, enabled=True) for corruption in corruptions),
            *(ChainItem(item.corruption) for item in self.chain if item.corruption.kind not in kinds),
        )

    def replace_corruption(self, position: int, item: ChainItem) -> None:
        """Put another item at a position of the chain."""
        self.chain = (*self.chain[:position], item, *self.chain[position + 1 :])

    def move_corruption(self, position: int, by: int) -> None:
        """Move an item of the chain up (negative) or down, as far as there is room."""
        target = min(max(position + by, 0), len(self.chain) - 1)
        chain = list(self.chain)
        chain.insert(target, chain.pop(position))
        self.chain = tuple(chain)

"""MRI artefacts with parameters drawn for each slice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from napari_mri_cae.corruptions.bias_field import MAX_ORDER, BiasField, apply_bias, bias_coefficients
from napari_mri_cae.corruptions.downsampling import Downsampling, downsample
from napari_mri_cae.corruptions.ghosting import Ghosting, add_ghosts
from napari_mri_cae.corruptions.gibbs_ringing import GibbsRinging, cut_off
from napari_mri_cae.corruptions.motion import MAX_MOVEMENTS, Motion, motion_field, move
from napari_mri_cae.corruptions.random import Source
from napari_mri_cae.corruptions.spikes import MAX_SPIKES, Spikes, add_spikes, spike_field
from napari_mri_cae.corruptions.steps import Step, parameter_range, uniform_in

if TYPE_CHECKING:
    from torch import Tensor

    Degrees = tuple[float, float]
    Shift = tuple[float, float]
    Share = tuple[float, float]
    Ghosts = tuple[int, int]
    Height = tuple[float, float]
    SpikeNumber = tuple[int, int]
    Kept = tuple[float, float]
    Coefficient = tuple[float, float]
    Thickness = tuple[float, float]
else:
    # The bounds are those of the interactive corruptions.
    Degrees = parameter_range(Annotated[float, Field(ge=0, le=45)])
    Shift = parameter_range(Annotated[float, Field(ge=0, le=64)])
    Share = parameter_range(Annotated[float, Field(ge=0, le=1)])
    Ghosts = parameter_range(Annotated[int, Field(ge=2, le=32)])
    Height = parameter_range(Annotated[float, Field(ge=0, le=5)])
    SpikeNumber = parameter_range(Annotated[int, Field(ge=0, le=MAX_SPIKES)])
    Kept = parameter_range(Annotated[float, Field(ge=0.02, le=1)])
    Coefficient = parameter_range(Annotated[float, Field(ge=0, le=2)])
    Thickness = parameter_range(Annotated[float, Field(ge=1, le=32)])


class MotionStep(Step):
    """Movements during the acquisition, shifts of as many pixels as rotations have degrees; see `Motion`."""

    corruption = Motion
    strength = "degrees"
    fixed = ("movements", "horizontal")
    draws = 2

    kind: Literal["motion"] = "motion"
    degrees: Degrees = Field(
        description="Range of the largest rotation, in degrees, and the largest shift, in slice pixels"
    )
    movements: int = Field(2, ge=0, le=MAX_MOVEMENTS)
    horizontal: bool = False

    def corrupt(self, slices: Tensor, parameters: dict[str, Tensor], source: Source) -> Tensor:
        """Return slices of a head that moved."""
        degrees = parameters["degrees"]
        field = motion_field(slices, source)
        return move(slices, degrees, degrees, field, movements=self.movements, horizontal=self.horizontal)


class GhostingStep(Step):
    """Ghosts along the phase-encoding direction; see `Ghosting`."""

    corruption = Ghosting
    strength = "intensity"
    fixed = ("restore", "horizontal")
    draws = 3

    kind: Literal["ghosting"] = "ghosting"
    intensity: Share = Field(description="Range of what the lines that make the ghosts lose")
    ghosts: Ghosts = Field((2, 10), description="Range of the period of those lines")
    restore: float = Field(0.02, ge=0, le=1)
    horizontal: bool = False

    def _choose_more(self, slices: Tensor, strength: Tensor, draws: Tensor) -> dict[str, Tensor]:
        return {"ghosts": uniform_in(self.ghosts, draws[:, 0])}

    def corrupt(self, slices: Tensor, parameters: dict[str, Tensor], source: Source) -> Tensor:
        """Return slices with ghosts."""
        field = source.uniform((1,), slices)
        return add_ghosts(slices, **parameters, field=field, restore=self.restore, horizontal=self.horizontal)


class SpikesStep(Step):
    """Spikes in k-space; see `Spikes`."""

    corruption = Spikes
    strength = "intensity"
    fixed = ()
    draws = 3

    kind: Literal["spikes"] = "spikes"
    intensity: Height = Field(description="Range of the height of a spike over that of the centre of k-space")
    number: SpikeNumber = Field((1, 1), description="Range of the number of spikes in a slice")

    def _choose_more(self, slices: Tensor, strength: Tensor, draws: Tensor) -> dict[str, Tensor]:
        return {"number": uniform_in(self.number, draws[:, 0])}

    def corrupt(self, slices: Tensor, parameters: dict[str, Tensor], source: Source) -> Tensor:
        """Return slices with stripes."""
        field = spike_field(slices, source)
        return add_spikes(slices, **parameters, field=field, max_number=self.number[1])


class GibbsRingingStep(Step):
    """K-space cut off; see `GibbsRinging`."""

    corruption = GibbsRinging
    strength = "kept"
    fixed = ()
    untouched = 1
    draws = 2

    kind: Literal["gibbs-ringing"] = "gibbs-ringing"
    kept: Kept = Field(description="Range of the share of k-space that is kept in each direction")

    def corrupt(self, slices: Tensor, parameters: dict[str, Tensor], source: Source) -> Tensor:
        """Return slices that ring."""
        return cut_off(slices, parameters["kept"])


class BiasFieldStep(Step):
    """A smooth field that multiplies the slice; see `BiasField`."""

    corruption = BiasField
    strength = "coefficient"
    fixed = ("order",)
    draws = 2

    kind: Literal["bias-field"] = "bias-field"
    coefficient: Coefficient = Field(description="Range of the largest coefficient of the polynomial")
    order: int = Field(3, ge=0, le=MAX_ORDER)

    def corrupt(self, slices: Tensor, parameters: dict[str, Tensor], source: Source) -> Tensor:
        """Return slices times a field."""
        field = bias_coefficients(slices, source)
        return apply_bias(slices, parameters["coefficient"], field, order=self.order)


class DownsamplingStep(Step):
    """Thick slices seen from the side; see `Downsampling`."""

    corruption = Downsampling
    strength = "factor"
    fixed = ("horizontal",)
    untouched = 1
    draws = 2

    kind: Literal["downsampling"] = "downsampling"
    factor: Thickness = Field(description="Range of the thickness of what is averaged, in slice pixels")
    horizontal: bool = False

    def corrupt(self, slices: Tensor, parameters: dict[str, Tensor], source: Source) -> Tensor:
        """Return slices of lower resolution."""
        return downsample(slices, parameters["factor"], horizontal=self.horizontal, max_factor=self.factor[1])

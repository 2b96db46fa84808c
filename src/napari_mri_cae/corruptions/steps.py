"""Single corruptions with parameters drawn for each slice: what an augmentation is made of."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from napari_mri_cae.corruptions.base import Corruption
from napari_mri_cae.corruptions.blank_out import BlankOut, blank_out, place_squares
from napari_mri_cae.corruptions.blobs import MAX_BLOBS, Blobs, add_blobs, blob_field, blob_profile
from napari_mri_cae.corruptions.gaussian_blur import GaussianBlur, blur
from napari_mri_cae.corruptions.gaussian_noise import GaussianNoise, add_gaussian_noise
from napari_mri_cae.corruptions.pixel_dropout import PixelDropout, drop_pixels
from napari_mri_cae.corruptions.random import Source
from napari_mri_cae.corruptions.rician_noise import RicianNoise, add_rician_noise

if TYPE_CHECKING:
    from torch import Tensor


def _as_range(value: Any) -> Any:
    """Take one number as a range of that number alone."""
    return (value, value) if isinstance(value, (int, float)) else value


def _ordered(value: tuple[float, float]) -> tuple[float, float]:
    if value[0] > value[1]:
        raise ValueError("the lower end of the range comes first")
    return value


def parameter_range(number: Any) -> Any:
    """Return the type of a range (low, high) of a kind of number; one number stands for itself alone."""
    return Annotated[tuple[number, number], BeforeValidator(_as_range), AfterValidator(_ordered)]


if TYPE_CHECKING:
    Fraction = tuple[float, float]
    Rate = tuple[float, float]
    Pixels = tuple[float, float]
    Side = tuple[int, int]
    BlobNumber = tuple[int, int]
    BlobRadius = tuple[float, float]
else:
    # The bounds are those of the interactive corruptions.
    Fraction = parameter_range(Annotated[float, Field(ge=0, le=1)])
    Rate = parameter_range(Annotated[float, Field(ge=0, le=0.99)])
    Pixels = parameter_range(Annotated[float, Field(ge=0, le=20)])
    Side = parameter_range(Annotated[int, Field(ge=0, le=1024)])
    BlobNumber = parameter_range(Annotated[int, Field(ge=0, le=MAX_BLOBS)])
    BlobRadius = parameter_range(Annotated[float, Field(ge=0, le=128)])


def uniform_in(ends: tuple[float, float], draws: Tensor) -> Tensor:
    """Return numbers of a range, ends included, from numbers uniform in [0, 1); whole if the ends are."""
    import torch

    low, high = ends
    if isinstance(low, int):
        return (low + torch.floor(draws * (high + 1 - low))).clamp_max(high)
    return low + draws * (high - low)


@dataclass(frozen=True)
class Chosen:
    """What one step of an augmentation did to a batch.

    Attributes
    ----------
    corruption
        The kind of corruption.
    fixed
        The parameters that are the same for every slice.
    parameters
        The others, each (N,), on the device of the slices. A strength (sigma, rate, size, ...) of the step's
        `untouched` means that the slice was left as it was.
    """

    corruption: type[Corruption]
    fixed: dict[str, Any]
    parameters: dict[str, Tensor]

    def of_slice(self, position: int) -> Corruption:
        """Return what was done to one slice of the batch as an interactive corruption."""
        numbers = {name: values[position].item() for name, values in self.parameters.items()}
        for name, number in numbers.items():
            annotation = self.corruption.model_fields[name].annotation
            if int in (annotation, *get_args(annotation)):
                numbers[name] = int(number)
        return self.corruption(**self.fixed, **numbers)


class AugmentationSettings(BaseModel):
    """What every part of an augmentation is: frozen, and particular about what it is given."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Step(AugmentationSettings):
    """One kind of corruption whose strength is drawn for each slice.

    The strength (`sigma`, `rate`, `size`, ...) is a range (low, high), both included, from which a value is
    drawn uniformly; one number stands for that number alone.
    """

    corruption: ClassVar[type[Corruption]]
    strength: ClassVar[str]
    fixed: ClassVar[tuple[str, ...]]
    # The strength that leaves a slice as it is.
    untouched: ClassVar[float] = 0
    # How many numbers choose a slice's parameters: two for the strength, the others for `_choose_more`.
    draws: ClassVar[int] = 4

    probability: float = Field(
        1.0, ge=0, le=1, title="Probability", description="Share of the slices that this is done to"
    )

    def choose(self, slices: Tensor, among: Tensor | None, source: Source) -> Chosen:
        """Draw the parameters for each slice; `among`, (N,) bool, are the slices that may be corrupted."""
        import torch

        draws = source.uniform((self.draws,), slices)
        active = draws[:, 0] < self.probability
        if among is not None:
            active = active & among
        strength = uniform_in(getattr(self, self.strength), draws[:, 1])
        parameters = {self.strength: torch.where(active, strength, self.untouched)}
        parameters |= self._choose_more(slices, strength, draws[:, 2:])
        return Chosen(self.corruption, {name: getattr(self, name) for name in self.fixed}, parameters)

    def _choose_more(self, slices: Tensor, strength: Tensor, draws: Tensor) -> dict[str, Tensor]:
        """Return the other parameters that differ by slice, drawn with the other numbers of each slice."""
        return {}

    @abstractmethod
    def corrupt(self, slices: Tensor, parameters: dict[str, Tensor], source: Source) -> Tensor:
        """Return corrupted slices, with the parameters that `choose` drew."""


class GaussianNoiseStep(Step):
    """Additive Gaussian noise; see `GaussianNoise`."""

    corruption = GaussianNoise
    strength = "sigma"
    fixed = ("clip",)

    kind: Literal["gaussian-noise"] = "gaussian-noise"
    sigma: Fraction = Field(description="Range of the standard deviation, as a fraction of the window")
    clip: bool = False

    def corrupt(self, slices: Tensor, parameters: dict[str, Tensor], source: Source) -> Tensor:
        """Return noisy slices."""
        field = source.normal(slices.shape[1:], slices)
        return add_gaussian_noise(slices, parameters["sigma"], field, clip=self.clip)


class RicianNoiseStep(Step):
    """Rician noise; see `RicianNoise`."""

    corruption = RicianNoise
    strength = "sigma"
    fixed = ("clip",)

    kind: Literal["rician-noise"] = "rician-noise"
    sigma: Fraction = Field(
        description="Range of the standard deviation in each channel, as a fraction of the window"
    )
    clip: bool = False

    def corrupt(self, slices: Tensor, parameters: dict[str, Tensor], source: Source) -> Tensor:
        """Return noisy slices."""
        fields = source.normal((2, *slices.shape[2:]), slices)
        return add_rician_noise(slices, parameters["sigma"], fields, clip=self.clip)


class PixelDropoutStep(Step):
    """Pixels lost to zero; see `PixelDropout`."""

    corruption = PixelDropout
    strength = "rate"
    fixed = ("rescale",)

    kind: Literal["pixel-dropout"] = "pixel-dropout"
    rate: Rate = Field(description="Range of the fraction of pixels that are set to 0")
    rescale: bool = False

    def corrupt(self, slices: Tensor, parameters: dict[str, Tensor], source: Source) -> Tensor:
        """Return slices with lost pixels."""
        field = source.uniform(slices.shape[1:], slices)
        return drop_pixels(slices, parameters["rate"], field, rescale=self.rescale)


class GaussianBlurStep(Step):
    """Gaussian blur; see `GaussianBlur`."""

    corruption = GaussianBlur
    strength = "sigma"
    fixed = ("kernel_size",)

    kind: Literal["gaussian-blur"] = "gaussian-blur"
    sigma: Pixels = Field(description="Range of the standard deviation, in slice pixels")
    kernel_size: int | None = Field(None, ge=1, le=161)

    @field_validator("kernel_size")
    @classmethod
    def _odd(cls, value: int | None) -> int | None:
        if value is not None and value % 2 == 0:
            raise ValueError("the kernel size must be odd")
        return value

    def corrupt(self, slices: Tensor, parameters: dict[str, Tensor], source: Source) -> Tensor:
        """Return blurred slices."""
        return blur(slices, parameters["sigma"], kernel_size=self.kernel_size, max_sigma=self.sigma[1])


class BlankOutStep(Step):
    """A blank square at a random place; see `BlankOut`."""

    corruption = BlankOut
    strength = "size"
    fixed = ("value",)

    kind: Literal["blank-out"] = "blank-out"
    size: Side = Field(description="Range of the side, in slice pixels")
    value: float = Field(0.0, ge=0, le=1)

    def _choose_more(self, slices: Tensor, strength: Tensor, draws: Tensor) -> dict[str, Tensor]:
        row, column = place_squares(slices, strength, draws)
        return {"row": row, "column": column}

    def corrupt(self, slices: Tensor, parameters: dict[str, Tensor], source: Source) -> Tensor:
        """Return slices with a blank square."""
        return blank_out(slices, **parameters, value=self.value)


class BlobsStep(Step):
    """Bright or dark blobs at random places inside the head; see `Blobs`."""

    corruption = Blobs
    strength = "number"
    fixed = ("softness",)
    draws = 5

    kind: Literal["blobs"] = "blobs"
    number: BlobNumber = Field(description="Range of the number of blobs in a slice")
    radius: BlobRadius = Field(
        (3.0, 15.0), description="Range of the radius of a slice's largest blob, in slice pixels"
    )
    contrast: Fraction = Field(
        (0.1, 0.5), description="Range of what a blob adds or takes away, as a fraction of the window"
    )
    dark: float = Field(0.5, ge=0, le=1, description="Share of the slices whose blobs are dark")
    softness: float = Field(0.5, ge=0, le=1)

    def _choose_more(self, slices: Tensor, strength: Tensor, draws: Tensor) -> dict[str, Tensor]:
        import torch

        radius, contrast = uniform_in(self.radius, draws[:, 0]), uniform_in(self.contrast, draws[:, 1])
        return {"radius": radius, "contrast": torch.where(draws[:, 2] < self.dark, -contrast, contrast)}

    def corrupt(self, slices: Tensor, parameters: dict[str, Tensor], source: Source) -> Tensor:
        """Return slices with blobs."""
        profile = blob_profile(
            slices,
            parameters["number"],
            parameters["radius"],
            blob_field(slices, source),
            softness=self.softness,
            max_number=self.number[1],
        )
        return add_blobs(slices, profile, parameters["contrast"])

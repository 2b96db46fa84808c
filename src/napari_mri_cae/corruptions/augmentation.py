"""Corruption with parameters chosen at random for each slice: how denoising models are trained.

Choosing parameters is kept apart from applying them. What is applied are the functions behind the interactive
corruptions, with one parameter for each slice, so that a model meets in training what a slider shows.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from napari_mri_cae.corruptions.base import Corruption
from napari_mri_cae.corruptions.blank_out import BlankOut, blank_out, place_squares
from napari_mri_cae.corruptions.blobs import MAX_BLOBS, Blobs, add_blobs, blob_field, blob_profile
from napari_mri_cae.corruptions.gaussian_blur import GaussianBlur, blur
from napari_mri_cae.corruptions.gaussian_noise import GaussianNoise, add_gaussian_noise
from napari_mri_cae.corruptions.pixel_dropout import PixelDropout, drop_pixels
from napari_mri_cae.corruptions.random import Source
from napari_mri_cae.corruptions.rician_noise import RicianNoise, add_rician_noise
from napari_mri_cae.intensity import scale

if TYPE_CHECKING:
    from torch import Tensor


def _as_range(value: Any) -> Any:
    """Take one number as a range of that number alone."""
    return (value, value) if isinstance(value, (int, float)) else value


def _ordered(value: tuple[float, float]) -> tuple[float, float]:
    if value[0] > value[1]:
        raise ValueError("the lower end of the range comes first")
    return value


def _range(number: Any) -> Any:
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
    Fraction = _range(Annotated[float, Field(ge=0, le=1)])
    Rate = _range(Annotated[float, Field(ge=0, le=0.99)])
    Pixels = _range(Annotated[float, Field(ge=0, le=20)])
    Side = _range(Annotated[int, Field(ge=0, le=1024)])
    BlobNumber = _range(Annotated[int, Field(ge=0, le=MAX_BLOBS)])
    BlobRadius = _range(Annotated[float, Field(ge=0, le=128)])


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
        The others, each (N,), on the device of the slices. A strength (sigma, rate, size or number) of 0
        means that the slice was left as it was.
    """

    corruption: type[Corruption]
    fixed: dict[str, Any]
    parameters: dict[str, Tensor]

    def of_slice(self, position: int) -> Corruption:
        """Return what was done to one slice of the batch as an interactive corruption."""
        numbers = {
            name: type_of(values[position].item())
            for name, values in self.parameters.items()
            for type_of in [int if name in ("size", "row", "column", "number") else float]
        }
        return self.corruption(**self.fixed, **numbers)


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Step(_Settings):
    """One kind of corruption whose strength is drawn for each slice.

    `sigma`, `rate`, `size` or `number` is a range (low, high), both included, from which a value is drawn
    uniformly; one number stands for that number alone.
    """

    corruption: ClassVar[type[Corruption]]
    strength: ClassVar[str]
    fixed: ClassVar[tuple[str, ...]]
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
        low, high = getattr(self, self.strength)
        if isinstance(low, int):
            strength = (low + torch.floor(draws[:, 1] * (high + 1 - low))).clamp_max(high)
        else:
            strength = low + draws[:, 1] * (high - low)
        parameters = {self.strength: torch.where(active, strength, 0)}
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

        radius, contrast = (
            low + draws[:, number] * (high - low)
            for number, (low, high) in enumerate((self.radius, self.contrast))
        )
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


AnyStep = Annotated[
    GaussianNoiseStep | RicianNoiseStep | PixelDropoutStep | GaussianBlurStep | BlankOutStep | BlobsStep,
    Field(discriminator="kind"),
]


class OneOf(_Settings):
    """One of several steps for each slice, all equally likely; each then has its own probability."""

    kind: Literal["one-of"] = "one-of"
    steps: tuple[AnyStep, ...] = Field(min_length=1)


class Augmentation(_Settings):
    """What is done to the input of a network in training, slice by slice at random; the target stays clean.

    Reads from and writes to plain values with pydantic's `model_validate` and `model_dump(mode="json")`.
    """

    steps: tuple[Annotated[AnyStep | OneOf, Field(discriminator="kind")], ...] = Field(
        (), title="Steps", description="What is done, first one first"
    )
    slice_min_max: bool = Field(
        False,
        title="Min-max each slice",
        description="Scale every slice to [0, 1] by its own minimum and maximum, at the end",
    )

    def apply(self, slices: Tensor, source: Source) -> tuple[Tensor, list[Chosen]]:
        """Return a corrupted copy of the slices and what was done to them.

        Parameters
        ----------
        slices
            (N, 1, H, W), floating point, on any device. Never changed.
        source
            `BatchSource` in training. With a `SliceSource` what is chosen and drawn for a slice is its own,
            whatever the batch, and the fields are those that `corrupt` draws with the same seed.

        Returns
        -------
        Tensor
            A new tensor of the same shape, dtype and device.
        list of Chosen
            One for each step, in order, and for each alternative of a `OneOf`.
        """
        corrupted, record = slices, []
        before: Counter[str] = Counter()
        for step, among in self._alternatives(slices, source):
            occurrence = before[step.corruption.kind]
            before[step.corruption.kind] += 1
            choice = source.for_corruption(f"choose {step.corruption.kind}", occurrence)
            chosen = step.choose(slices, among, choice)
            fields = source.for_corruption(step.corruption.kind, occurrence)
            corrupted = step.corrupt(corrupted, chosen.parameters, fields)
            record.append(chosen)
        if self.slice_min_max:
            corrupted, _ = scale(corrupted, "slice-min-max")
        return (slices.clone() if corrupted is slices else corrupted), record

    def _alternatives(self, slices: Tensor, source: Source) -> list[tuple[Step, Tensor | None]]:
        """Return every step and which slices it may be done to, (N,) bool; None is all of them."""
        alternatives: list[tuple[Step, Tensor | None]] = []
        for position, step in enumerate(self.steps):
            if isinstance(step, OneOf):
                draw = source.for_corruption("choose one-of", position).uniform((1,), slices)[:, 0]
                number = (draw * len(step.steps)).floor().clamp_max(len(step.steps) - 1)
                alternatives += [(one, number == index) for index, one in enumerate(step.steps)]
            else:
                alternatives.append((step, None))
        return alternatives

    @classmethod
    def uoc2021(cls) -> Augmentation:
        """Return the augmentation of the UOC 2021 thesis, for 128 x 128 slices, each min-max scaled.

        A. Arnaiz Rodríguez, "Deep Convolutional Autoencoders for reconstructing magnetic resonance images of
        the healthy brain", master's thesis, UOC, 2021: pixel dropout at a rate of 0 to 0.04, the pixels that
        are kept rescaled; Gaussian noise of sigma 0 to 0.04; for one slice in five a blank square of side 10
        to 40; for one in ten a 3 x 3 Gaussian blur of sigma 0.6; then min-max of each slice again.
        """
        return cls(
            steps=(
                PixelDropoutStep(rate=(0.0, 0.04), rescale=True),
                GaussianNoiseStep(sigma=(0.0, 0.04)),
                BlankOutStep(size=(10, 40), probability=0.2),
                GaussianBlurStep(sigma=(0.6, 0.6), kernel_size=3, probability=0.1),
            ),
            slice_min_max=True,
        )

    @classmethod
    def blind_denoising(cls, max_sigma: float = 0.1, *, clean: float = 0.1) -> Augmentation:
        """Return Gaussian or Rician noise of unknown strength, some slices left clean.

        Parameters
        ----------
        max_sigma
            Sigma is uniform from 0 to this, on the volume scale.
        clean
            The share of slices that are left as they are.
        """
        sigma = (0.0, max_sigma)
        noises: Sequence[AnyStep] = (
            GaussianNoiseStep(sigma=sigma, probability=1 - clean),
            RicianNoiseStep(sigma=sigma, probability=1 - clean),
        )
        return cls(steps=(OneOf(steps=tuple(noises)),))

"""Corruption with parameters chosen at random for each slice: how denoising models are trained.

Choosing parameters is kept apart from applying them. What is applied are the functions behind the interactive
corruptions, with one parameter for each slice, so that a model meets in training what a slider shows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from napari_mri_cae.corruptions.artefact_steps import (
    BiasFieldStep,
    DownsamplingStep,
    GhostingStep,
    GibbsRingingStep,
    MotionStep,
    SpikesStep,
)
from napari_mri_cae.corruptions.random import Source
from napari_mri_cae.corruptions.stacks import StackSource
from napari_mri_cae.corruptions.steps import (
    AugmentationSettings,
    BlankOutStep,
    BlobsStep,
    Chosen,
    GaussianBlurStep,
    GaussianNoiseStep,
    PixelDropoutStep,
    RicianNoiseStep,
    Step,
)
from napari_mri_cae.intensity import scale

if TYPE_CHECKING:
    from torch import Tensor

AnyStep = Annotated[
    GaussianNoiseStep
    | RicianNoiseStep
    | PixelDropoutStep
    | GaussianBlurStep
    | BlankOutStep
    | BlobsStep
    | MotionStep
    | GhostingStep
    | SpikesStep
    | GibbsRingingStep
    | BiasFieldStep
    | DownsamplingStep,
    Field(discriminator="kind"),
]


class OneOf(AugmentationSettings):
    """One of several steps for each slice, all equally likely; each then has its own probability."""

    kind: Literal["one-of"] = "one-of"
    steps: tuple[AnyStep, ...] = Field(min_length=1)


class Augmentation(AugmentationSettings):
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
            (N, 1, H, W), floating point, on any device. Never changed. Or each with its neighbours,
            (N, C, H, W): what is chosen for a slice is done to them too, each with fields of its own.
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
        count = slices.shape[1]
        own = slices[:, count // 2 : count // 2 + 1]
        corrupted, record = slices, []
        before: Counter[str] = Counter()
        for step, among in self._alternatives(own, source):
            occurrence = before[step.corruption.kind]
            before[step.corruption.kind] += 1
            choice = source.for_corruption(f"choose {step.corruption.kind}", occurrence)
            chosen = step.choose(own, among, choice)
            fields = source.for_corruption(step.corruption.kind, occurrence)
            # A step may do more than its strength says, as clipping does, but never to slices it left out.
            touched = (chosen.parameters[step.strength] != step.untouched)[:, None, None, None]
            corrupted = _corrupt(step, corrupted, chosen.parameters, fields).where(touched, corrupted)
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


def _corrupt(step: Step, slices: Tensor, parameters: dict[str, Tensor], fields: Source) -> Tensor:
    """Corrupt slices (N, C, H, W), each of the C as the N-th parameters say."""
    count = slices.shape[1]
    if count == 1:
        return step.corrupt(slices, parameters, fields)
    repeated = {name: values.repeat_interleave(count) for name, values in parameters.items()}
    one_by_one = slices.reshape(-1, 1, *slices.shape[2:])
    return step.corrupt(one_by_one, repeated, StackSource(fields, count)).reshape(slices.shape)

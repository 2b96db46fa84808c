"""Parameters drawn for each slice, and the interactive corruptions' own code with them."""

import json

import pytest
import torch
import yaml
from pydantic import ValidationError

from napari_mri_cae.corruptions import Augmentation, BatchSource, GaussianBlur, SliceSource, corrupt
from napari_mri_cae.corruptions.augmentation import (
    BiasFieldStep,
    BlankOutStep,
    BlobsStep,
    DownsamplingStep,
    GaussianBlurStep,
    GaussianNoiseStep,
    GhostingStep,
    GibbsRingingStep,
    MotionStep,
    OneOf,
    PixelDropoutStep,
    RicianNoiseStep,
    SpikesStep,
)

ALL = Augmentation(
    steps=(
        PixelDropoutStep(rate=(0.0, 0.1), rescale=True, probability=0.7),
        GaussianNoiseStep(sigma=(0.01, 0.04)),
        GaussianNoiseStep(sigma=0.02, probability=0.5),
        RicianNoiseStep(sigma=(0.0, 0.04)),
        BlankOutStep(size=(3, 9), probability=0.5, value=0.3),
        BlobsStep(number=(0, 4), radius=(2, 5), probability=0.7),
        GaussianBlurStep(sigma=(0.2, 1.5), probability=0.5),
    )
)
ARTEFACTS = Augmentation(
    steps=(
        MotionStep(degrees=(0.5, 5), movements=3, probability=0.5),
        GhostingStep(intensity=(0.2, 1), ghosts=(2, 6), probability=0.5, horizontal=True),
        SpikesStep(intensity=(0.1, 0.5), number=(1, 3), probability=0.5),
        GibbsRingingStep(kept=(0.3, 0.9), probability=0.5),
        BiasFieldStep(coefficient=(0.1, 0.5), probability=0.5),
        DownsamplingStep(factor=(1.5, 5), probability=0.5),
    )
)


@pytest.fixture
def slices() -> torch.Tensor:
    return torch.rand((6, 1, 24, 31), generator=torch.Generator().manual_seed(0))


def _source(seed: int = 0) -> BatchSource:
    return BatchSource(torch.Generator().manual_seed(seed))


def test_the_thesis_augmentation_as_published() -> None:
    clean = 0.2 + 0.6 * torch.rand((2000, 1, 44, 44), generator=torch.Generator().manual_seed(0))
    before = clean.clone()
    corrupted, (dropout, noise, blank, blur) = Augmentation.uoc2021().apply(clean, _source())
    assert torch.equal(clean, before)
    assert torch.equal(corrupted.amin((1, 2, 3)), torch.zeros(2000))
    assert torch.equal(corrupted.amax((1, 2, 3)), torch.ones(2000))
    for strengths in (dropout.parameters["rate"], noise.parameters["sigma"]):
        assert strengths.min() >= 0
        assert 0.0395 < strengths.max() <= 0.04
        assert strengths.mean() == pytest.approx(0.02, abs=0.001)
    assert dropout.fixed == {"rescale": True}
    assert noise.fixed == {"clip": False}
    sizes = blank.parameters["size"]
    assert (sizes > 0).float().mean() == pytest.approx(0.2, abs=0.03)
    assert set(sizes[sizes > 0].tolist()) == set(range(10, 41))
    sigmas = blur.parameters["sigma"]
    assert (sigmas > 0).float().mean() == pytest.approx(0.1, abs=0.02)
    assert sigmas.unique().tolist() == pytest.approx([0, 0.6])
    assert blur.of_slice(int(sigmas.argmax())) == GaussianBlur(sigma=sigmas.max().item(), kernel_size=3)


def test_blind_denoising_has_one_noise_or_none() -> None:
    clean = torch.rand(1000, 1, 6, 6)
    corrupted, (gaussian, rician) = Augmentation.blind_denoising(0.1, clean=0.2).apply(clean, _source())
    normal, magnitude = gaussian.parameters["sigma"], rician.parameters["sigma"]
    assert not ((normal > 0) & (magnitude > 0)).any()
    assert (normal > 0).float().mean() == pytest.approx(0.4, abs=0.05)
    assert (magnitude > 0).float().mean() == pytest.approx(0.4, abs=0.05)
    assert 0.095 < torch.maximum(normal, magnitude).max() <= 0.1
    untouched = (corrupted == clean).flatten(1).all(1)
    assert torch.equal(untouched, (normal == 0) & (magnitude == 0))


def test_blobs_bright_or_dark() -> None:
    head = torch.full((1500, 1, 24, 24), 0.1)
    head[..., 4:20, 4:20] = 0.6
    step = BlobsStep(number=(1, 3), radius=(2.0, 4.0), contrast=(0.1, 0.4), dark=0.3, probability=0.8)
    corrupted, (chosen,) = Augmentation(steps=(step,)).apply(head, _source())
    number, contrast = chosen.parameters["number"], chosen.parameters["contrast"]
    assert [(number == count).float().mean().item() for count in range(4)] == pytest.approx(
        [0.2, 0.8 / 3, 0.8 / 3, 0.8 / 3], abs=0.04
    )
    assert (contrast < 0).float().mean() == pytest.approx(0.3, abs=0.04)
    assert 0.1 <= contrast.abs().min() < 0.11 < 0.39 < contrast.abs().max() <= 0.4
    change = corrupted - head
    assert torch.equal(change.abs().amax((1, 2, 3)) > 0, number > 0)
    assert (change.sum((1, 2, 3)) * contrast >= 0).all()
    assert chosen.of_slice(0).number == int(number[0])


@pytest.mark.parametrize("augmentation", [ALL, ARTEFACTS], ids=["simple", "artefacts"])
def test_what_was_done_can_be_done_again(augmentation: Augmentation, slices: torch.Tensor) -> None:
    indices = [4, 5, 6, 50, 51, 52]
    corrupted, record = augmentation.apply(slices, SliceSource(9, "coronal", indices))
    for position, index in enumerate(indices):
        one = slices[position : position + 1]
        chain = [chosen.of_slice(position) for chosen in record]
        again = corrupt(one, chain, seed=9, plane="coronal", indices=[index])
        torch.testing.assert_close(again[0], corrupted[position], rtol=0, atol=1e-6)
        alone, _ = augmentation.apply(one, SliceSource(9, "coronal", [index]))
        torch.testing.assert_close(alone[0], corrupted[position], rtol=0, atol=1e-6)


def test_the_same_generator_gives_the_same_batch(slices: torch.Tensor) -> None:
    first, _ = ALL.apply(slices, _source(1))
    assert torch.equal(ALL.apply(slices, _source(1))[0], first)
    assert not torch.equal(ALL.apply(slices, _source(2))[0], first)


@pytest.mark.parametrize("step", ARTEFACTS.steps, ids=lambda step: step.kind)
def test_a_slice_that_is_not_chosen_stays_as_it_is(step, slices: torch.Tensor) -> None:
    slices = slices.repeat(5, 1, 1, 1)
    corrupted, (chosen,) = Augmentation(steps=(step,)).apply(slices, _source())
    untouched = chosen.parameters[step.strength] == step.untouched
    assert 0 < untouched.sum() < len(slices)
    assert torch.equal((corrupted == slices).flatten(1).all(1), untouched)


def test_a_step_that_clips_leaves_the_slices_of_other_steps_alone() -> None:
    noises = [GaussianNoiseStep(sigma=0.1), GaussianNoiseStep(sigma=0.1, clip=True)]
    augmentation = Augmentation(steps=(OneOf(steps=tuple(noises)),))
    dark = torch.zeros(32, 1, 8, 8)
    noisy, (plain, clipped) = augmentation.apply(dark, BatchSource(torch.Generator().manual_seed(0)))
    for chosen, negative in ((plain, True), (clipped, False)):
        those = noisy[chosen.parameters["sigma"] > 0]
        assert len(those) > 5
        assert ((those < 0).flatten(1).any(1) == negative).all()


def test_nothing_to_do_is_a_copy(slices: torch.Tensor) -> None:
    copy, record = Augmentation().apply(slices, _source())
    assert torch.equal(copy, slices)
    assert copy.data_ptr() != slices.data_ptr()
    assert record == []


def test_a_slice_without_contrast_becomes_zero() -> None:
    flat, _ = Augmentation(slice_min_max=True).apply(torch.full((1, 1, 8, 8), 0.7), _source())
    assert torch.equal(flat, torch.zeros(1, 1, 8, 8))


@pytest.mark.parametrize(
    "augmentation", [ALL, ARTEFACTS, Augmentation.uoc2021(), Augmentation.blind_denoising()]
)
def test_there_and_back_as_text(augmentation: Augmentation) -> None:
    values = augmentation.model_dump(mode="json")
    assert Augmentation.model_validate(json.loads(json.dumps(values))) == augmentation
    assert Augmentation.model_validate(yaml.safe_load(yaml.safe_dump(values))) == augmentation


@pytest.mark.parametrize(
    ("step", "where"),
    [
        ({"kind": "gaussian-noise", "sigma": [0.2, 0.1]}, "sigma"),
        ({"kind": "gaussian-noise", "sigma": [0, 2]}, "sigma"),
        ({"kind": "gaussian-noise"}, "sigma"),
        ({"kind": "pixel-dropout", "rate": 1.0}, "rate"),
        ({"kind": "gaussian-blur", "sigma": 1, "kernel_size": 2}, "kernel_size"),
        ({"kind": "blank-out", "size": 4, "probability": 1.2}, "probability"),
        ({"kind": "one-of", "steps": []}, "steps"),
    ],
)
def test_a_wrong_parameter_is_named(step: dict[str, object], where: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Augmentation.model_validate({"steps": [step]})
    assert caught.value.errors()[0]["loc"][:4] == ("steps", 0, step["kind"], where)


@pytest.mark.parametrize("kind", ["gaussian-noise", "rician-noise"])
def test_neighbours_get_noise_of_their_own_and_of_the_same_strength(kind: str) -> None:
    augmentation = Augmentation.model_validate({"steps": [{"kind": kind, "sigma": [0.05, 0.2]}]})
    stacks = torch.full((4, 3, 64, 64), 0.8)
    corrupted, (chosen,) = augmentation.apply(stacks, _source())
    noise = corrupted - stacks
    assert chosen.parameters["sigma"].shape == (4,)
    for field, sigma in zip(noise, chosen.parameters["sigma"], strict=True):
        for one in field:
            assert float(one.std()) == pytest.approx(float(sigma), rel=0.1)
        assert float(torch.corrcoef(field.flatten(1)).triu(1).abs().max()) < 0.1


def test_what_is_done_to_a_slice_at_a_place_is_done_to_its_neighbours_there() -> None:
    augmentation = Augmentation.model_validate({"steps": [{"kind": "blank-out", "size": 5}]})
    corrupted, _ = augmentation.apply(torch.ones(6, 5, 32, 32), _source())
    assert (corrupted == 0).sum() == 6 * 5 * 25
    assert torch.equal(corrupted, corrupted[:, 2:3].expand(-1, 5, -1, -1))
    assert len(torch.unique(corrupted[:, 2], dim=0)) > 1

"""Losses, optimizers and schedules against Keras 3.15 (TensorFlow 2.21) and its documented formulas."""

import math

import numpy as np
import pytest
import skimage.metrics
import torch
from lightning.pytorch.callbacks import EarlyStopping
from torch import nn

from napari_mri_cae.errors import InputError
from napari_mri_cae.models.architectures.keras_layers import BatchNorm
from napari_mri_cae.training.config import ConstantRate, CosineRate, OneCycleRate, Optimizer, PlateauRate
from napari_mri_cae.training.config import EarlyStopping as EarlyStoppingSettings
from napari_mri_cae.training.losses import kernels, l2_penalty, slice_losses
from napari_mri_cae.training.optimizers import make_optimizer, make_plateau, make_schedule
from napari_mri_cae.training.rate_test import find_learning_rate

GRADIENTS = [0.5, -0.2, 0.1, 0.0003, 0.3]
LOSSES = [1.0, 0.5, 0.5, 0.49995, 0.4999, 0.51, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4]


def _trajectory(settings):
    weight = nn.Parameter(torch.ones(1))
    optimizer = make_optimizer(settings, [weight])
    values = []
    for gradient in GRADIENTS:
        weight.grad = torch.tensor([gradient])
        optimizer.step()
        values.append(weight.item())
    return values


def test_the_losses_are_those_of_their_definitions_and_of_tensorflow():
    rows, columns = np.mgrid[0:24, 0:30]
    x = 0.5 + 0.5 * np.sin(rows / 3.0) * np.cos(columns / 4.0)
    y = np.clip(x + 0.1 * np.sin(rows * columns / 7.0), 0, 1)
    target, output = (torch.from_numpy(image.astype(np.float32))[None, None] for image in (x, y))
    assert slice_losses("l1", output, target).item() == pytest.approx(np.abs(x - y).mean(), rel=1e-5)
    assert slice_losses("mse", output, target).item() == pytest.approx(((x - y) ** 2).mean(), rel=1e-5)
    psnr = skimage.metrics.peak_signal_noise_ratio(x, y, data_range=1)
    assert slice_losses("psnr", output, target).item() == pytest.approx(1 - psnr / 100, abs=2e-4)
    assert slice_losses("psnr", target, target).item() == pytest.approx(0.5, abs=1e-6)
    # tf.image.ssim(x, y, 1.0)
    assert slice_losses("ssim", output, target).item() == pytest.approx(1 - 0.875994861, abs=2e-6)
    assert slice_losses("dssim", output, target).item() == pytest.approx((1 - 0.875994861) / 2, abs=1e-6)


def test_l2_is_of_convolution_kernels_alone():
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ConvTranspose2d(2, 1, 3))
    assert [tuple(weight.shape) for weight in kernels(network)] == [(2, 1, 3, 3), (2, 1, 3, 3)]
    # keras.regularizers.L2(1e-2)(numpy.arange(18) / 10)
    assert l2_penalty([torch.arange(18.0) / 10], 1e-2).item() == pytest.approx(0.1785, rel=1e-6)


def test_rmsprop_steps_as_keras_2_did():
    expected, weight, squares = [], 1.0, 0.0
    for gradient in GRADIENTS:
        squares = 0.9 * squares + 0.1 * gradient**2
        weight -= 1e-3 * gradient / (math.sqrt(squares) + 1e-7)
        expected.append(weight)
    found = _trajectory(Optimizer(kind="rmsprop", learning_rate=1e-3))
    assert found == pytest.approx(expected, abs=1e-7)
    # Keras 3 adds its epsilon under the root: the same but for gradients near it.
    in_keras_3 = [0.99683774, 0.99806631, 0.99743193, 0.99742991, 0.99567217]
    assert found == pytest.approx(in_keras_3, abs=1e-6)


@pytest.mark.parametrize(
    ("settings", "in_keras"),
    [
        (
            Optimizer(kind="adam", learning_rate=2e-3),
            [0.99800003, 0.99730889, 0.99655008, 0.99592793, 0.99494207],
        ),
        (
            Optimizer(kind="sgd", learning_rate=1e-2),
            [0.995, 0.997, 0.996, 0.99599701, 0.99299699],
        ),
    ],
)
def test_other_optimizers_step_as_keras_does(settings, in_keras):
    assert _trajectory(settings) == pytest.approx(in_keras, abs=1e-6)


def test_adamw_takes_its_constants():
    optimizer = make_optimizer(
        Optimizer(kind="adamw", weight_decay=0.1, square_decay=0.99, epsilon=1e-3),
        [nn.Parameter(torch.ones(1))],
    )
    chosen = optimizer.defaults
    assert (chosen["weight_decay"], chosen["betas"], chosen["eps"]) == (0.1, (0.9, 0.99), 1e-3)


def test_muon_moves_kernels_by_an_orthogonal_matrix_and_the_rest_as_adamw_does():
    generator = torch.Generator().manual_seed(0)

    def drawn(*shape):
        return nn.Parameter(torch.randn(shape, generator=generator))

    settings = Optimizer(kind="muon", learning_rate=1e-2, weight_decay=0.1)
    for shape in ((8, 4, 3, 3), (40, 4, 3, 3)):
        kernel = drawn(*shape)
        before, gradient = kernel.detach().clone(), torch.randn(shape, generator=generator)
        optimizer = make_optimizer(settings, [kernel])
        kernel.grad = gradient
        optimizer.step()
        left, _, right = np.linalg.svd(gradient.reshape(shape[0], -1).numpy(), full_matrices=False)
        moved = (kernel.detach() - before * (1 - 1e-2 * 0.1)).reshape(shape[0], -1).numpy()
        step = -moved / (1e-2 * 0.2 * math.sqrt(max(shape[0], 36)))
        # In the gradient's own directions, each by about 1.
        along = left.T @ step @ right.T
        assert np.abs(np.diag(along) - 1).max() < 0.4
        assert np.abs(along - np.diag(np.diag(along))).max() < 0.05
    first, bias = drawn(8, 1, 3, 3), drawn(8)
    same = [nn.Parameter(each.detach().clone()) for each in (first, bias)]
    ours = make_optimizer(settings, [first, bias])
    theirs = torch.optim.AdamW(same, 1e-2, weight_decay=0.1, fused=True)
    for _ in range(3):
        for mine, yours in zip((first, bias), same, strict=True):
            mine.grad = torch.randn(mine.shape, generator=generator)
            yours.grad = mine.grad.clone()
        ours.step()
        theirs.step()
    assert all(torch.equal(mine, yours) for mine, yours in zip((first, bias), same, strict=True))


@pytest.mark.parametrize("fused", [True, False])
def test_muon_goes_on_from_its_state(fused):
    def start():
        network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3))
        torch.manual_seed(1)
        for parameter in network.parameters():
            nn.init.normal_(parameter)
        return network, make_optimizer(Optimizer(kind="muon"), network.parameters(), fused=fused)

    def step(network, optimizer, number):
        network(torch.full((1, 1, 8, 8), float(number))).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()

    whole, optimizer = start()
    for number in range(3):
        step(whole, optimizer, number)
    resumed, first = start()
    step(resumed, first, 0)
    step(resumed, first, 1)
    second = make_optimizer(Optimizer(kind="muon"), resumed.parameters(), fused=fused)
    second.load_state_dict(first.state_dict())
    step(resumed, second, 2)
    for mine, yours in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(mine, yours)


def test_the_rate_falls_on_a_plateau_as_in_keras():
    optimizer = make_optimizer(Optimizer(kind="sgd", learning_rate=1e-3), [nn.Parameter(torch.ones(1))])
    plateau = make_plateau(PlateauRate(factor=0.2, patience=3, least=1e-5, min_delta=1e-4), optimizer)
    rates = []
    for loss in LOSSES:
        plateau.step(loss)
        rates.append(optimizer.param_groups[0]["lr"])
    # keras.callbacks.ReduceLROnPlateau on the same losses
    assert rates == pytest.approx([1e-3] * 4 + [2e-4] * 5 + [4e-5] * 3 + [1e-5] * 2)


def test_training_ends_early_when_keras_would_end_it():
    settings = EarlyStoppingSettings(patience=4, min_delta=2e-4)
    callback = EarlyStopping("loss", min_delta=settings.min_delta, patience=settings.patience)
    stops = [callback._evaluate_stopping_criteria(torch.tensor(loss))[0] for loss in LOSSES[:6]]
    # keras.callbacks.EarlyStopping stops after the sixth of them.
    assert stops == [False] * 5 + [True]


def test_batch_norm_keeps_statistics_as_keras_does():
    norm = BatchNorm(1)
    norm(torch.arange(32.0).reshape(2, 1, 4, 4))
    # keras.layers.BatchNormalization after one batch. Keras 3 takes the batch's own variance; the fused layer
    # of TensorFlow, which Keras 2 used and so the published systems, estimates it, as PyTorch does.
    assert norm.running_mean.item() == pytest.approx(0.155, rel=1e-6)
    assert norm.running_var.item() == pytest.approx(0.99 + 0.01 * np.arange(32).var(ddof=1), rel=1e-6)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (ConstantRate(), [1.0] * 6),
        (ConstantRate(warmup_steps=4), [0.25, 0.5, 0.75, 1, 1, 1]),
        (CosineRate(warmup_steps=2, decay_steps=3), [0.5, 1, 1, 1, 0.75, 0.25]),
    ],
)
def test_the_rate_follows_its_schedule(schedule, expected):
    optimizer = make_optimizer(Optimizer(kind="sgd", learning_rate=1.0), [nn.Parameter(torch.ones(1))])
    scheduler = make_schedule(schedule, optimizer, 6)
    rates = []
    for _ in range(6):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
    assert rates == pytest.approx(expected)


def test_one_cycle_rises_and_falls():
    optimizer = make_optimizer(Optimizer(learning_rate=1.0), [nn.Parameter(torch.ones(1))])
    scheduler = make_schedule(OneCycleRate(), optimizer, 20, highest=0.5)
    rates = []
    for _ in range(20):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step() if len(rates) < 20 else None
    assert max(rates) == pytest.approx(0.5)
    assert 3 <= rates.index(max(rates)) <= 7
    assert rates[0] == pytest.approx(0.02)
    assert rates[-1] < 1e-4
    with pytest.raises(InputError, match="schedule: warmup_steps and decay_steps together"):
        make_schedule(CosineRate(), optimizer, 20)


def test_the_rate_test_finds_a_rate_that_learns():
    torch.manual_seed(0)
    network = nn.Linear(4, 1)
    before = network.weight.clone()
    x = torch.randn(64, 4)
    y = x @ torch.tensor([[1.0], [2.0], [-1.0], [0.5]])
    found = find_learning_rate(
        network,
        lambda trial: torch.optim.SGD(trial.parameters(), 1.0),
        lambda trial, number: (trial(x) - y).square().mean(),
    )
    # Descent on this bowl, of curvature about 2, diverges beyond a rate of about 1.
    assert 1e-2 < found.chosen < 1.0
    assert len(found.rates) == len(found.losses) > 50
    assert torch.equal(network.weight, before)

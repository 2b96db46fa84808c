"""Optimizers with Keras's constants, and how their learning rate changes."""

import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from torch import nn

from napari_mri_cae.errors import InputError
from napari_mri_cae.training.config import (
    ConstantRate,
    CosineRate,
    OneCycleRate,
    Optimizer,
    PlateauRate,
    Schedule,
)
from napari_mri_cae.training.muon import Muon


def make_optimizer(
    settings: Optimizer, parameters: Iterable[nn.Parameter], *, fused: bool = True
) -> torch.optim.Optimizer:
    """Return the optimizer of some parameters.

    RMSprop adds epsilon to the root of the running mean of squares, as Keras 2 did, with which the published
    systems were trained, and as PyTorch does; Keras 3 adds it under the root. Keras's Adam adds it before
    the bias correction of the squares and PyTorch's after it: the two differ only where a gradient is about
    as small as epsilon.

    Parameters
    ----------
    settings
        Which one, and its constants.
    parameters
        Those it changes.
    fused
        One kernel for all parameters, where there is one: several times faster for small networks.
    """
    rate = settings.learning_rate
    if settings.kind == "sgd":
        return torch.optim.SGD(parameters, rate, fused=fused)
    if settings.kind == "rmsprop":
        rho = 0.9 if settings.square_decay is None else settings.square_decay
        # PyTorch's own default is 0.99.
        return torch.optim.RMSprop(parameters, rate, alpha=rho, eps=settings.epsilon or 1e-7, foreach=True)
    betas = (0.9, 0.999 if settings.square_decay is None else settings.square_decay)
    if settings.kind == "adam":
        return torch.optim.Adam(parameters, rate, betas, settings.epsilon or 1e-7, fused=fused)
    kind = Muon if settings.kind == "muon" else torch.optim.AdamW
    return kind(parameters, rate, betas, settings.epsilon or 1e-8, settings.weight_decay, fused=fused)


def make_schedule(
    settings: Schedule, optimizer: torch.optim.Optimizer, steps: int, highest: float | None = None
) -> torch.optim.lr_scheduler.LRScheduler | None:
    """Return what changes the learning rate after every step; None where nothing does.

    Parameters
    ----------
    settings
        Of the schedule.
    optimizer
        Whose learning rate it is.
    steps
        Of the whole training.
    highest
        The rate at the top of a cycle, where the settings leave it open.

    Raises
    ------
    InputError
        If the training has fewer steps than the schedule.
    """
    if isinstance(settings, OneCycleRate):
        top = settings.highest or highest
        if top is None:
            raise InputError("schedule.highest: say the highest learning rate of the cycle.")
        # Momentum goes down while the rate goes up, where the optimizer has one.
        cycles = "betas" in optimizer.defaults
        return torch.optim.lr_scheduler.OneCycleLR(optimizer, top, steps, cycle_momentum=cycles)
    if isinstance(settings, CosineRate):
        if settings.warmup_steps + settings.decay_steps > steps:
            raise InputError(
                f"schedule: warmup_steps and decay_steps together must not exceed the {steps} steps of the "
                "training; shorten them or train for more epochs."
            )
        return torch.optim.lr_scheduler.LambdaLR(
            optimizer, _cosine(settings.warmup_steps, settings.decay_steps, steps)
        )
    if isinstance(settings, ConstantRate) and settings.warmup_steps:
        return torch.optim.lr_scheduler.LambdaLR(optimizer, _cosine(settings.warmup_steps, 0, steps))
    return None


def needs_rate_test(settings: Schedule) -> bool:
    """Return whether the highest learning rate has to be found."""
    return isinstance(settings, OneCycleRate) and settings.highest is None


def make_plateau(
    settings: Schedule, optimizer: torch.optim.Optimizer
) -> torch.optim.lr_scheduler.ReduceLROnPlateau | None:
    """Return what lowers the learning rate when the validation loss no longer falls, if that is the schedule.

    Keras lowers it once `patience` epochs have passed without improvement, PyTorch one epoch later.
    """
    if not isinstance(settings, PlateauRate):
        return None
    return torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer,
        factor=settings.factor,
        patience=settings.patience - 1,
        threshold=settings.min_delta,
        threshold_mode="abs",
        min_lr=settings.least,
        eps=0.0,
    )


def _cosine(warmup: int, decay: int, steps: int) -> Callable[[int], float]:
    return partial(_cosine_factor, warmup=warmup, decay=decay, steps=steps)


def _cosine_factor(step: int, *, warmup: int, decay: int, steps: int) -> float:
    if step < warmup:
        return (step + 1) / warmup
    left = steps - step
    return 0.5 - 0.5 * math.cos(math.pi * max(left, 0) / decay) if left < decay else 1.0


def scheduler_settings(schedule: Any) -> dict[str, Any]:
    """Return a schedule as Lightning wants it, to be stepped after every batch."""
    return {"scheduler": schedule, "interval": "step"}

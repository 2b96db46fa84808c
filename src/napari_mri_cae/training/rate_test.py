"""The learning-rate range test of Smith (2017): how fast a network may learn."""

import copy
import csv
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

_STEPS: Final = 100
_LOWEST: Final = 1e-7
_HIGHEST: Final = 1.0
# Of the moving average that smooths the losses, and how far it may rise before the test ends.
_SMOOTHING: Final = 0.9
_DIVERGED: Final = 4.0
_LEAST_STEPS: Final = 20


@dataclass(frozen=True)
class RateTest:
    """What a range test found."""

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    """Smoothed, one for each rate."""
    chosen: float
    """Where the loss falls most steeply over the logarithm of the rate."""

    def save(self, path: Path) -> None:
        """Write rates and losses as a CSV file."""
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(("learning_rate", "smoothed_loss"))
            writer.writerows(zip(self.rates, self.losses, strict=True))


def find_learning_rate(
    network: nn.Module,
    make_optimizer: Callable[[nn.Module], torch.optim.Optimizer],
    loss_of: Callable[[nn.Module, int], Tensor],
    *,
    steps: int = _STEPS,
    check: Callable[[], None] = lambda: None,
) -> RateTest:
    """Train a copy of a network with rates that rise from batch to batch, and return the best of them.

    L. N. Smith, "Cyclical learning rates for training neural networks", WACV 2017. The rate rises
    geometrically from 1e-7 to 1; the test ends early once the loss is four times its lowest.

    Parameters
    ----------
    network
        Left as it is.
    make_optimizer
        Returns a fresh optimizer of the network that it is given.
    loss_of
        Returns the loss of a network on the batch of a number.
    steps
        How many rates are tried.
    check
        Called before each step; may raise to end the test.
    """
    trial = copy.deepcopy(network).train()
    optimizer = make_optimizer(trial)
    rates: list[float] = []
    losses: list[float] = []
    average = 0.0
    for step in range(steps):
        check()
        rate = _LOWEST * (_HIGHEST / _LOWEST) ** (step / max(1, steps - 1))
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = loss_of(trial, step)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        average = _SMOOTHING * average + (1 - _SMOOTHING) * loss.item()
        smoothed = average / (1 - _SMOOTHING ** (step + 1))
        if not math.isfinite(smoothed) or (step >= _LEAST_STEPS and smoothed > _DIVERGED * min(losses)):
            break
        rates.append(rate)
        losses.append(smoothed)
    return RateTest(tuple(rates), tuple(losses), _steepest(rates, losses))


def _steepest(rates: Sequence[float], losses: Sequence[float]) -> float:
    """Return the rate at which the loss falls fastest, the ends left out, where little has settled."""
    slopes = [(losses[number + 1] - losses[number - 1], rates[number]) for number in range(5, len(rates) - 5)]
    return min(slopes)[1] if slopes else rates[len(rates) // 2]

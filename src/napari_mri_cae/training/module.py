"""The training step, the averaged weights and the validation, as a Lightning module."""

import copy
import math
from typing import Any

import lightning
import torch
from torch import Tensor
from torch.nn import functional

from napari_mri_cae.corruptions import BatchSource
from napari_mri_cae.metrics import psnr
from napari_mri_cae.models.architectures import build
from napari_mri_cae.reconstruction.size import fit_size
from napari_mri_cae.training.config import TrainingConfig
from napari_mri_cae.training.data import ValidationSlices

_TRANSPARENT = 60.0
"""dB above which a difference counts for nothing any more."""


class ReconstructionModule(lightning.LightningModule):
    """Learns to give back clean patches from corrupted ones.

    Parameters
    ----------
    config
        Of the training.

    Attributes
    ----------
    network
        What the optimizer changes.
    average
        The exponential moving average of its weights: what is validated and what comes out.
    """

    def __init__(self, config: TrainingConfig) -> None:
        super().__init__()
        self.config = config
        network = build(config.architecture, **config.architecture_parameters)
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.network).requires_grad_(False).eval()
        self._scores: dict[str, list[Tensor]] = {}

    def training_step(self, batch: tuple[int, Tensor], batch_index: int) -> Tensor:  # noqa: D102
        number, clean = batch
        corrupted, _ = self.config.augmentation.apply(clean, self._source(number))
        corrupted = corrupted.contiguous(memory_format=torch.channels_last)
        output = self.network(corrupted).float()
        loss = functional.l1_loss if self.config.loss == "l1" else functional.mse_loss
        return loss(output, clean)

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_index: int) -> None:  # noqa: D102
        # Early on the average follows faster, so that it does not drag the first weights along.
        step = self.global_step
        decay = min(self.config.average_decay, (1 + step) / (10 + step))
        averages = [value for value in self.average.state_dict().values() if value.is_floating_point()]
        current = [value for value in self.network.state_dict().values() if value.is_floating_point()]
        torch._foreach_lerp_(averages, current, 1 - decay)

    def on_validation_epoch_start(self) -> None:  # noqa: D102
        self._scores = {}

    def validation_step(self, batch: ValidationSlices, batch_index: int) -> None:  # noqa: D102
        clean = batch.slices.to(self.device)
        for sigma in self.config.validation.sigmas:
            noise = torch.zeros_like(clean)
            if sigma:
                generator = torch.Generator().manual_seed(batch_index)
                noise = sigma * torch.randn(clean.shape, generator=generator).to(clean)
            fitted, undo = fit_size(clean + noise, multiple_of=self.config.multiple_of)
            output = undo(self.average(fitted.contiguous(memory_format=torch.channels_last)).float())
            scores = psnr(clean, output, data_range=1.0)
            # A network that returns a clean slice unchanged has an infinite one.
            name = f"psnr/{batch.data}/sigma={sigma:g}"
            self._scores.setdefault(name, []).append(scores.clamp(max=100.0))

    def on_validation_epoch_end(self) -> None:  # noqa: D102
        means = {name: torch.cat(values).mean() for name, values in self._scores.items()}
        self.log_dict(means)
        # What is a hundred times better than visible noise must not decide between two networks.
        self.log("psnr", torch.stack(list(means.values())).clamp(max=_TRANSPARENT).mean())

    def configure_optimizers(self) -> Any:  # noqa: D102
        optimizer = torch.optim.AdamW(
            self.network.parameters(), self.config.learning_rate, betas=(0.9, 0.99), weight_decay=1e-4
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self._rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _rate(self, step: int) -> float:
        config = self.config
        if step < config.warmup_steps:
            return (step + 1) / config.warmup_steps
        left = config.steps - step
        if left < config.decay_steps:
            return 0.5 - 0.5 * math.cos(math.pi * left / config.decay_steps)
        return 1.0

    def _source(self, number: int) -> BatchSource:
        generator = torch.Generator(self.device).manual_seed((self.config.seed << 32) + number)
        return BatchSource(generator)

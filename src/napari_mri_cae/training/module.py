"""The training step, the averaged weights and the validation, as a Lightning module."""

import copy
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import lightning
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from napari_mri_cae.corruptions import GaussianNoise
from napari_mri_cae.metrics import mse, psnr_from_mse
from napari_mri_cae.models.architectures import build
from napari_mri_cae.reconstruction.size import fit_size
from napari_mri_cae.training.config import TrainingConfig
from napari_mri_cae.training.data import TrainingBatch, ValidationBatch, ValidationSet
from napari_mri_cae.training.losses import kernels, l2_penalty, slice_losses
from napari_mri_cae.training.noise import drawn_anew, drawn_once, for_validation
from napari_mri_cae.training.optimizers import (
    make_optimizer,
    make_plateau,
    make_schedule,
    needs_rate_test,
    scheduler_settings,
)

Array = npt.NDArray[np.float32]

_TRANSPARENT: Final = 60.0
"""dB above which a difference counts for nothing any more."""
_HIGHEST_PSNR: Final = 100.0
"""dB that stand for infinity, which a network reaches that returns a clean slice unchanged."""


@dataclass(frozen=True)
class Preview:
    """What the network makes of a few validation slices; each (N, H, W) float32."""

    original: Array
    reconstruction_of_original: Array
    corrupted: Array
    reconstructed: Array

    def strips(self) -> list[tuple[str, Array]]:
        """Return rows of slices with their names: clean and corrupted, over their reconstructions."""
        return [
            ("clean", self.original),
            ("reconstruction of the clean", self.reconstruction_of_original),
            ("corrupted", self.corrupted),
            ("reconstruction of the corrupted", self.reconstructed),
        ]


def own_slices(stacks: Tensor) -> Tensor:
    """Return slices (N, 1, H, W) without the neighbours that they came with, (N, C, H, W)."""
    return stacks[:, stacks.shape[1] // 2][:, None]


def _without_missing(corrupted: Tensor, present: Tensor | None) -> Tensor:
    """Return stacks (N, C, H, W) with neighbours that are not there as nothing but 0."""
    return corrupted if present is None else corrupted * present.to(corrupted)[:, :, None, None]


class Sample(NamedTuple):
    """A few validation slices to show: (N, C, H, W), which neighbours there are, and their ids."""

    clean: Tensor
    present: Tensor | None
    ids: tuple[int, ...]


def choose_sample(validation: ValidationSet, count: int = 5) -> Sample:
    """Return a few validation slices of one size, spread over the volumes."""
    every = max(1, len(validation) // count)
    each = -(-count // -(-len(validation) // every))
    chosen: list[Sample] = []
    for batch in itertools.islice(validation, 0, None, every):
        if chosen and batch.clean.shape[1:] != chosen[0].clean.shape[1:]:
            continue
        places = np.unique(np.linspace(0, len(batch.ids) - 1, each + 2)[1:-1].round().astype(int)).tolist()
        present = None if batch.present is None else batch.present[places]
        chosen.append(Sample(batch.clean[places], present, tuple(batch.ids[place] for place in places)))
    marks = [each.present for each in chosen if each.present is not None]
    return Sample(
        torch.cat([each.clean for each in chosen])[:count],
        torch.cat(marks)[:count] if marks else None,
        tuple(itertools.chain.from_iterable(each.ids for each in chosen))[:count],
    )


class ReconstructionModule(lightning.LightningModule):
    """Learns to give back clean slices from corrupted ones.

    Parameters
    ----------
    config
        Of the training.
    steps
        Of the whole training.
    labels
        The names of the data sets that are validated on.

    Attributes
    ----------
    network
        What the optimizer changes.
    scores : dict of str to float
        What the last validation found: "validation_loss"; for each data set and noise level
        "psnr/DATA/sigma=SIGMA", the mean over the slices, and "psnr_of_mean_mse/DATA/sigma=SIGMA"; and
        "psnr", their mean, in which none counts for more than 60 dB.
    test_rates : callable or None
        Returns the highest learning rate of a cycle, where the schedule leaves it open.
    sample : Sample or None
        Validation slices to show.
    preview : Preview or None
        What the network makes of them, since the last validation.
    """

    def __init__(self, config: TrainingConfig, steps: int, labels: tuple[str, ...]) -> None:
        super().__init__()
        self.config = config
        self.steps = steps
        self.highest_rate: float | None = None
        self.test_rates: Callable[[ReconstructionModule], float] | None = None
        network = build(config.architecture, **config.architecture_parameters)
        self.network: nn.Module = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if config.average_decay:
            self.average = copy.deepcopy(self.network).requires_grad_(False).eval()
        self.scores: dict[str, float] = {}
        self.sample: Sample | None = None
        self.preview: Preview | None = None
        self._keys = [(label, sigma) for label in labels for sigma in config.validation.sigmas]
        self._sums: dict[str, Tensor] = {}
        self._plateau: torch.optim.lr_scheduler.ReduceLROnPlateau | None = None
        self._plateau_state: dict[str, Any] | None = None

    @property
    def result(self) -> nn.Module:
        """The network that comes out: the averaged one, or the trained one where nothing is averaged."""
        return self.average if self.config.average_decay else self.network

    def training_step(self, batch: TrainingBatch, batch_index: int) -> Tensor:  # noqa: D102
        # The gradients of processes that train together are averaged, whose shares may differ by one slice.
        return self.loss_of(self.network, batch, share=self.trainer.world_size / batch.total)

    def loss_of(self, network: nn.Module, batch: TrainingBatch, *, share: float | None = None) -> Tensor:
        """Return the loss of a network on a batch: the slices' sum times `share`, and the penalty.

        Without a share it is their mean.
        """
        config = self.config
        clean = batch.clean.to(self.device)
        ids = batch.ids
        if not len(clean):
            # Of a last batch with fewer slices than processes; the others wait for this one's gradients.
            nothing = clean.new_zeros((1, *clean.shape[1:]))
            none: Tensor = network(nothing.contiguous(memory_format=torch.channels_last)).float().sum() * 0
            return none
        share = 1 / len(clean) if share is None else share
        if config.noise_drawn == "once" and ids is not None:
            corrupted, _ = config.augmentation.apply(clean, drawn_once(config.seed, ids))
        else:
            source = drawn_anew(config.seed, batch.number, batch.total, batch.positions, self.device)
            corrupted, _ = config.augmentation.apply(clean, source)
        corrupted = _without_missing(corrupted, batch.present)
        output = network(corrupted.contiguous(memory_format=torch.channels_last)).float()
        loss = slice_losses(config.loss, output, own_slices(clean)).sum() * share
        return loss + l2_penalty(kernels(network), config.optimizer.l2) if config.optimizer.l2 else loss

    def on_train_epoch_start(self) -> None:  # noqa: D102
        # Dropout draws from here, and a resumed run must draw what an uninterrupted one would have drawn.
        torch.manual_seed((self.config.seed << 32) + (self.current_epoch << 12) + self.global_rank)

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_index: int) -> None:  # noqa: D102
        if not self.config.average_decay:
            return
        # Early on the average follows faster, so that it does not drag the first weights along.
        step = self.global_step
        decay = min(self.config.average_decay, (1 + step) / (10 + step))
        averages = [value for value in self.average.state_dict().values() if value.is_floating_point()]
        current = [value for value in self.network.state_dict().values() if value.is_floating_point()]
        torch._foreach_lerp_(averages, current, 1 - decay)

    def on_validation_epoch_start(self) -> None:  # noqa: D102
        self._sums = {}

    def validation_step(self, batch: ValidationBatch, batch_index: int) -> None:  # noqa: D102
        shown = Sample(batch.clean.to(self.device), batch.present, batch.ids)
        clean = own_slices(shown.clean)
        output = self.reconstruct(self.corrupt_for_validation(shown))
        self._add("loss", slice_losses(self.config.loss, output, clean))
        for sigma in self.config.validation.sigmas:
            if sigma or self.config.augmentation.steps:
                error = mse(clean, self.reconstruct(self.add_noise(shown, sigma)))
            else:
                error = mse(clean, output)
            key = f"{batch.data}/sigma={sigma:g}"
            self._add(f"mse/{key}", error)
            self._add(f"psnr/{key}", psnr_from_mse(error, data_range=1.0).clamp(max=_HIGHEST_PSNR))

    def corrupt_for_validation(self, sample: Sample) -> Tensor:
        """Return slices corrupted as in training, the same after every epoch."""
        source = for_validation(self.config.seed, sample.ids)
        return _without_missing(self.config.augmentation.apply(sample.clean, source)[0], sample.present)

    def add_noise(self, sample: Sample, sigma: float) -> Tensor:
        """Return slices with Gaussian noise, the same after every epoch."""
        if not sigma:
            return sample.clean
        source = for_validation(self.config.seed, sample.ids)
        return _without_missing(GaussianNoise(sigma=sigma).apply(sample.clean, source), sample.present)

    def reconstruct(self, slices: Tensor) -> Tensor:
        """Return what the network that comes out makes of slices (N, C, H, W) of any size, float32."""
        fitted, undo = fit_size(slices, multiple_of=self.config.multiple_of)
        return undo(self.result(fitted.contiguous(memory_format=torch.channels_last)).float())

    def on_validation_epoch_end(self) -> None:  # noqa: D102
        names = ["loss"] + [
            f"{kind}/{label}/sigma={s:g}" for label, s in self._keys for kind in ("mse", "psnr")
        ]
        sums = torch.stack([self._sums.get(name, torch.zeros(2, dtype=torch.float64)) for name in names])
        if self.trainer.world_size > 1:
            torch.distributed.all_reduce(sums := sums.to(self.device))
        means = dict(zip(names, (sums[:, 0] / sums[:, 1].clamp_min(1)).tolist(), strict=True))
        loss = means.pop("loss")
        if self.config.optimizer.l2:
            with torch.no_grad():
                loss += float(l2_penalty(kernels(self.result), self.config.optimizer.l2))
        found = {name: value for name, value in means.items() if name.startswith("psnr/")}
        pooled = {
            f"psnr_of_mean_mse/{name.removeprefix('mse/')}": -10 * math.log10(value)
            if value
            else _HIGHEST_PSNR
            for name, value in means.items()
            if name.startswith("mse/")
        }
        # What is a hundred times better than visible noise must not decide between two networks.
        shown = [min(value, _TRANSPARENT) for value in found.values()]
        summary = {"psnr": sum(shown) / len(shown)} if shown else {}
        self.scores = {"validation_loss": loss, **summary, **found, **pooled}
        self.log("validation_loss", loss, sync_dist=True)
        if self._plateau is not None:
            self._plateau.step(loss)
        if self.sample is not None and self.trainer.is_global_zero:
            with self.trainer.precision_plugin.val_step_context():
                self.preview = self._look_at(self.sample)

    def configure_optimizers(self) -> Any:  # noqa: D102
        config = self.config
        if needs_rate_test(config.schedule) and self.highest_rate is None and self.test_rates is not None:
            with self.trainer.precision_plugin.train_step_context():
                self.highest_rate = self.trainer.strategy.broadcast(self.test_rates(self))
        optimizer = self.optimizer_of(self.network)
        self._plateau = make_plateau(config.schedule, optimizer)
        if self._plateau is not None and self._plateau_state:
            self._plateau.load_state_dict(self._plateau_state)
        schedule = make_schedule(config.schedule, optimizer, self.steps, self.highest_rate)
        if schedule is None:
            return optimizer
        return {"optimizer": optimizer, "lr_scheduler": scheduler_settings(schedule)}

    def optimizer_of(self, network: nn.Module) -> torch.optim.Optimizer:
        """Return a fresh optimizer of a network."""
        # A gradient scaler, which float16 needs, does its own arithmetic between two kernels, and Lightning
        # clips no gradients of a fused optimizer in mixed precision.
        fused = self.config.precision != "16-mixed" and self.config.optimizer.gradient_clip is None
        return make_optimizer(self.config.optimizer, network.parameters(), fused=fused)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:  # noqa: D102
        checkpoint["plateau"] = None if self._plateau is None else self._plateau.state_dict()
        checkpoint["highest_rate"] = self.highest_rate

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:  # noqa: D102
        # Before the optimizer and its schedule are made.
        self._plateau_state = checkpoint.get("plateau")
        self.highest_rate = checkpoint.get("highest_rate")

    def guard(self, check: Callable[[], None]) -> None:
        """Let `check` end a batch in its middle, by raising: in a large one there are seconds between two.

        It is called before every layer, forward and backward.
        """

        def look(module: nn.Module, inputs: tuple[Any, ...]) -> None:
            check()
            if inputs and isinstance(inputs[0], Tensor) and inputs[0].requires_grad:
                inputs[0].register_hook(lambda gradient: check())  # type: ignore[no-untyped-call]

        for layer in self.network.modules():
            if not list(layer.children()):
                layer.register_forward_pre_hook(look)

    def _look_at(self, sample: Sample) -> Preview:
        sample = sample._replace(clean=sample.clean.to(self.device))
        sigma = next((sigma for sigma in self.config.validation.sigmas if sigma), 0.0)
        if self.config.augmentation.steps or not sigma:
            corrupted = self.corrupt_for_validation(sample)
        else:
            corrupted = self.add_noise(sample, sigma)
        return Preview(
            *(
                own_slices(images)[:, 0].float().cpu().numpy()
                for images in (
                    sample.clean,
                    self.reconstruct(sample.clean),
                    corrupted,
                    self.reconstruct(corrupted),
                )
            )
        )

    def _add(self, name: str, values: Tensor) -> None:
        # Apple's graphics cards have no double precision.
        both = torch.tensor([values.cpu().double().sum(), len(values)], dtype=torch.float64)
        self._sums[name] = self._sums[name] + both if name in self._sums else both

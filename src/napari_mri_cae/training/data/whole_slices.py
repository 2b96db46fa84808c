"""Whole training slices, each once in an epoch."""

import math
from collections.abc import Callable, Iterator

import numpy as np

from napari_mri_cae.training.config import SliceSampling
from napari_mri_cae.training.data.batches import TrainingBatch, read_ahead, share_of
from napari_mri_cae.training.data.packed import pack_slices
from napari_mri_cae.training.data.prepared import Numbers, OnProgress, Prepared


class TrainingSlices:
    """Batches of whole clean slices, each a function of (seed, its number) alone.

    All slices come once, in random order, before any comes again; the last batch of such a pass holds what
    is left.

    Parameters
    ----------
    prepared
        The data; its configuration samples whole slices.
    first
        Returns the number of the first batch of the epoch that begins.
    share
        Which process this is, from 0 on, and of how many.
    on_progress
        As in `prepare`, while the slices are packed.

    Raises
    ------
    InputError
        As `pack_slices`.
    """

    def __init__(
        self,
        prepared: Prepared,
        first: Callable[[], int],
        share: tuple[int, int] = (0, 1),
        on_progress: OnProgress | None = None,
    ) -> None:
        config = prepared.config
        assert isinstance(config.sampling, SliceSampling)
        self._config = config
        self._flips = config.sampling.flips
        self._order_seed = config.sampling.order_seed
        self._first = first
        self._share = share
        self._rows = prepared.table.rows("training")
        self._slices = pack_slices(prepared, on_progress)
        self._length = prepared.steps_per_epoch
        self._pass = math.ceil(len(self._rows) / config.batch_size)
        self._order: tuple[int, Numbers] | None = None

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[TrainingBatch]:
        start = self._first()
        return read_ahead(self.batch, range(start, start + len(self)))

    def batch(self, number: int) -> TrainingBatch:
        """Return this process's share of batch `number`, slices (N, 1, H, W)."""
        import torch

        passed, place = divmod(number, self._pass)
        size = self._config.batch_size
        rows = self._ordered(passed)[place * size : (place + 1) * size]
        positions = share_of(len(rows), self._share)
        mine = rows[positions]
        slices = np.empty((len(mine), 1, *self._slices.shape[1:]), np.float32)
        for target, row in zip(slices[:, 0], mine, strict=True):
            target[...] = self._slices[row]
        if self._flips:
            rng = np.random.default_rng((self._config.seed, number))
            mirrored = rng.integers(2, size=(len(rows), 2))[positions]
            for target, (upside_down, left_right) in zip(slices[:, 0], mirrored, strict=True):
                target[...] = target[:: 1 - 2 * upside_down, :: 1 - 2 * left_right].copy()
        return TrainingBatch(number, torch.from_numpy(slices), tuple(mine.tolist()), positions, len(rows))

    def _ordered(self, passed: int) -> Numbers:
        """Return the rows in the order of a pass over them."""
        if self._order is None or self._order[0] != passed:
            seed = self._config.seed if self._order_seed is None else self._order_seed
            # The last number keeps the orders apart from the flips.
            rng = np.random.default_rng((seed, passed, 1))
            self._order = (passed, rng.permutation(self._rows))
        return self._order[1]

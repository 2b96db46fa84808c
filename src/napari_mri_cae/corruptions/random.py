"""Where corruptions get their randomness: reproducible slice by slice, or fast for whole training batches."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal, Protocol

import numpy as np

from napari_mri_cae.planes import Plane, plane_axis

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray
    from torch import Tensor


# Enough for a slice and two neighbours on either side in six corruptions: a slider then only scales them.
_REMEMBERED: Final = 32
# Of numbers; larger fields are drawn anew, which keeps what is remembered below 64 MiB.
_LARGEST: Final = 2**19


class Source(Protocol):
    """What a corruption asks for random fields."""

    def for_corruption(self, kind: str, occurrence: int = 0) -> Source:
        """Return the source for the `occurrence`-th corruption of this kind in a chain."""
        ...

    def normal(self, shape: Sequence[int], like: Tensor) -> Tensor:
        """Return standard normal numbers (N, *shape), one field for each slice of `like` (N, ...).

        They have the device and the dtype of `like`.
        """
        ...

    def uniform(self, shape: Sequence[int], like: Tensor) -> Tensor:
        """Return numbers uniform in [0, 1), shaped and placed as by `normal`."""
        ...


class SliceSource:
    """Randomness that belongs to the slices, not to the batch they happen to be computed in.

    The field of a slice depends on (seed, kind of corruption, its occurrence in the chain, plane, slice
    index) and on nothing else: it is the same bits for any batch size and any device. Fields are drawn as
    float32 on the CPU by numpy's counter-based Philox generator (Salmon et al., SC 2011), keyed by a
    `SeedSequence`, and moved to the slices' device. Parameters such as sigma have no part in it, so a slider
    scales a pattern that stays where it is. A 256 x 256 field takes about 0.7 ms (normal) or 0.15 ms
    (uniform) on one core; the last ones are remembered.

    Each call starts the slice's stream again, so a corruption asks once, for all the numbers that it needs.

    Parameters
    ----------
    seed
        Any integer from 0 to 2**64 - 1.
    plane
        The plane that the slices belong to.
    indices
        The index of every slice of the batch along the axis of `plane`, 0 to 2**32 - 1.
    """

    def __init__(self, seed: int, plane: Plane, indices: Sequence[int]) -> None:
        if not 0 <= seed < 2**64:
            raise ValueError(f"the seed must be from 0 to 2**64 - 1, not {seed}")
        self.seed = int(seed)
        self.plane = plane
        self.indices = tuple(int(index) for index in indices)
        if any(not 0 <= index < 2**32 for index in self.indices):
            raise ValueError("slice indices must be from 0 to 2**32 - 1")
        self._axis = plane_axis(plane)
        self._corruption: tuple[int, ...] = _words("", 0)

    def for_corruption(self, kind: str, occurrence: int = 0) -> SliceSource:
        """Return the source for the `occurrence`-th corruption of this kind in a chain."""
        source = SliceSource(self.seed, self.plane, self.indices)
        source._corruption = _words(kind, occurrence)
        return source

    def normal(self, shape: Sequence[int], like: Tensor) -> Tensor:
        """Return standard normal numbers (N, *shape) with the device and dtype of `like` (N, ...)."""
        return self._draw("normal", shape, like)

    def uniform(self, shape: Sequence[int], like: Tensor) -> Tensor:
        """Return numbers uniform in [0, 1), (N, *shape), with the device and dtype of `like` (N, ...)."""
        return self._draw("uniform", shape, like)

    def _draw(
        self,
        distribution: Literal["normal", "uniform"],
        shape: Sequence[int],
        like: Tensor,
    ) -> Tensor:
        import torch

        if like.shape[0] != len(self.indices):
            raise ValueError(f"{like.shape[0]} slices were given with {len(self.indices)} slice indices")
        draw = _field if math.prod(shape) <= _LARGEST else _field.__wrapped__
        fields = np.empty((len(self.indices), *shape), dtype=np.float32)
        for field, index in zip(fields, self.indices, strict=True):
            # Every part takes a fixed number of 32-bit words, so no two keys can run together.
            key = (self.seed & 0xFFFFFFFF, self.seed >> 32, self._axis, index, *self._corruption)
            field[...] = draw(distribution, tuple(shape), key)
        tensor = torch.from_numpy(fields)
        if like.device.type == "cuda":
            tensor = tensor.pin_memory()
        return tensor.to(device=like.device, dtype=like.dtype, non_blocking=like.device.type == "cuda")


class BatchSource:
    """Randomness for training: whole batches from one generator, on the generator's own device.

    Reproducible for the same seed, device and sequence of calls, and not across devices or batch sizes.

    Parameters
    ----------
    generator
        A generator, best on the device of the slices; None uses torch's default one of that device.
    """

    def __init__(self, generator: torch.Generator | None = None) -> None:
        self.generator = generator

    def for_corruption(self, kind: str, occurrence: int = 0) -> BatchSource:
        """Return this source: its numbers come in sequence, whatever they are for."""
        return self

    def normal(self, shape: Sequence[int], like: Tensor) -> Tensor:
        """Return standard normal numbers (N, *shape) with the device and dtype of `like` (N, ...)."""
        import torch

        device = like.device if self.generator is None else self.generator.device
        fields = torch.randn(
            (like.shape[0], *shape), generator=self.generator, device=device, dtype=like.dtype
        )
        return fields.to(like.device)

    def uniform(self, shape: Sequence[int], like: Tensor) -> Tensor:
        """Return numbers uniform in [0, 1), (N, *shape), with the device and dtype of `like` (N, ...)."""
        import torch

        device = like.device if self.generator is None else self.generator.device
        fields = torch.rand(
            (like.shape[0], *shape), generator=self.generator, device=device, dtype=like.dtype
        )
        return fields.to(like.device)


@lru_cache(_REMEMBERED)
def _field(
    distribution: Literal["normal", "uniform"], shape: tuple[int, ...], key: tuple[int, ...]
) -> NDArray[np.float32]:
    """Return the field of a key; others have it too, so it is to be copied."""
    generator = np.random.Generator(np.random.Philox(np.random.SeedSequence(key)))
    if distribution == "normal":
        return generator.standard_normal(shape, dtype=np.float32)
    return generator.random(shape, dtype=np.float32)


def _words(kind: str, occurrence: int) -> tuple[int, ...]:
    """Return three 32-bit words that stand for a corruption: 64 bits of its name's hash, its occurrence."""
    digest = hashlib.sha256(kind.encode()).digest()
    return int.from_bytes(digest[:4], "little"), int.from_bytes(digest[4:8], "little"), int(occurrence)

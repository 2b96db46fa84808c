"""Batches: what they hold, and how they are read ahead of the network."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from napari_mri_cae.planes import Plane

if TYPE_CHECKING:
    from torch import Tensor

Result = TypeVar("Result")

_READ_AHEAD: Final = 3


class TrainingBatch(NamedTuple):
    """What one process learns from in one step.

    Attributes
    ----------
    number
        Of the step, from 0 on over the whole training.
    clean
        (N, 1, H, W) float32: this process's share of the batch. Each with its neighbours, (N, C, H, W), where
        the network looks at them.
    ids
        Which slices they are, the same in every epoch; None for patches, which never come back.
    positions
        Of the share in the whole batch.
    total
        Slices in the whole batch.
    present
        (N, C) bool, which neighbours there are; None without neighbours. The others are 0, whatever is
        done to the rest.
    """

    number: int
    clean: "Tensor"
    ids: tuple[int, ...] | None
    positions: slice
    total: int
    present: "Tensor | None" = None


class ValidationBatch(NamedTuple):
    """Clean slices of one plane and one data folder, by which a training is judged.

    Attributes
    ----------
    data
        The label of the data folder.
    plane
        Of the slices.
    clean
        (N, 1, H, W) float32, or each with its neighbours.
    ids
        Which slices they are: no other slice of the training, in any part, has the same.
    present
        As of a `TrainingBatch`.
    """

    data: str
    plane: Plane
    clean: "Tensor"
    ids: tuple[int, ...]
    present: "Tensor | None" = None


def share_of(total: int, share: tuple[int, int]) -> slice:
    """Return where the share of process `share[0]` of `share[1]` lies in a batch of `total`.

    The shares are neighbours and together the whole; where it cannot be divided, the first ones have one
    slice more.
    """
    rank, processes = share
    least, more = divmod(total, processes)
    start = rank * least + min(rank, more)
    return slice(start, start + least + (rank < more))


def read_ahead(make: Callable[[int], Result], numbers: Sequence[int]) -> Iterator[Result]:
    """Yield `make(number)` for each number, made by a thread while the network works on those before."""
    with ThreadPoolExecutor(1) as reader:
        pending = [reader.submit(make, number) for number in numbers[:_READ_AHEAD]]
        try:
            for place in range(len(numbers)):
                result = pending.pop(0).result()
                if place + _READ_AHEAD < len(numbers):
                    pending.append(reader.submit(make, numbers[place + _READ_AHEAD]))
                yield result
        finally:
            reader.shutdown(cancel_futures=True)
